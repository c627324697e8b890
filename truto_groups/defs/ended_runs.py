"""Which runs have ended since a sensor last looked, and which of them were about groups.

Read from the instance's run events, by their ids: also runs that were started in process, which
Dagster's own run status sensors do not see.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from truto_groups.defs.assets import BREAKDOWN, GROUPS, RAW_GROUPS
from truto_groups.defs.dagster_internals import LOCATION_TAG, has_one_writer
from truto_groups.defs.in_flight import PROCESS_TAG

ENDINGS = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)
_AT_ONCE = 200
# A server gives out ids before it commits: for so long a smaller one may still come.
_SETTLING_SECONDS = 10.0
# Jobs without an asset selection of their own that write the groups.
_WRITING_JOBS = ("refresh_groups", "accept_drift")


@dataclass(frozen=True)
class EndedRuns:
    """What has ended since.

    Attributes:
        runs: The runs, the earliest end first.
        last_event: The id up to which everything was seen.
    """

    runs: Sequence[dg.DagsterRun]
    last_event: int


def find_ended_runs(
    context: dg.SensorEvaluationContext,
    *,
    after: int,
    endings: Sequence[dg.DagsterEventType] = ENDINGS,
) -> EndedRuns:
    """Find the runs of this code location that ended after an event.

    Args:
        context: The sensor's.
        after: The id of the last event that was seen.
        endings: Which kinds of end count.
    """
    found: dict[int, str] = {}
    fresh: list[int] = []
    now = time.time()
    settled_at = now - (0 if has_one_writer(context.instance) else _SETTLING_SECONDS)
    for ending in endings:
        events = context.instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(ending, after_storage_id=after),  # pyright: ignore[reportArgumentType]
            limit=_AT_ONCE,
            ascending=True,
        ).records
        found |= {event.storage_id: event.run_id for event in events}
        # What is later than now is by a clock that is ahead: waiting for it could take hours.
        fresh += [event.storage_id for event in events if settled_at < event.timestamp <= now]
    # Where a kind's limit was reached, the others must not run ahead of it.
    ids = [one for one in sorted(found)[:_AT_ONCE] if one < min(fresh, default=math.inf)]
    if not ids:
        return EndedRuns([], after)
    filters = dg.RunsFilter(run_ids=list({found[one] for one in ids}))
    records = context.instance.get_run_records(filters)
    here = _find_location(context)
    runs = {
        run.run_id: run
        for run in (record.dagster_run for record in records)
        if is_ours(run, location=here)
    }
    return EndedRuns([runs[found[one]] for one in ids if found[one] in runs], ids[-1])


def find_last_event(instance: dg.DagsterInstance) -> int:
    """The id of the last event that ended a run; 0 before the first."""
    found = [
        record.storage_id
        for ending in ENDINGS
        for record in instance.fetch_run_status_changes(ending, limit=1).records  # pyright: ignore[reportArgumentType]
    ]
    return max(found, default=0)


def is_ours(run: dg.DagsterRun, *, location: str | None) -> bool:
    """Whether a run is one of this code location, where the instance has several.

    Args:
        run: The run.
        location: How Dagster tags the runs of this code location; None where that is not known.
    """
    # A run in process is one of ours, of a person or of cron, whatever this location is called.
    return location in (None, run.tags.get(LOCATION_TAG, location)) or PROCESS_TAG in run.tags


def writes_groups(run: dg.DagsterRun) -> bool:
    """Whether a run was to write the groups of accounts."""
    if run.asset_selection:
        return bool({RAW_GROUPS, GROUPS, BREAKDOWN} & run.asset_selection)
    return run.job_name in _WRITING_JOBS


def _find_location(context: dg.SensorEvaluationContext) -> str | None:
    """How Dagster tags the runs of this code location; None outside of a daemon."""
    origin = context.code_location_origin
    if origin is None or context.repository_name is None:
        return None
    return f"{context.repository_name}@{origin.location_name}"
