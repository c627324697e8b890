"""Dagster without a daemon: the instance of the project, and the job run in this process.

What is synced, and what is told of it, is the command's to say.
"""

import os
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.accounts.ranges import PartitionRange
from truto_groups.defs.check_results import say_headline
from truto_groups.defs.dagster_internals import (
    MAX_RETRIES_TAG,
    fail_run,
    open_instance_of,
    run_in_process,
)
from truto_groups.defs.failures import ERROR_KIND
from truto_groups.defs.home import HISTORY
from truto_groups.defs.in_flight import PROCESS_TAG, UNFINISHED, end_abandoned_runs, range_tags
from truto_groups.defs.launchpad_links import ACCEPT_OP, REVIEW_OP
from truto_groups.errors import AcceptanceRefusedError, ReviewRefusedError, SettingsError
from truto_groups.settings import find_project
from truto_groups.settings.environment import PROJECT_MARK
from truto_groups.text.visible import show_in_cell
from truto_groups.warehouse.database import Database

_HOME = "DAGSTER_HOME"
# A run of this process is not run again by a daemon, which may live on another machine: whoever
# called the command calls it again.
_NO_RETRIES = {MAX_RETRIES_TAG: "0"}
_INTERRUPTIONS = (dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__)


@dataclass(frozen=True, slots=True)
class ToldVerdict:
    """What an asset check said: its name, whether it passed, how bad that is, and in words."""

    name: str
    is_passed: bool
    is_error: bool
    description: str


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run of the job in this process.

    Attributes:
        run_id: Dagster's id.
        is_success: Whether it ended well.
        problem: Why it did not, in one paragraph; empty when it did.
        is_interrupted: Whether a person or a signal ended it.
        verdicts: What its checks said.
        error_kind: The kind of the error of ours that it ended with; None where it is none.
    """

    run_id: str
    is_success: bool
    problem: str = ""
    is_interrupted: bool = False
    verdicts: Sequence[ToldVerdict] = field(default_factory=tuple[ToldVerdict, ...])
    error_kind: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether what a person asked for was refused, and not hindered by database or settings."""
        return self.error_kind in (None, AcceptanceRefusedError.kind, ReviewRefusedError.kind)


@contextmanager
def open_instance(*, cwd: Path) -> Generator[dg.DagsterInstance]:
    """Open the instance that ``DAGSTER_HOME`` names, else the one that the project uses.

    Raises:
        SettingsError: There is neither, or Dagster refuses its configuration.
    """
    try:
        instance = _find_instance(cwd)
    except SettingsError:
        raise
    except Exception as error:
        # Storage of all kinds can be named there, and each fails in its own way.
        text = show_in_cell(str(error))
        raise SettingsError(
            f"Dagster's instance cannot be opened: {text}",
            advice=f"Check {_HOME}, and the dagster.yaml in it or in the project.",
        ) from error
    with instance:
        yield instance


@contextmanager
def in_this_process(instance: dg.DagsterInstance, database: Database) -> Generator[dict[str, str]]:
    """Make it known that the runs of the block live in this process.

    The runs of earlier processes that were killed are ended first: Dagster would take them for
    started, and their accounts for in flight, for ever.

    Yields:
        The tags that each run must carry.

    Raises:
        DatabaseError: Nothing can be written beside the database.
    """
    coordination = database.coordination
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if PROCESS_TAG in run.tags and coordination.is_abandoned(run.tags[PROCESS_TAG]):
            fail_run(instance, run, "The process of `truto-groups sync` was killed.")
    end_abandoned_runs(instance, database)
    process = f"process-{uuid.uuid4()}"
    with coordination.mark_alive(process):
        yield {PROCESS_TAG: process, **_NO_RETRIES}


def refresh_range(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    found: PartitionRange,
    *,
    tags: dict[str, str],
    is_verbose: bool = False,
) -> FinishedRun:
    """Run the job ``refresh_groups`` over a range of accounts, in this process."""
    return _run(
        definitions.resolve_job_def("refresh_groups"),
        instance,
        tags={**range_tags(found.first, found.last), **tags},
        is_verbose=is_verbose,
    )


