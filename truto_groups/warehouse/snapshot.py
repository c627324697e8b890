"""A read-only look at the database that neither waits for a writer nor keeps one waiting.

A DuckDB file that one process writes can be opened by no other, not even to read. So a reader gets
a copy of its own (see copies.py). A lake is read as it was at one moment. What is read from either
is readable.py's.
"""

import contextlib
from collections.abc import Generator

import duckdb

from truto_groups.warehouse.database import Database


@contextlib.contextmanager
def reading_snapshot(database: Database) -> Generator[duckdb.DuckDBPyConnection]:
    """Have the database as it is now for one block, to read only.

    Raises:
        DatabaseError: As ``open_snapshot``; or a lake cannot be reached any more in the block.
    """
    with database.explaining(), contextlib.closing(open_snapshot(database)) as connection:
        yield connection


def open_snapshot(database: Database) -> duckdb.DuckDBPyConnection:
    """Open the database as it is now, to read only; what is published later is not in it.

    Raises:
        DatabaseError: It does not exist yet, cannot be copied, or cannot be opened.
    """
    return database.open_copy() if database.is_file else database.open_remote()
