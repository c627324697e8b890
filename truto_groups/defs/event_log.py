"""Dagster's own files of runs and events, into which many events are written at once.

Stored alone, an event opens two SQLite files, commits to each and closes them, which takes 7 ms of
CPU and more of waiting for the disk; a hundred together take a sixth of the CPU and a tenth of the
time. Tables and files are Dagster's, so that its own classes read them, and may write them too.
"""

import contextlib
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.defs.dagster_internals import SqliteEventLogStorage, import_sqlite_storage


class BatchedEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite files; a batch of events is one transaction a file."""

    def __init__(self, base_dir: str) -> None:
        super().__init__(base_dir)
        # Dagster's own lock, which the thread that stores a batch takes for two files at once.
        self._db_lock = threading.RLock()
        self._batch = threading.local()

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events as one: all of them, or none.

        Where the process dies between the commits of the two files, the run's own log has them and
        the index of assets has not.
        """
        with contextlib.ExitStack() as connections:
            self._batch.connections = connections
            self._batch.by_shard = {}
            try:
                # Opened first and so committed last: what is stored again, because a commit failed,
                # is twice in a run's log rather than among the materializations.
                with self.index_connection():
                    pass
                for event in events:
                    self.store_event(event)
            finally:
                self._batch.__dict__.clear()

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Generator[Any]:
        by_shard: dict[str, Any] | None = self._batch.__dict__.get("by_shard")
        if by_shard is None:
            with super()._connect(shard) as connection:
                yield connection
            return
        if shard not in by_shard:
            by_shard[shard] = self._batch.connections.enter_context(super()._connect(shard))
        yield by_shard[shard]


class BatchedStorage(import_sqlite_storage()):
    """Dagster's storage in SQLite files, with this event log."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)  # pyright: ignore[reportUnknownMemberType]
        folder = Path(self._event_log_storage.path_for_shard("any")).parent
        self._event_log_storage = BatchedEventLog(str(folder))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "BatchedStorage":
        """Make it as dagster.yaml says."""
        return cls.from_local(**config_value, inst_data=inst_data)
