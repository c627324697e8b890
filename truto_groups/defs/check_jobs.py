"""The jobs that evaluate checks and materialize nothing: all, or those that time turns red."""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

from collections.abc import Collection

import dagster as dg

from truto_groups.defs.checks import CHECK_SPECS, TIME_ALONE
from truto_groups.defs.checks import evaluate_checks as evaluate_group_checks
from truto_groups.defs.dagster_internals import find_location
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.integration_contracts import CONTRACT_CHECK_SPECS, evaluate_contract_checks
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import log_verdicts
from truto_groups.errors import TrutoGroupsError
from truto_groups.telemetry import flush


# Ops and no selections of checks, which would be hidden while their run waits.
@dg.op
@keep_secrets
def evaluate_all(
    context: dg.OpExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> None:
    """Evaluate all checks."""
    keys = [spec.key for spec in (*CHECK_SPECS, *CONTRACT_CHECK_SPECS)]
    _evaluate(context, truto, duckdb, keys)


@dg.op
@keep_secrets
def evaluate_those_that_time_turns_red(
    context: dg.OpExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> None:
    """Evaluate the checks that the clock alone turns red."""
    _evaluate(context, truto, duckdb, TIME_ALONE)


@dg.job(description="Evaluate all checks on the tables as they are.")
def evaluate_checks() -> None:
    """Evaluate all checks."""
    evaluate_all()


@dg.job(description="Evaluate the checks that time alone can turn red.")
def check_freshness() -> None:
    """Evaluate the checks that the clock alone turns red."""
    evaluate_those_that_time_turns_red()


def _evaluate(
    context: dg.OpExecutionContext,
    truto: TrutoResource,
    duckdb: GroupsDatabase,
    keys: Collection[dg.AssetCheckKey],
) -> None:
    try:
        session = open_session(truto, duckdb)
        results = [
            *evaluate_group_checks(session, keys, location=find_location(context.run)),
            *evaluate_contract_checks(session, keys),
        ]
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    flush()
    log_verdicts(context, results)
