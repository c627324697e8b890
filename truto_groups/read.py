"""The tables as pandas DataFrames, for people and notebooks.

    from truto_groups import read

    read.groups()                                  # every group of every account
    read.groups_as_of("2026-03-01")                # as they were
    with read.connect() as connection:             # or ask with SQL
        connection.sql("FROM groups WHERE group_type = 'team'").show()

Each call looks at the database as it was last committed, through a copy: it waits for no run that
writes, keeps none waiting, and needs no more than the right to read the file. The copy is taken
anew only when something was written since. A connection that is handed in is one look for several
questions. Nothing here writes, and nothing here needs a token or Dagster.
"""

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from truto_groups.settings import read_environment
from truto_groups.settings.dotenv import read_variables
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.snapshot import open_snapshot, query

if TYPE_CHECKING:
    from truto_groups.warehouse.database import Connection


def connect(database: str | None = None) -> "Connection":
    """Open a read-only DuckDB connection to the tables as they are now.

    Close it, or use it in a ``with`` block. The latest copy of a file takes its room in the folder
    for temporary files (``TMPDIR``) until the process ends.

    Args:
        database: A file, ``md:…`` or ``ducklake:…``; what TRUTO_GROUPS_DATABASE names, else the
            project's, when not given.

    Raises:
        SettingsError: No database is named, and there is no project to hold one.
        DatabaseError: It does not exist yet or cannot be read.
    """
    if database is None:
        cwd = Path.cwd()
        database = read_environment(read_variables(os.environ, cwd=cwd), cwd=cwd).database
    return open_snapshot(Database(database))


def groups(connection: "Connection | None" = None) -> pd.DataFrame:
    """Every group: one row per integrated account and id."""
    return _frame("FROM groups ORDER BY integration, integrated_account_id, id", connection)


def groups_as_of(
    instant: datetime | date | str, connection: "Connection | None" = None
) -> pd.DataFrame:
    """Every group as it was published at an instant, ``remote_data`` apart.

    Args:
        instant: Aware, or taken as UTC; a date is its beginning.
        connection: Where to read; a look of its own when not given.

    Raises:
        ValueError: A text is no instant in ISO 8601.
    """
    return _frame(
        "FROM groups_as_of($instant::TIMESTAMPTZ) ORDER BY integration, integrated_account_id, id",
        connection,
        instant=_as_utc(instant),
    )


def raw_groups(connection: "Connection | None" = None) -> pd.DataFrame:
    """Every unified group exactly as Truto sent it: JSON text in ``record``."""
    return _frame("FROM raw_groups ORDER BY integrated_account_id, id", connection)


def group_type_breakdown(connection: "Connection | None" = None) -> pd.DataFrame:
    """How many groups of which type an account has: one row per account and type."""
    return _frame(
        "FROM group_type_breakdown ORDER BY integration, integrated_account_id, group_type",
        connection,
    )


def group_changes(connection: "Connection | None" = None) -> pd.DataFrame:
    """What was added, removed and changed between published syncs, the latest first."""
    return _frame(
        "FROM group_changes ORDER BY changed_at DESC, integrated_account_id, id", connection
    )


def integrated_accounts(connection: "Connection | None" = None) -> pd.DataFrame:
    """Every integrated account as Truto last listed it."""
    return _frame("FROM integrated_accounts ORDER BY integration, tenant_id, id", connection)


def integration_contracts(connection: "Connection | None" = None) -> pd.DataFrame:
    """What Truto declares of each integration: one row per field or query parameter."""
    return _frame("FROM integration_contracts ORDER BY integration, kind, name", connection)


def account_syncs(connection: "Connection | None" = None) -> pd.DataFrame:
    """The ledger: every attempt to sync an account, the latest first."""
    return _frame("FROM account_syncs ORDER BY started_at DESC, integrated_account_id", connection)


def _frame(text: str, connection: "Connection | None" = None, **parameters: object) -> pd.DataFrame:
    with contextlib.ExitStack() as stack:
        if connection is None:
            connection = stack.enter_context(contextlib.closing(connect()))
        asked: Mapping[str, object] = parameters
        relation, instants = query(connection, text, asked)
        frame = relation.df()
    for name in instants:
        frame[name] = frame[name].dt.tz_localize("UTC")
    return frame


def _as_utc(instant: datetime | date | str) -> str:
    """Write an instant so that DuckDB reads it the same everywhere."""
    if isinstance(instant, str):
        try:
            instant = datetime.fromisoformat(instant)
        except ValueError:
            raise ValueError(
                f"{instant!r} is no instant. Give a datetime, a date, or ISO 8601 such as "
                "'2026-11-01' or '2026-11-01T08:30:00Z'."
            ) from None
    if not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).isoformat()
