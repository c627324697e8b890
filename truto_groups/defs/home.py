"""Where Dagster keeps its history: in its home, else in the project; and what it does not keep.

Named by dagster.yaml, so that the same file serves in any ``DAGSTER_HOME`` and in the project.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.defs.dagster_internals import (
    BriefConsole,
    DagsterEventBatchMetadata,
    find_storage_defaults,
    leave_verdict_in_sight,
)

HISTORY = ".dagster"
"""The folder in the project, where ``DAGSTER_HOME`` is not set."""

# dagster._cli.utils names it so; what lies in it is deleted when the command ends.
_THROWN_AWAY = ".tmp_dagster_home_"


_EVENTS_IN_A_BATCH = 100


class ProjectInstance(dg.DagsterInstance):
    """An instance like any other, but for four things.

    A check that a run is going to evaluate is no check in progress: what it said last stays in
    sight while the run waits. A run that failed says so in the console in a few lines, without a
    stack trace. What a run plans, and what it materializes together, is stored together. And
    without a home, the history is kept.

    Dagster's commands would keep it in a folder of their own, which is deleted when they end. A
    path in dagster.yaml is no way out: it would hold in every ``DAGSTER_HOME`` too, and be taken
    from the folder that Dagster happens to be started in.
    """

    _held: list[dg.EventLogEntry] | None = None

    @classmethod
    def config_schema(cls) -> Mapping[str, object]:
        """What dagster.yaml may hold beyond what it always may: nothing."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """Say where everything is kept for which dagster.yaml names no place."""
        folder = Path(base_dir)
        if folder.name.startswith(_THROWN_AWAY):
            folder = folder.parent / HISTORY
        return find_storage_defaults(folder)

    def get_handlers(self) -> Sequence[logging.Handler]:
        """What a run's records go through before they are printed: stored first, then shortened."""
        return [*super().get_handlers(), BriefConsole()]

    def report_dagster_event(
        self,
        dagster_event: dg.DagsterEvent,
        run_id: str,
        log_level: str | int = logging.INFO,
        batch_metadata: Any = None,
        timestamp: float | None = None,
    ) -> None:
        """Keep an event of a run."""
        super().report_dagster_event(
            leave_verdict_in_sight(dagster_event), run_id, log_level, batch_metadata, timestamp
        )

    @contextlib.contextmanager
    def storing_together(self) -> Generator[None]:
        """Store what is materialized in the block when it ends, as one."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            # By asset: Dagster's batches are, and its Postgres keeps the last event of each.
            for asset_key in dict.fromkeys(event.asset_key for event in map(_told, held)):
                self._store_batch([one for one in held if _told(one).asset_key == asset_key])

    def _store_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        batch_id = uuid.uuid4().hex
        for event in events:
            metadata = DagsterEventBatchMetadata(batch_id, is_end=event is events[-1])
            super().handle_new_event(event, batch_metadata=metadata)

    def handle_new_event(self, event: dg.EventLogEntry, *, batch_metadata: Any = None) -> None:
        """Store an event, or hold it until the block ends in which it is stored with others."""
        told = event.dagster_event
        if self._held is not None and told is not None and told.is_step_materialization:
            self._held.append(event)
        else:
            super().handle_new_event(event, batch_metadata=batch_metadata)

    def _get_event_batch_size(self) -> int:
        return int(os.environ.get("DAGSTER_EVENT_BATCH_SIZE", _EVENTS_IN_A_BATCH))


def _told(event: dg.EventLogEntry) -> dg.DagsterEvent:
    return event.get_dagster_event()


def store_together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Let what a block materializes be stored when it ends, where the instance is of this class."""
    if isinstance(instance, ProjectInstance):
        return ProjectInstance.storing_together(instance)
    return contextlib.nullcontext()
