"""Dagster's history at a third of its cost, for tests that run jobs in this process.

The same files, tables and statements. Not for programs of their own, which are as they are.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import dagster as dg
import pytest
import sqlalchemy
import sqlalchemy.event
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.execution import compute_logs
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster_postgres.event_log import event_log
from dagster_postgres.run_storage import run_storage
from dagster_postgres.schedule_storage import schedule_storage
from dagster_postgres.utils import create_pg_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

_OF_A_RUN = "a run"
_STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
_STORAGES_IN_POSTGRES = (event_log, run_storage, schedule_storage)


@contextmanager
def quick_history() -> Iterator[None]:
    """Until the block ends, spare Dagster what it does anew for each statement, file and step."""
    engines: dict[str, sqlalchemy.Engine] = {}
    empty_files = _make_empty_files()

    # Dagster opens one for each statement, which is compiled anew with each.
    def open_engine(
        url: str,
        *,
        poolclass: type[NullPool] = NullPool,
        connect_args: Mapping[str, Any] | None = None,
    ) -> sqlalchemy.Engine:
        assert poolclass is NullPool
        if url not in engines:
            _begin_file(Path(url.removeprefix("sqlite:///")), empty_files)
            engines[url] = _make_engine(url, connect_args or {})
        return engines[url]

    opened: list[sqlalchemy.Engine] = []

    # It connects for each statement, and Postgres makes a process for each connection.
    def open_postgres_engine(*args: Any, **options: Any) -> sqlalchemy.Engine:
        engine = create_pg_engine(*args, **{**options, "poolclass": QueuePool})
        opened.append(engine)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        for storage in _STORAGES:
            patch.setattr(storage, "create_engine", open_engine)
        for storage in _STORAGES_IN_POSTGRES:
            patch.setattr(storage, "create_pg_engine", open_postgres_engine)
        # For each file, Dagster imports all of its migrations to find the newest.
        patch.setattr(ScriptDirectory, "from_config", staticmethod(_find_migrations))
        # What a step prints goes to files, which four programs show meanwhile.
        patch.setattr(compute_logs, "tail_to_stream", _show_at_the_end)
        yield
    for engine in (*engines.values(), *opened):
        engine.pool.dispose()


@contextmanager
def _show_at_the_end(path: str, stream: TextIO) -> Iterator[tuple[None, None]]:
    try:
        yield None, None
    finally:
        stream.write(Path(path).read_text("utf-8", errors="replace"))
        stream.flush()


def _begin_file(path: Path, empty_files: Mapping[str, bytes]) -> None:
    """Make a file that has its tables already: Dagster takes longer for these than for a run."""
    if not path.exists():
        path.write_bytes(empty_files.get(path.stem, empty_files[_OF_A_RUN]))


@cache
def _make_empty_files() -> Mapping[str, bytes]:
    """What Dagster makes of each file, by its name; all runs have the same."""
    with tempfile.TemporaryDirectory() as folder:
        with dg.instance_for_test(temp_dir=folder, set_dagster_home=False) as instance:
            assert not instance.all_logs(_OF_A_RUN)
        paths = list(Path(folder).rglob("*.db"))
        for path in paths:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return {path.stem: path.read_bytes() for path in paths}


def _make_engine(url: str, connect_args: Mapping[str, Any]) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(
        url,
        poolclass=QueuePool,
        max_overflow=-1,
        connect_args={**connect_args, "check_same_thread": False},
    )
    sqlalchemy.event.listen(engine, "connect", _leave_writing_to_the_system)
    # Dagster throws its engines away after each statement.
    engine.dispose = lambda close=True: None
    return engine


def _leave_writing_to_the_system(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """No test pulls the plug, and what a killed process wrote is in the system's cache."""
    connection.execute("PRAGMA synchronous = OFF").close()


_read_migrations = ScriptDirectory.from_config


def _find_migrations(config: Config) -> ScriptDirectory:
    location = config.get_main_option("script_location")
    assert location is not None
    return _migrations_in(location)


@cache
def _migrations_in(location: str) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", location)
    return _read_migrations(config)
