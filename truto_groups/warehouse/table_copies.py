"""Copy all tables of one database into another, and prove that both hold the same rows.

A table is copied in one transaction of the target, so that whoever was ended goes on with the next
one. The source is read as it is at one moment, and nothing of it is changed.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.schema import DATABASE_PROPERTIES, TABLES
from truto_groups.warehouse.connections import name_spill_folder
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.properties_table import (
    delete_copy_mark,
    read_copy_mark,
    write_copy_mark,
)
from truto_groups.warehouse.snapshot import reading_snapshot

# What a database says of itself alone.
_OWN = "('schema_version', 'copied_from')"


@dataclass(frozen=True, slots=True)
class TableDigest:
    """What a table holds: how many rows, and a digest in which their order plays no part."""

    row_count: int
    digest: str


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that is the same on both sides.

    Attributes:
        name: The table.
        row_count: How many rows it has.
        is_new: Whether it was copied now; else an earlier call had done so.
    """

    name: str
    row_count: int
    is_new: bool


class SourceMovedError(DatabaseError):
    """The source was written while it was copied; to copy again takes that along."""


def find_run_at_work(source: Database) -> str | None:
    """Find a run that is alive and syncs accounts into the database; None where there is none."""
    with reading_snapshot(source) as connection:
        rows = connection.execute(
            "SELECT DISTINCT run_id FROM account_syncs WHERE outcome = 'running' ORDER BY run_id"
        ).fetchall()
    return next((run_id for (run_id,) in rows if source.coordination.is_alive(run_id)), None)


def copy_tables(source: Database, target: Database) -> Generator[CopiedTable]:
    """Copy every table, the ledger and the past among them, that is not the same yet.

    Until it is whole, no run takes the target for its database.

    Yields:
        Each table when both sides hold the same rows.

    Raises:
        SourceMovedError: Something was written into the source meanwhile; the copy is not whole.
        DatabaseError: The target holds what did not come from here, or is the source itself, or
            one of both cannot be used, or a table is not the same afterwards.
    """
    _refuse_same_file(source, target)
    target = target.to_be_filled()
    with reading_snapshot(source) as reading:
        digests = _digest_tables(reading)
        _claim(target, source, digests)
        for name, digest in digests.items():
            with target.reading() as connection:
                is_there = digest_table(connection, name) == digest
            if not is_there:
                _copy(reading, target, name)
            yield CopiedTable(name, digest.row_count, is_new=not is_there)
    with target.writing() as connection:
        for name, digest in digests.items():
            _require_same(connection, name, digest, shown=target.shown)
        _require_unmoved(source, digests)
        delete_copy_mark(connection)


def digest_table(connection: duckdb.DuckDBPyConnection, name: str) -> TableDigest:
    """Count the rows of a table and digest all of their columns."""
    columns = ", ".join(
        # As text, in which both stores spell a value the same.
        f"{column}::VARCHAR"
        for column in _columns_of(name)
    )
    ((count, digest),) = connection.execute(
        f"SELECT count(*), coalesce(sum(hash({columns})::HUGEINT), 0)::VARCHAR "  # noqa: S608
        f"FROM {name} WHERE {_condition(name)}"
    ).fetchall()
    return TableDigest(count, digest)


def _digest_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, TableDigest]:
    return {table.name: digest_table(connection, table.name) for table in TABLES}


def _columns_of(name: str) -> tuple[str, ...]:
    return next(table.column_names for table in TABLES if table.name == name)


def _condition(name: str) -> str:
    return f"name NOT IN {_OWN}" if name == DATABASE_PROPERTIES.name else "TRUE"


def _refuse_same_file(source: Database, target: Database) -> None:
    one, other = source.file, target.file
    if one is not None and other is not None and one.resolve() == other.resolve():
        raise DatabaseError(
            f"{target.shown} is the database that is to be copied.",
            advice="Nothing was changed. Name another database.",
        )


def _claim(target: Database, source: Database, digests: Mapping[str, TableDigest]) -> None:
    """Take the target for a copy of the source; refuse one that holds anything else.

    One with the same rows is refused as well: it may be the source by another name.
    """
    if not any(one.row_count for one in digests.values()):
        raise DatabaseError(
            f"{source.shown} holds no rows: there is nothing to copy.",
            advice="Nothing was changed. See whether TRUTO_GROUPS_DATABASE says where it lies.",
        )
    with target.writing() as connection:
        origin = read_copy_mark(connection)
        if origin == source.shown:
            return
        found = _digest_tables(connection)
        full = next((name for name, one in found.items() if one.row_count), None)
        if origin is None and full is None:
            write_copy_mark(connection, source.shown)
            return
        if found == digests:
            raise DatabaseError(
                f"{target.shown} holds the same rows already, or is the same database.",
                advice="Nothing was changed. If it is the copy, it is whole, and can be used.",
            )
        what = f"rows in {full}" if origin is None else f"a part of {origin}"
        raise DatabaseError(
            f"{target.shown} holds {what}, which a copy would replace.",
            advice="Nothing was changed. Name a database that holds nothing yet.",
        )


def _require_unmoved(source: Database, digests: Mapping[str, TableDigest]) -> None:
    """Make sure that the source is still what was copied, before others take the copy for it."""
    with reading_snapshot(source) as connection:
        found = _digest_tables(connection)
    moved = next((name for name, digest in digests.items() if found[name] != digest), None)
    if moved is not None:
        raise SourceMovedError(
            f"{source.shown} was written while it was copied: its table {moved} is another now.",
            advice="The copy is not whole, and nobody uses it yet. Stop Dagster, and run it again: "
            "tables that are whole stay.",
        )


def _copy(reading: duckdb.DuckDBPyConnection, target: Database, name: str) -> None:
    columns = ", ".join(_columns_of(name))
    path = Path(name_spill_folder()).with_suffix(".parquet")
    try:
        reading.execute(
            f"COPY (SELECT {columns} FROM {name} WHERE {_condition(name)}) "  # noqa: S608
            f"TO '{path}' (FORMAT parquet)"
        ).fetchall()

        def write() -> None:
            with target.writing() as connection:
                connection.execute(f"DELETE FROM {name} WHERE {_condition(name)}").fetchall()  # noqa: S608
                connection.execute(
                    f"INSERT INTO {name} BY NAME SELECT * FROM read_parquet('{path}')"  # noqa: S608
                ).fetchall()

        target.retried(write)
    finally:
        path.unlink(missing_ok=True)


def _require_same(
    connection: duckdb.DuckDBPyConnection, name: str, digest: TableDigest, *, shown: str
) -> None:
    found = digest_table(connection, name)
    if found != digest:
        raise DatabaseError(
            f"The table {name} of {shown} is not what was copied: it has {found.row_count:,} rows, "
            f"and {digest.row_count:,} were read; or they differ.",
            advice="See that nothing else writes it, and copy again: tables that are whole stay.",
        )