def accept_here(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    config: dict[str, Any],
    *,
    tags: dict[str, str],
    is_verbose: bool = False,
) -> FinishedRun:
    """Run the job ``accept_drift`` with this configuration, in this process."""
    job = definitions.resolve_job_def("accept_drift")
    ops = {ACCEPT_OP: {"config": config}}
    return _run(job, instance, tags=tags, is_verbose=is_verbose, ops=ops)


def evaluate_here(
    definitions: dg.Definitions, instance: dg.DagsterInstance, *, tags: dict[str, str]
) -> FinishedRun:
    """Run the job ``evaluate_checks`` in this process."""
    job = definitions.resolve_job_def("evaluate_checks")
    return _run(job, instance, tags=tags, is_verbose=False)


def review_here(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    config: dict[str, Any],
    *,
    tags: dict[str, str],
    is_verbose: bool = False,
) -> FinishedRun:
    """Run the job ``mark_privileged_changes_reviewed`` with this configuration, in this process."""
    job = definitions.resolve_job_def("mark_privileged_changes_reviewed")
    ops = {REVIEW_OP: {"config": config}}
    return _run(job, instance, tags=tags, is_verbose=is_verbose, ops=ops)


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    tags: dict[str, str],
    is_verbose: bool,
    ops: dict[str, Any] | None = None,
) -> FinishedRun:
    level = "DEBUG" if is_verbose else "CRITICAL"
    loggers = {"console": {"config": {"log_level": level}}}
    result = run_in_process(job, instance, config={"loggers": loggers, "ops": ops or {}}, tags=tags)
    verdicts = [
        ToldVerdict(
            name=one.check_name,
            is_passed=one.passed,
            is_error=one.severity is dg.AssetCheckSeverity.ERROR,
            description=say_headline(one.description or ""),
        )
        for one in result.get_asset_check_evaluations()
    ]
    problem = "" if result.success else _find_problem(result)
    return FinishedRun(
        result.run_id,
        result.success,
        problem,
        _is_interrupted(result),
        verdicts,
        _find_error_kind(result),
    )


def _find_instance(cwd: Path) -> dg.DagsterInstance:
    if os.environ.get(_HOME, "").strip():
        return dg.DagsterInstance.get()
    project = find_project(cwd)
    if project is None:
        raise SettingsError(
            f"{_HOME} is not set, and {cwd} is in no project: no folder upward holds "
            f"{PROJECT_MARK}.",
            advice=f"Set {_HOME} to the folder in which Dagster keeps its history, or change to "
            "the project's folder.",
        )
    home = project / HISTORY
    home.mkdir(exist_ok=True)
    return open_instance_of(home, config_folder=project)


def _is_interrupted(result: dg.JobExecutionResult) -> bool:
    # Dagster turns Ctrl-C into a failure of the step, and does not pass it on.
    errors = [one.step_failure_data.error for one in result.all_events if one.is_step_failure]
    return any(error and error.cls_name in _INTERRUPTIONS for error in errors) or any(
        one.event_type is dg.DagsterEventType.RUN_CANCELED for one in result.all_events
    )


def _find_error_kind(result: dg.JobExecutionResult) -> str | None:
    for event in result.all_events:
        told = event.step_failure_data.user_failure_data if event.is_step_failure else None
        if told is not None:
            kind = (told.metadata or {}).get(ERROR_KIND)
            return None if kind is None else str(kind.value)
    return None


def _find_problem(result: dg.JobExecutionResult) -> str:
    """Say in one paragraph why a run failed; the accounts that failed are told apart from it."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            error = data.error.message if data.error else None
            text = (told or error or "").strip()
            return text.partition("\n")[0]
    for event in result.all_events:
        if event.is_failure and event.message:
            return event.message.strip().partition("\n")[0]
    return "The run failed; see it in Dagster."
