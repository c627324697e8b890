"""Where Dagster keeps its history: in its home, else in the project; and what it does not keep.

Named by dagster.yaml, so that the same file serves in any ``DAGSTER_HOME`` and in the project.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.defs.dagster_internals import (
    BriefConsole,
    find_storage_defaults,
    leave_verdict_in_sight,
)

HISTORY = ".dagster"
"""The folder in the project, where ``DAGSTER_HOME`` is not set."""

# dagster._cli.utils names it so; what lies in it is deleted when the command ends.
_THROWN_AWAY = ".tmp_dagster_home_"


class ProjectInstance(dg.DagsterInstance):
    """An instance like any other, but for three things.

    A check that a run is going to evaluate is no check in progress: what it said last stays in
    sight while the run waits. A run that failed says so in the console in a few lines, without a
    stack trace. And without a home, the history is kept.

    Dagster's commands would keep it in a folder of their own, which is deleted when they end. A
    path in dagster.yaml is no way out: it would hold in every ``DAGSTER_HOME`` too, and be taken
    from the folder that Dagster happens to be started in.
    """

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
