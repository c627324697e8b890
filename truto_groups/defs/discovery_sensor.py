"""The sensor that lists the accounts, keeps partitions in step and requests the first syncs."""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.accounts.discovery import Discovery
from truto_groups.accounts.planning import plan_wanted_ranges
from truto_groups.defs.data_versions import listing_event
from truto_groups.defs.failures import keep_secrets
from truto_groups.defs.in_flight import end_abandoned_runs, range_tags
from truto_groups.defs.jobs import refresh_groups
from truto_groups.defs.partitions import (
    add_partitions,
    discover_partitions,
    integrated_accounts,
)
from truto_groups.defs.resources import (
    TICK_PATIENCE_SECONDS,
    GroupsDatabase,
    TrutoResource,
    open_session,
)
from truto_groups.text.words import say_count

# Of the 60 s after which Dagster ends a tick; the database and Dagster's storage need some of them.
TRUTO_SECONDS = 40.0
# The daemon asks its storage for each key that is requested whether it is there already: of the
# thousands of a first listing that takes minutes, where to add all at once takes a second.
_MOST_REQUESTED = 1000


@dg.sensor(
    name="discover_integrated_accounts",
    job=refresh_groups,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lists the integrated accounts, keeps table and partitions in step, and requests "
    "syncs of accounts that are new or were connected again.",
)
@keep_secrets
def discover_integrated_accounts(
    context: dg.SensorEvaluationContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> dg.SensorResult:
    """Keep accounts, partitions and syncs in step with Truto."""
    session = open_session(truto, duckdb, retry_seconds=TICK_PATIENCE_SECONDS)
    end_abandoned_runs(context.instance, session.database)
    discovered = discover_partitions(
        session,
        context.instance,
        run_id="discover_integrated_accounts",
        within_seconds=TRUTO_SECONDS,
    )
    found = discovered.found
    ranges = plan_wanted_ranges(
        found.accounts,
        partition_keys=discovered.keys,
        in_flight=discovered.in_flight,
        pace_of=session.pace_of,
    )
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if len(found.added_keys) > _MOST_REQUESTED:
        add_partitions(context.instance, found.added_keys)
    elif found.added_keys:
        requests.append(integrated_accounts.build_add_request(list(found.added_keys)))
    if found.removed_keys:
        requests.append(integrated_accounts.build_delete_request(list(found.removed_keys)))
    runs = [dg.RunRequest(tags=range_tags(one.first, one.last)) for one in ranges]
    return dg.SensorResult(
        run_requests=runs,
        # Of a tick without a run Dagster shows this; without it, that the result is empty.
        skip_reason=None if runs else _summarize(found),
        dynamic_partitions_requests=requests,
        asset_events=[listing_event(session, found.accounts)],
    )


def _summarize(found: Discovery) -> str:
    """Say in a line what a listing brought, where it brought nothing to sync."""
    counts = {
        "new": len(found.added_keys),
        "gone": len(found.gone),
        "removed": len(found.removed_keys),
    }
    told = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    return f"{say_count(found.listed_count, 'account')} listed, {told or 'nothing new'}."
