"""Keep a lake small and quick: few files, no rows in its catalogue, no states that nobody reads.

Each call of DuckLake has a turn of its own, so that no publication waits for long. Nothing here
changes a row: the past that people ask for stands in our tables.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from truto_groups.schema import TABLES
from truto_groups.warehouse.database import Database

# Files with deleted rows are not merged until they are rewritten, which by itself DuckLake does
# when 95 % are gone: each upkeep would leave some more files.
_SHARE_OF_DELETED = 0.3


@dataclass(frozen=True, slots=True)
class LakeSize:
    """What a lake consists of.

    Attributes:
        file_count: Files of rows, and those that mark rows as deleted.
        byte_count: What they take.
        snapshot_count: States that can still be read.
    """

    file_count: int
    byte_count: int
    snapshot_count: int


def maintain_lake(database: Database, *, before: datetime) -> tuple[LakeSize, LakeSize] | None:
    """Flush, expire, rewrite, merge and clean up, in this order.

    Args:
        database: The database.
        before: Aware UTC instant; a state of the lake from before it is readable no more, and its
            files are deleted. Who reads a state for longer loses it.

    Returns:
        What it was before and is now; None where the database is no lake.

    Raises:
        DatabaseError: It cannot be used. What was done stays, and harms nothing.
    """
    lake = database.lake_name
    if lake is None:
        return None
    with contextlib.closing(database.connect()) as connection:

        def call(text: str) -> None:
            with database.owning(connection) as turn, database.committing(connection, turn):
                connection.execute(text).fetchall()

        with database.owning(connection):
            size_before = _measure(connection, lake)
        for text in _calls(lake, before):
            database.retried(lambda text=text: call(text))
        with database.owning(connection):
            return size_before, _measure(connection, lake)


def _calls(lake: str, before: datetime) -> Iterator[str]:
    tables: Sequence[str] = [table.name for table in TABLES]
    instant = f"TIMESTAMPTZ '{before.isoformat()}'"
    expire = f"CALL ducklake_expire_snapshots('{lake}', older_than => {instant})"
    for table in tables:
        yield f"CALL ducklake_flush_inlined_data('{lake}', table_name => '{table}')"
    yield expire
    for table in tables:
        yield (
            f"CALL ducklake_rewrite_data_files('{lake}', '{table}', "
            f"delete_threshold => {_SHARE_OF_DELETED})"
        )
    for table in tables:
        yield f"CALL ducklake_merge_adjacent_files('{lake}', '{table}')"
    yield expire
    yield f"CALL ducklake_cleanup_old_files('{lake}', older_than => {instant})"


def _measure(connection: duckdb.DuckDBPyConnection, lake: str) -> LakeSize:
    rows = connection.execute(
        "SELECT sum(file_count + delete_file_count)::BIGINT, "  # noqa: S608 - a name of ours
        "sum(file_size_bytes + delete_file_size_bytes)::BIGINT, "
        f"(SELECT count(*) FROM ducklake_snapshots('{lake}')) FROM ducklake_table_info('{lake}')"
    ).fetchall()
    files, size, snapshots = rows[0]
    return LakeSize(files or 0, size or 0, snapshots)
