"""What the picture over all accounts is drawn from.

On a connection that Database.writing or .reading gave; what it looks like is report/overview.py's.
"""

from datetime import datetime

import duckdb

from truto_groups.report.overview import ChangedAccount, TypeCount
from truto_groups.warehouse.statements import statement


def read_type_counts(connection: duckdb.DuckDBPyConnection) -> list[TypeCount]:
    """Read how many groups of which type each integration has."""
    return [TypeCount(*r) for r in connection.execute(statement("overview_types")).fetchall()]


def read_changed_accounts(
    connection: duckdb.DuckDBPyConnection, *, since: datetime
) -> list[ChangedAccount]:
    """Read what changed since an instant, by account; the latest change first."""
    rows = connection.execute(statement("overview_changes"), {"since": since}).fetchall()
    return [ChangedAccount(*row) for row in rows]
