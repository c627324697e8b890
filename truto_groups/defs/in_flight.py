"""Which accounts a queued or running run, or a requested backfill, covers.

And which runs nobody executes any more: Dagster takes them for running, for ever where no daemon
watches them.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from truto_groups import schema
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.live_runs import is_abandoned

if TYPE_CHECKING:
    from dagster._core.execution.backfill import PartitionBackfill

PROCESS_TAG = ".dagster/truto_groups_process"
"""Which process a run lives in that was started without a daemon; the UI hides such tags."""

_PARTITION = "dagster/partition"
_FIRST = "dagster/asset_partition_range_start"
_LAST = "dagster/asset_partition_range_end"

_ASSETS = {
    dg.AssetKey(table.name)
    for table in (schema.RAW_GROUPS, schema.GROUPS, schema.GROUP_TYPE_BREAKDOWN)
}
_UNFINISHED_RUNS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_STARTING = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_STARTED = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run that covers a range of partitions, both ends included."""
    return {_FIRST: first, _LAST: last}


def end_abandoned_runs(instance: dg.DagsterInstance, database: Database) -> None:
    """Report as failed the runs whose process was killed while it refreshed.

    Dagster itself sees that only of processes that its own code server started.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=list(_STARTED))):
        if is_abandoned(database, run.run_id):
            instance.report_run_failed(run, "The process of the run was killed.")


def find_in_flight(instance: dg.DagsterInstance, partition_keys: Sequence[str]) -> set[str]:
    """Find the accounts that need not be requested and must not be removed."""
    position = {key: index for index, key in enumerate(partition_keys)}
    in_flight: set[str] = set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED_RUNS)):
        run = record.dagster_run
        if _is_overdue(instance, record):
            continue
        # Of a run in this process the selection is empty: the whole job.
        if run.asset_selection and not _ASSETS & set(run.asset_selection):
            continue
        if _PARTITION in run.tags:
            in_flight.add(run.tags[_PARTITION])
        first, last = position.get(run.tags.get(_FIRST, "")), position.get(run.tags.get(_LAST, ""))
        if first is not None and last is not None:
            in_flight.update(partition_keys[first : last + 1])
    for backfill in _read_unfinished_backfills(instance):
        in_flight.update(backfill.partition_names or ())
        if backfill.asset_backfill_data is not None:
            subsets = backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key
            for asset_key, subset in subsets.items():
                if asset_key in _ASSETS:
                    in_flight.update(subset.get_partition_keys())
    return in_flight


def _read_unfinished_backfills(instance: dg.DagsterInstance) -> "Sequence[PartitionBackfill]":
    # Importing it takes 0.1 s, which loading the definitions must not.
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    unfinished = [
        BulkActionStatus.REQUESTED,
        BulkActionStatus.CANCELING,
        BulkActionStatus.FAILING,
    ]
    return instance.get_backfills(BulkActionsFilter(statuses=unfinished))


def _is_overdue(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run takes longer than the instance lets any run take, if a daemon watched it."""
    if not instance.run_monitoring_enabled:
        return False
    status, now = record.dagster_run.status, time.time()
    if status in _STARTING:
        waited = now - record.create_timestamp.timestamp()
        return 0 < instance.run_monitoring_start_timeout_seconds < waited
    longest = instance.run_monitoring_max_runtime_seconds
    return status in _STARTED and 0 < longest < now - (record.start_time or now)
