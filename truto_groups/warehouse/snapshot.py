"""A read-only look at the database that neither waits for a writer nor keeps one waiting.

A DuckDB file that one process writes can be opened by no other, not even to read. So a reader gets
a copy of its own (see copies.py). What is read from it is read.py's.
"""

from collections.abc import Mapping

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


def query(
    connection: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, object] | None = None
) -> tuple[duckdb.DuckDBPyRelation, list[str]]:
    """Ask, with instants as plain UTC timestamps, which pandas takes without a detour.

    Returns:
        The answer, and the names of its columns that hold instants.
    """
    relation = connection.sql(text, params=dict(parameters) if parameters else None)
    instants = [
        name
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if str(kind) == "TIMESTAMP WITH TIME ZONE"
    ]
    columns = [
        duckdb.ColumnExpression(name).cast("TIMESTAMP").alias(name)
        if name in instants
        else duckdb.ColumnExpression(name)
        for name in relation.columns
    ]
    return relation.select(*columns), instants
