"""The table integrated_accounts, and what discovery remembers beside it.

Which accounts are new, gone or due is decided by pure modules; here it is only kept and read.
All functions work on a connection that Database.writing or .reading gave.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from truto_groups.accounts import IntegratedAccount, KnownAccount
from truto_groups.warehouse.database import set_variables
from truto_groups.warehouse.statements import statement, statements


def read_known_accounts(connection: duckdb.DuckDBPyConnection) -> list[KnownAccount]:
    """Read every known account, in the order in which they were first listed."""
    cursor = connection.execute(statement("read_accounts"))
    names = [column[0] for column in cursor.description or []]
    return [KnownAccount(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def write_listing(
    connection: duckdb.DuckDBPyConnection, accounts: Sequence[IntegratedAccount], *, now: datetime
) -> None:
    """Keep what was listed: new accounts, and the present state of known ones.

    Marks none as gone; a listing of one account may be written as well as a complete one.
    """
    fields = IntegratedAccount.__slots__
    columns = {name: [getattr(account, name) for account in accounts] for name in fields}
    connection.execute(statement("listed"), columns).fetchall()
    set_variables(connection, now=now)
    for text in [*statements("write_listing"), statement("carry_capabilities")]:
        connection.execute(text).fetchall()


def mark_gone(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str], *, now: datetime
) -> None:
    """Mark accounts that a complete listing lacks."""
    connection.execute(
        "UPDATE integrated_accounts SET gone_at = $now "
        "WHERE gone_at IS NULL AND id IN (SELECT unnest($ids))",
        {"now": now, "ids": list(integrated_account_ids)},
    ).fetchall()


def forget_accounts(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str]
) -> None:
    """Drop accounts whose grace period is over; their rows must have been removed before."""
    set_variables(connection, ids=list(integrated_account_ids))
    for text in statements("forget_accounts"):
        connection.execute(text).fetchall()


def read_capabilities(
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, tuple[bool | None, datetime]]:
    """Read whether integrations list groups and when that was asked, by slug."""
    rows = connection.execute(
        "SELECT integration, supports_groups, asked_at FROM integration_capabilities"
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def write_capabilities(
    connection: duckdb.DuckDBPyConnection, answers: Mapping[str, bool | None], *, now: datetime
) -> None:
    """Keep what Truto answered; a question that failed is not an answer and not written."""
    connection.execute(
        "DELETE FROM integration_capabilities WHERE integration IN (SELECT unnest($names))",
        {"names": list(answers)},
    ).fetchall()
    connection.execute(
        "INSERT INTO integration_capabilities BY NAME SELECT unnest($names::VARCHAR[]) "
        "AS integration, unnest($supports::BOOLEAN[]) AS supports_groups, $now AS asked_at",
        {"names": list(answers), "supports": list(answers.values()), "now": now},
    ).fetchall()
    connection.execute(statement("carry_capabilities")).fetchall()
