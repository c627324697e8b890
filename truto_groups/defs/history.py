"""Dagster's history of our runs: which of it is still needed, and the deletion of the rest.

Runs of other code locations in the same instance are left alone. When it is done is retention.py's.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUPS, RAW_GROUPS
from truto_groups.defs.checks import CHECK_SPECS
from truto_groups.defs.dagster_internals import (
    delete_run,
    find_newest_events,
    find_planned_run,
    list_run_ids,
    read_latest_check,
)
from truto_groups.defs.data_versions import ACCOUNTS
from truto_groups.defs.ended_runs import is_ours
from truto_groups.defs.group_overview import OVERVIEW
from truto_groups.defs.in_flight import ENDED
from truto_groups.defs.integration_contracts import CONTRACT_CHECK_SPECS, CONTRACTS

PARTITIONED = (RAW_GROUPS, GROUPS, BREAKDOWN)
UNPARTITIONED = (CHANGES, ACCOUNTS, CONTRACTS, OVERVIEW)
CHECKS = tuple(spec.key for spec in (*CHECK_SPECS, *CONTRACT_CHECK_SPECS))

_MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PrunedRuns:
    """What became of the runs that are older than they are kept.

    Attributes:
        deleted: How many were deleted.
        kept: How many stay, because something that is shown came from them.
        left: How many were not reached in time; the next day goes on with them.
    """

    deleted: int
    kept: int
    left: int


def prune_runs(
    instance: dg.DagsterInstance,
    *,
    before: datetime,
    location: str | None,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> PrunedRuns:
    """Delete the runs of ours that were made before an instant and have ended, the oldest first.

    Args:
        instance: Dagster's.
        before: Aware UTC instant.
        location: How Dagster tags the runs of this code location; None where that is not known.
        seconds: How long it may take; the run that is being deleted then is the last.
        monotonic: Seconds since any moment.
    """
    until = monotonic() + seconds
    old = dg.RunsFilter(created_before=before, statuses=list(ENDED))
    # Newest first, as Dagster lists them.
    run_ids = list_run_ids(instance, old)[::-1]
    needed = find_needed_runs(instance) if run_ids else set[str]()
    deleted = kept = 0
    for place, run in enumerate(_read_runs(instance, run_ids)):
        if monotonic() >= until:
            return PrunedRuns(deleted, kept, len(run_ids) - place)
        if run.run_id in needed:
            kept += 1
        elif is_ours(run, location=location):
            delete_run(instance, run.run_id)
            deleted += 1
    return PrunedRuns(deleted, kept, 0)


def find_needed_runs(instance: dg.DagsterInstance) -> set[str]:
    """Find the runs that what is shown now came from.

    Those of each partition's newest materialization, and of the newest attempt at one where that
    failed since; of each other asset's newest materialization; of each check's newest evaluation.
    """
    found: set[str] = set()
    for key in PARTITIONED:
        found |= _find_materializing_runs(instance, key)
    for key in UNPARTITIONED:
        event = instance.get_latest_materialization_event(key)
        found |= {event.run_id} if event else set()
    for check in CHECKS:
        latest = read_latest_check(instance, check)
        found |= {latest[0]} if latest else set()
    return found


def _find_materializing_runs(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[str]:
    found: set[str] = set()
    materialized = find_newest_events(instance, key, _MATERIALIZED)
    ids = sorted(materialized.values())
    for first in range(0, len(ids), _AT_ONCE):
        chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[first : first + _AT_ONCE])
        events = instance.fetch_materializations(chosen, limit=_AT_ONCE).records
        found |= {event.run_id for event in events}
    planned = find_newest_events(instance, key, _PLANNED)
    for partition, storage_id in planned.items():
        if storage_id > materialized.get(partition, 0):
            # A partition is red by it.
            run_id = find_planned_run(instance, key, partition)
            found |= {run_id} if run_id else set()
    return found


def _read_runs(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Iterator[dg.DagsterRun]:
    """Read runs in the order of their ids as given, some at once."""
    for first in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[first : first + _AT_ONCE]
        records = instance.get_run_records(dg.RunsFilter(run_ids=list(some)))
        runs = {record.dagster_run.run_id: record.dagster_run for record in records}
        yield from (runs[run_id] for run_id in some if run_id in runs)
