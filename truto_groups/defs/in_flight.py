"""Which accounts a queued or running run, or a requested backfill, covers.

And which runs nobody executes any more: Dagster takes them for running, for ever where no daemon
watches them.
"""

import time
from collections.abc import Mapping, Sequence

import dagster as dg

from truto_groups import schema
from truto_groups.defs.dagster_internals import (
    HIDDEN_TAG_PREFIX,
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    fail_run,
    find_keys,
    find_longest_seconds,
    read_unfinished_backfills,
)
from truto_groups.warehouse.database import Database

PROCESS_TAG = f"{HIDDEN_TAG_PREFIX}truto_groups_process"
"""Which process a run lives in that was started without a daemon."""

ACCOUNTS_TAG = "truto_groups/accounts"
"""Which partitions a run syncs that lie apart, where they are red already: Dagster plans none of
them, so that those that fail again stay red, and those that heal turn green."""

ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
"""What a run is that has come to an end."""

UNFINISHED = [status for status in dg.DagsterRunStatus if status not in ENDED]
"""What a run is that has not come to an end, whatever statuses Dagster has by then."""

_ASSETS = {
    dg.AssetKey(table.name)
    for table in (schema.RAW_GROUPS, schema.GROUPS, schema.GROUP_TYPE_BREAKDOWN)
}
_STARTING = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_STARTED = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run that covers a range of partitions, both ends included."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def account_tags(keys: Sequence[str]) -> dict[str, str]:
    """The tags of a run that syncs partitions which lie apart."""
    return {ACCOUNTS_TAG: ",".join(keys)}


def read_account_tags(tags: Mapping[str, str]) -> Sequence[str]:
    """The partitions that lie apart, of a run with these tags."""
    return [key for key in tags.get(ACCOUNTS_TAG, "").split(",") if key]


def end_abandoned_runs(instance: dg.DagsterInstance, database: Database) -> int:
    """Report as failed the runs whose process was killed while it refreshed.

    Dagster itself sees that only of processes that its own code server started.

    Returns:
        How many there were.
    """
    ended = 0
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(_STARTED))):
        run = record.dagster_run
        if database.coordination.is_abandoned(run.run_id):
            fail_run(instance, run, "The process of the run was killed.")
            ended += 1
    return ended


def find_in_flight(instance: dg.DagsterInstance, partition_keys: Sequence[str]) -> set[str]:
    """Find the accounts that need not be requested and must not be removed."""
    position = {key: index for index, key in enumerate(partition_keys)}
    in_flight: set[str] = set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if _is_overdue(instance, record):
            continue
        # Of a run in this process the selection is empty: the whole job.
        if run.asset_selection and not _ASSETS & set(run.asset_selection):
            continue
        if PARTITION_TAG in run.tags:
            in_flight.add(run.tags[PARTITION_TAG])
        in_flight.update(read_account_tags(run.tags))
        first, last = (
            position.get(run.tags.get(RANGE_START_TAG, "")),
            position.get(run.tags.get(RANGE_END_TAG, "")),
        )
        if first is not None and last is not None:
            in_flight.update(partition_keys[first : last + 1])
    for backfill in read_unfinished_backfills(instance):
        in_flight |= find_keys(backfill, _ASSETS)
    return in_flight


def is_pending(instance: dg.DagsterInstance, *jobs: str) -> bool:
    """Whether a run of one of the jobs is queued or running."""
    return any(
        instance.get_run_records(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1)
        for job in jobs
    )


def _is_overdue(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run takes longer than the instance lets any run take, if a daemon watched it."""
    longest = find_longest_seconds(instance)
    if longest is None:
        return False
    to_start, to_run = longest
    status, now = record.dagster_run.status, time.time()
    if status in _STARTING:
        waited = now - record.create_timestamp.timestamp()
        return 0 < to_start < waited
    return status in _STARTED and 0 < to_run < now - (record.start_time or now)
