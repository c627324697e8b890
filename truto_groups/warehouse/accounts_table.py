"""The table integrated_accounts, and what discovery remembers beside it.

Which accounts are new, gone or due is decided by pure modules; here it is only kept and read.
All functions work on a connection that Database.writing or .reading gave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from truto_groups.accounts.coverage import Hindsight
from truto_groups.accounts.model import UNKNOWN_INTEGRATION, KnownAccount, ListedAccount
from truto_groups.warehouse.answer_order import count_first_request, resume_count
from truto_groups.warehouse.connections import set_variables
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.partition_keys import give_partition_keys
from truto_groups.warehouse.properties_table import read_pruned
from truto_groups.warehouse.statements import statement, statements

_LISTING_ORDER = "listing_order"
_LAST_LISTING = "last_listed_at"
_LOOKED_UP = "looked_up:"


def read_known_accounts(connection: duckdb.DuckDBPyConnection) -> list[KnownAccount]:
    """Read every known account, in the order in which they were first listed."""
    return _read_accounts(connection, "accounts/read_accounts")


def read_accounts_as_of(
    connection: duckdb.DuckDBPyConnection, instant: datetime
) -> list[KnownAccount]:
    """Read the accounts as they were known at an aware instant, with what had become of them then.

    Those that are not known any more are named by their ids.
    """
    set_variables(connection, as_of=instant)
    return _read_accounts(connection, "accounts/read_accounts_as_of")


def read_hindsight(connection: duckdb.DuckDBPyConnection, instant: datetime) -> Hindsight:
    """Read what is known of an aware instant that has passed, and was not told by the ledger."""
    set_variables(connection, as_of=instant)
    rows = connection.execute(statement("accounts/read_hindsight")).fetchall()
    ((first_listed_at,),) = connection.execute(
        "SELECT min(first_listed_at) FROM integrated_accounts"
    ).fetchall()
    return Hindsight(
        pruned_before=read_pruned(connection),
        published=frozenset(row[0] for row in rows if row[1]),
        published_later={row[0]: row[2] for row in rows if row[2] is not None},
        first_listed_at=first_listed_at,
    )


def read_present_ids(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Read the ids of the known accounts, those that are gone apart."""
    rows = connection.execute("SELECT id FROM integrated_accounts WHERE gone_at IS NULL").fetchall()
    return frozenset(row[0] for row in rows)


def _read_accounts(connection: duckdb.DuckDBPyConnection, name: str) -> list[KnownAccount]:
    cursor = connection.execute(statement(name))
    names = [column[0] for column in cursor.description or []]
    return [KnownAccount(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True)
class ListingTurn:
    """When a listing was asked for, in the order of all requests, and what was known before.

    Attributes:
        order: Of two listings, the one with the larger number is newer.
        known: Ids of the accounts that were known then, those that are gone apart.
    """

    order: int
    known: frozenset[str]


def read_last_listing(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """When a complete listing was last written, as an aware UTC instant; None before the first.

    A look-up of single accounts is none, and a listing without any account is one.
    """
    row = connection.execute(
        # Not bound: for that DuckDB imports pandas, for which a probe has no time.
        f"SELECT value::TIMESTAMPTZ FROM database_properties WHERE name = '{_LAST_LISTING}'"  # noqa: S608
    ).fetchone()
    return row[0] if row else None


def begin_listing(database: Database) -> ListingTurn:
    """Take a listing's place in the order of all listings; to be called right before it is asked.

    Raises:
        DatabaseError: The database, or the count beside it, cannot be used.
    """

    def look() -> frozenset[str]:
        with database.writing() as connection:
            resume_count(database, connection)
            return read_present_ids(connection)

    present = database.retried(look)
    return ListingTurn(count_first_request(database), present)


def find_told_since(
    connection: duckdb.DuckDBPyConnection, turn: ListingTurn
) -> frozenset[str] | None:
    """Find the accounts of which something newer than a listing is written, which must stay.

    To be called in the transaction that writes the listing.

    Returns:
        Ids of the accounts that were looked up since one by one; None when a newer complete
        listing is written, which told of all.
    """
    listed = connection.execute(
        "SELECT name FROM database_properties "
        "WHERE name = $name AND try_cast(value AS BIGINT) > $order",
        {"name": _LISTING_ORDER, "order": turn.order},
    ).fetchall()
    if listed:
        return None
    rows = connection.execute(
        "SELECT name[len($prefix) + 1:] FROM database_properties "
        "WHERE starts_with(name, $prefix) AND try_cast(value AS BIGINT) > $order",
        {"prefix": _LOOKED_UP, "order": turn.order},
    ).fetchall()
    return frozenset(row[0] for row in rows)


def remember_listing(
    connection: duckdb.DuckDBPyConnection, turn: ListingTurn, *, now: datetime
) -> None:
    """Remember a complete listing, written at an aware instant, as the newest that is written."""
    connection.execute(
        "DELETE FROM database_properties WHERE name IN ($order_name, $instant_name) "
        "OR starts_with(name, $prefix) AND try_cast(value AS BIGINT) < $order",
        {
            "order_name": _LISTING_ORDER,
            "instant_name": _LAST_LISTING,
            "prefix": _LOOKED_UP,
            "order": turn.order,
        },
    ).fetchall()
    _remember(connection, [_LISTING_ORDER], turn)
    connection.execute(
        "INSERT INTO database_properties (name, value) VALUES ($name, $now::TIMESTAMPTZ::VARCHAR)",
        {"name": _LAST_LISTING, "now": now},
    ).fetchall()


def remember_look_up(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str], turn: ListingTurn
) -> None:
    """Remember that accounts were looked up, until a newer complete listing is written."""
    names = [f"{_LOOKED_UP}{account_id}" for account_id in integrated_account_ids]
    connection.execute(
        "DELETE FROM database_properties WHERE name IN (SELECT unnest($names))", {"names": names}
    ).fetchall()
    _remember(connection, names, turn)


def _remember(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], turn: ListingTurn
) -> None:
    connection.execute(
        "INSERT INTO database_properties BY NAME "
        "SELECT unnest($names::VARCHAR[]) AS name, $value AS value",
        {"names": list(names), "value": str(turn.order)},
    ).fetchall()


def write_listing(
    connection: duckdb.DuckDBPyConnection, accounts: Sequence[ListedAccount], *, now: datetime
) -> None:
    """Keep what was listed: new accounts, and the present state of known ones.

    Marks none as gone; a listing of one account may be written as well as a complete one. Nothing
    newer is written of these accounts (see ``find_told_since``).
    """
    fields = ListedAccount.__slots__
    columns = {name: [getattr(account, name) for account in accounts] for name in fields}
    connection.execute(statement("accounts/listed"), columns).fetchall()
    set_variables(connection, now=now, unknown_integration=UNKNOWN_INTEGRATION)
    for text in [*statements("accounts/write_listing"), statement("accounts/carry_capabilities")]:
        connection.execute(text).fetchall()
    give_partition_keys(connection)


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
    for text in statements("accounts/forget_accounts"):
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
    set_variables(connection, unknown_integration=UNKNOWN_INTEGRATION)
    connection.execute(statement("accounts/carry_capabilities")).fetchall()
