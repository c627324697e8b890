"""A read-only look at the database that neither waits for a writer nor keeps one waiting.

A DuckDB file that one process writes can be opened by no other, not even to read. So a reader gets
a copy of its own (see copies.py). What is read from it is readable.py's.
"""

import duckdb

from truto_groups.warehouse.database import Database
from truto_groups.warehouse.json_equality import register_sameness


def open_snapshot(database: Database) -> duckdb.DuckDBPyConnection:
    """Open the database as it is now, to read only; what is published later is not in it.

    Raises:
        DatabaseError: It does not exist yet, cannot be copied, or cannot be opened.
    """
    connection = database.open_copy() if database.is_file else database.open_remote()
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    # A statement of two seconds would draw its progress into the output of `status --json`.
    connection.execute("SET enable_progress_bar = false").fetchall()
    register_sameness(connection)
    return connection
