"""A read-only look at the database that neither waits for a writer nor keeps one waiting.

A DuckDB file that one process writes can be opened by no other, not even to read. So a reader gets
a copy of its own, taken while nobody writes. What is read from it is read.py's.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database, first_line, name_spill_folder


def open_snapshot(database: Database) -> duckdb.DuckDBPyConnection:
    """Open the database as it is now, to read only; what is published later is not in it.

    Raises:
        DatabaseError: It does not exist yet, cannot be copied, or cannot be opened.
    """
    try:
        if database.is_file:
            connection = _open_copy(database)
        else:
            connection = duckdb.connect(database.location, read_only=True)
    except (OSError, duckdb.Error) as error:
        raise DatabaseError(
            f"The database {database.location} cannot be read: {first_line(error)}",
            advice="Check that TRUTO_GROUPS_DATABASE names a DuckDB database, and that the "
            "temporary folder has room for a copy of it.",
        ) from error
    connection.execute("SET TimeZone = 'UTC'").fetchall()
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


def _open_copy(database: Database) -> duckdb.DuckDBPyConnection:
    source = Path(database.location)
    with tempfile.TemporaryDirectory(prefix="truto-groups-") as folder:
        copy = Path(folder) / source.name
        with database.reading():
            shutil.copyfile(source, copy)
            # What was committed and not yet moved into the file; without it the copy is older.
            journal = source.with_name(f"{source.name}.wal")
            if journal.exists():
                shutil.copyfile(journal, copy.with_name(journal.name))
        # An open file outlives its name: the copy goes with the connection, however that ends.
        return duckdb.connect(
            str(copy), read_only=True, config={"temp_directory": name_spill_folder()}
        )
