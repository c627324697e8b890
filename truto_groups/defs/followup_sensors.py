"""What follows a run: its checks where it ended without them, the picture, the contracts.

Each sensor requests at most one run at a time. What the runs do is the assets'.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.contracts.refresh_contracts import find_in_use
from truto_groups.defs.assets import GROUPS
from truto_groups.defs.check_jobs import evaluate_checks
from truto_groups.defs.checks import CHECK_SPECS
from truto_groups.defs.dagster_internals import read_events
from truto_groups.defs.ended_runs import find_ended_runs, find_last_event, writes_groups
from truto_groups.defs.failures import keep_secrets
from truto_groups.defs.group_overview import OVERVIEW
from truto_groups.defs.in_flight import is_pending
from truto_groups.defs.jobs import draw_overview, refresh_contracts
from truto_groups.defs.resources import (
    TICK_PATIENCE_SECONDS,
    GroupsDatabase,
    TrutoResource,
    open_session,
)
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.contracts_table import read_contracted_integrations

_INTERRUPTED = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)


@dg.sensor(
    name="evaluate_checks_after_interruption",
    # By its name: given the job, Dagster warns of a parameter of its own that is in beta.
    job_name=evaluate_checks.name,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests the checks after a run that was to materialize groups and ended without "
    "them: killed, cancelled, or failed before.",
)
@keep_secrets
def evaluate_checks_after_interruption(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request the checks where a run ended without them."""
    after = _read_cursor(context.cursor)
    if after is None:
        return _skip("From now on interrupted runs are seen.", find_last_event(context.instance))
    ended = find_ended_runs(context, after=after, endings=_INTERRUPTED)
    interrupted = [
        run.run_id
        for run in ended.runs
        if writes_groups(run) and _lacks_checks(context.instance, run.run_id)
    ]
    if not interrupted:
        return _skip("No run ended without its checks.", ended.last_event)
    if is_pending(context.instance, evaluate_checks.name):
        # The cursor stays: that run may have judged before this one ended.
        return _skip("The checks are being evaluated.", after)
    # One for all: the checks judge what is there now, whoever left it.
    return _request(dg.RunRequest(run_key=interrupted[-1]), ended.last_event)


@dg.sensor(
    name="refresh_overview",
    job=draw_overview,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Materializes group_overview after runs that were to materialize groups, however "
    "they ended; never twice at once.",
)
@keep_secrets
def refresh_overview(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request the picture when a refresh has ended."""
    instance = context.instance
    after = _read_cursor(context.cursor)
    if after is None:
        last = find_last_event(instance)
        is_due = (
            instance.get_latest_materialization_event(GROUPS) is not None
            and instance.get_latest_materialization_event(OVERVIEW) is None
        )
        if is_due:
            return _request(dg.RunRequest(run_key=f"first:{last}"), last)
        return _skip("From now on refreshes are seen.", last)
    if is_pending(instance, draw_overview.name):
        # The cursor stays: what ended meanwhile is drawn once this one is through.
        return _skip("The picture is being drawn.", after)
    ended = find_ended_runs(context, after=after)
    if not any(writes_groups(run) for run in ended.runs):
        return _skip("No refresh has ended.", ended.last_event)
    return _request(dg.RunRequest(run_key=f"after:{ended.last_event}"), ended.last_event)


@dg.sensor(
    name="refresh_contracts_of_new_integrations",
    job=refresh_contracts,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Materializes integration_contracts when an integration came into use whose "
    "contract is not known, at most once a day for the same ones; the others are asked daily.",
)
@keep_secrets
def refresh_contracts_of_new_integrations(
    context: dg.SensorEvaluationContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> dg.RunRequest | dg.SkipReason:
    """Request the contracts of integrations that are new."""
    session = open_session(truto, duckdb, retry_seconds=TICK_PATIENCE_SECONDS)
    if not session.database.exists:
        return dg.SkipReason("No account is known yet.")
    with session.database.reading() as connection:
        in_use = find_in_use(session, read_known_accounts(connection))
        new = sorted(in_use - read_contracted_integrations(connection))
    if not new:
        return dg.SkipReason(f"The contracts of all {len(in_use)} integrations in use are known.")
    if is_pending(context.instance, refresh_contracts.name):
        return dg.SkipReason("They are being asked for.")
    return dg.RunRequest(run_key=f"{session.clock():%Y-%m-%d}:{','.join(new)}")


def _lacks_checks(instance: dg.DagsterInstance, run_id: str) -> bool:
    events = read_events(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluated = {event.asset_check_evaluation_data.asset_check_key for event in events}
    return not evaluated.issuperset(spec.key for spec in CHECK_SPECS)


def _read_cursor(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _skip(reason: str, cursor: int) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=str(cursor))


def _request(request: dg.RunRequest, cursor: int) -> dg.SensorResult:
    return dg.SensorResult(run_requests=[request], cursor=str(cursor))
