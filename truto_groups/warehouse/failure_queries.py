"""What a run did not publish, for those who tell a person about it.

On a connection that Database.writing or .reading gave; what is worth telling is
report/messages.py's.
"""

import duckdb

from truto_groups.report.messages import FailedAttempt
from truto_groups.warehouse.statements import statement


def read_failures(connection: duckdb.DuckDBPyConnection, *, run_id: str) -> list[FailedAttempt]:
    """Read the accounts that a run tried and did not publish, by integration and tenant."""
    rows = connection.execute(statement("read_failures"), {"run_id": run_id}).fetchall()
    return [FailedAttempt(*row) for row in rows]
