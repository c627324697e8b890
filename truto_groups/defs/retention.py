"""The job retain_history: what only grows, Dagster's runs and the ledger, is kept for a while.

How long is the settings file's to say (``history:``). Each day's work is bounded; what is left over
is the next day's.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import time
from collections.abc import Callable
from datetime import datetime

import dagster as dg

from truto_groups.defs.dagster_internals import LOCATION_TAG, MAX_RETRIES_TAG
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.history import prune_runs
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import TrutoGroupsError
from truto_groups.session import Session
from truto_groups.settings import format_duration
from truto_groups.text.words import say_count
from truto_groups.warehouse.ledger_table import prune_ledger

# Of a quarter of an hour, in which at 25 runs a second a month's runs of 10,000 accounts go.
_SECONDS_FOR_RUNS = 600.0
_SECONDS_FOR_THE_LEDGER = 300.0
# So many at once take a second or two of the database's turn.
_ATTEMPTS_AT_ONCE = 50_000


@dg.op(name="retain_history_step")
@keep_secrets
def retain_history_step(
    context: dg.OpExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> None:
    """Delete runs and attempts that are older than they are kept."""
    try:
        session = open_session(truto, duckdb)
        history = session.settings.history
        now = session.clock()
        runs = prune_runs(
            context.instance,
            before=now - history.runs_kept_for,
            location=context.run.tags.get(LOCATION_TAG),
            seconds=_SECONDS_FOR_RUNS,
        )
        attempts = prune_attempts(
            session, before=now - history.ledger_kept_for, seconds=_SECONDS_FOR_THE_LEDGER
        )
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    context.log.info(
        f"Deleted {say_count(runs.deleted, 'run')} older than "
        f"{format_duration(history.runs_kept_for)} and {say_count(attempts, 'attempt')} older "
        f"than {format_duration(history.ledger_kept_for)}. {say_count(runs.kept, 'older run')} "
        "stay, because a partition's newest materialization or a check's newest evaluation is "
        f"theirs.{_tell_left(runs.left)}"
    )
    context.add_output_metadata(
        {
            "deleted_runs": runs.deleted,
            "kept_older_runs": runs.kept,
            "runs_left_for_tomorrow": runs.left,
            "deleted_attempts": attempts,
        }
    )


@dg.job(
    description="Delete Dagster's runs of this code location and attempts of the ledger that are "
    "older than the settings file keeps them (history:), but for what is still shown or compared.",
    tags={MAX_RETRIES_TAG: "0"},
)
def retain_history() -> None:
    """Delete history that is older than it is kept."""
    retain_history_step()


@dg.schedule(
    name="retain_history_schedule",
    job=retain_history,
    cron_schedule="41 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes history that is older than the settings file keeps it, once a day.",
)
@keep_secrets
def retain_history_schedule() -> dg.RunRequest:
    """Request the deletion."""
    return dg.RunRequest()


def prune_attempts(
    session: Session,
    *,
    before: datetime,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Delete old attempts from the ledger, some at once, so that no publication waits for long.

    Returns:
        How many were deleted.

    Raises:
        DatabaseError: The database cannot be written.
    """
    if not session.database.exists:
        return 0
    until, deleted = monotonic() + seconds, 0
    while True:
        with session.database.writing() as connection:
            count = prune_ledger(connection, before=before, most=_ATTEMPTS_AT_ONCE)
        deleted += count
        if count < _ATTEMPTS_AT_ONCE or monotonic() >= until:
            return deleted


def _tell_left(count: int) -> str:
    return f" {say_count(count, 'run')} more wait for tomorrow." if count else ""
