"""What is requested by the clock: what is due, checks of freshness, contracts."""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

from datetime import timedelta

import dagster as dg

from truto_groups.accounts.planning import REFRESH_TICK, plan_due
from truto_groups.defs.check_jobs import check_freshness, evaluate_checks
from truto_groups.defs.failures import keep_secrets
from truto_groups.defs.in_flight import account_tags, find_in_flight, is_pending, range_tags
from truto_groups.defs.jobs import refresh_contracts, refresh_groups
from truto_groups.defs.partitions import read_partition_keys
from truto_groups.defs.resources import (
    TICK_PATIENCE_SECONDS,
    GroupsDatabase,
    TrutoResource,
    open_session,
)
from truto_groups.warehouse.accounts_table import read_known_accounts


@dg.schedule(
    name="refresh_groups_schedule",
    job=refresh_groups,
    cron_schedule=f"*/{REFRESH_TICK // timedelta(minutes=1)} * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Requests refresh_groups for the accounts that are due, in at most four runs; "
    "accounts between them are synced early.",
)
@keep_secrets
def refresh_groups_schedule(
    context: dg.ScheduleEvaluationContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request a refresh of what is due."""
    session = open_session(truto, duckdb, retry_seconds=TICK_PATIENCE_SECONDS)
    session.find_client()  # without a token every run would fail: say so once, here
    if not session.database.exists:
        return dg.SkipReason("No account is known yet: discover_integrated_accounts lists them.")
    keys = read_partition_keys(context.instance)
    with session.database.reading() as connection:
        accounts = read_known_accounts(connection)
    plan = plan_due(
        accounts,
        partition_keys=keys,
        in_flight=find_in_flight(context.instance, keys),
        pace_of=session.pace_of,
        now=session.clock(),
        next_tick=REFRESH_TICK,
        is_spreading=True,
    )
    if not plan.ranges and not plan.again:
        return dg.SkipReason(f"None of {len(keys)} accounts is due.")
    # Dagster refuses several requests without keys; a repeated evaluation requests none twice.
    tick = context.scheduled_execution_time.isoformat()
    tags = [range_tags(one.first, one.last) for one in plan.ranges]
    tags += [account_tags(keys) for keys in plan.again]
    return [dg.RunRequest(run_key=f"{tick} {number}", tags=one) for number, one in enumerate(tags)]


@dg.schedule(
    name="check_freshness_schedule",
    job_name=check_freshness.name,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Evaluates the checks that time alone can turn red.",
)
@keep_secrets
def check_freshness_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """Request an evaluation, unless one waits: it judges what is there when it begins."""
    if is_pending(context.instance, check_freshness.name, evaluate_checks.name):
        return dg.SkipReason("A run of the checks is queued or running.")
    return dg.RunRequest()


@dg.schedule(
    name="refresh_contracts_schedule",
    job=refresh_contracts,
    # Off the full hour, when everybody asks.
    cron_schedule="23 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Materializes integration_contracts once a day.",
)
@keep_secrets
def refresh_contracts_schedule() -> dg.RunRequest:
    """Request the contracts."""
    return dg.RunRequest()
