"""What the picture over all accounts is drawn from, and what changed last.

On a connection that Database.writing or .reading gave; what it looks like is report/overview.py's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import duckdb
import msgspec

from truto_groups.report.changes import ChangedAccount, ChangedGroup
from truto_groups.report.needs import Trouble
from truto_groups.report.overview import DayTotal, TimeToNotice, TypeCount
from truto_groups.warehouse.statements import statement

_EXAMPLES = 5
_VERBS = ("added", "removed", "renamed", "retyped", "changed")


def read_type_counts(connection: duckdb.DuckDBPyConnection) -> list[TypeCount]:
    """Read how many groups of which type each integration has."""
    return [TypeCount(*r) for r in connection.execute(statement("overview/types")).fetchall()]


def read_changed_accounts(
    connection: duckdb.DuckDBPyConnection, *, since: datetime, with_examples: int
) -> list[ChangedAccount]:
    """Read what changed since an instant, by account; the latest change first.

    Args:
        connection: Where to read.
        since: Aware instant.
        with_examples: Of how many accounts some changes are read.
    """
    parameters = {
        "since": since,
        "examples": _EXAMPLES,
        "accounts_with_examples": with_examples,
    }
    rows = connection.execute(statement("overview/changes"), parameters).fetchall()
    return [
        ChangedAccount(
            *row[:3],
            counts=dict(zip(_VERBS, row[3:8], strict=True)),
            examples=[_read_group(*example) for example in row[8] or ()],
            last_changed_at=row[9],
        )
        for row in rows
    ]


def read_newest_changes(
    connection: duckdb.DuckDBPyConnection, *, most: int
) -> list[tuple[str, str, str | None, datetime, ChangedGroup]]:
    """Read the newest changes.

    Returns:
        Account's id, partition key, label, instant and change of each, the newest first.
    """
    rows = connection.execute(statement("overview/newest_changes"), {"most": most}).fetchall()
    return [(*row[:4], _read_group(*row[4:])) for row in rows]


def read_day_totals(connection: duckdb.DuckDBPyConnection, *, since: datetime) -> list[DayTotal]:
    """Read how many groups there were at the end of each day on which their number changed."""
    rows = connection.execute(statement("overview/totals"), {"since": since}).fetchall()
    return [DayTotal(*row) for row in rows]


def read_times_to_notice(
    connection: duckdb.DuckDBPyConnection, *, since: datetime, longest: timedelta
) -> list[TimeToNotice]:
    """Read how long changes since an instant took until they were noticed, all together first."""
    parameters = {"since": since, "longest_seconds": longest.total_seconds()}
    rows = connection.execute(statement("overview/lags"), parameters).fetchall()
    return [
        TimeToNotice(row[0], row[1], timedelta(seconds=row[2]), timedelta(seconds=row[3]))
        for row in rows
    ]


def read_troubles(connection: duckdb.DuckDBPyConnection) -> Mapping[str, Trouble]:
    """Read since when accounts fail or are held back, by id."""
    rows = connection.execute(statement("overview/troubles")).fetchall()
    return {row[0]: Trouble(*row[1:]) for row in rows}


def read_drift_starts(connection: duckdb.DuckDBPyConnection) -> Mapping[str, datetime]:
    """Read since when accounts drift that need a person to look, by id."""
    rows = connection.execute(
        "SELECT integrated_account_id, min(since) FROM account_drift "
        "WHERE severity <> 'information' GROUP BY integrated_account_id"
    ).fetchall()
    return dict(rows)


def _read_group(
    group_id: str, change: str, hint: str | None, name: str | None, changed_fields: str
) -> ChangedGroup:
    return ChangedGroup(group_id, change, hint, name, msgspec.json.decode(changed_fields))
