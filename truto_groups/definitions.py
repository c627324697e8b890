"""What Dagster loads: build_definitions and defs, and no logic."""

from collections.abc import Mapping

import dagster as dg

from truto_groups.defs.accept_job import accept_drift
from truto_groups.defs.assets import integrated_accounts, refreshed_groups
from truto_groups.defs.check_jobs import check_freshness, evaluate_checks
from truto_groups.defs.diagnose_job import diagnose
from truto_groups.defs.discovery_sensor import discover_integrated_accounts
from truto_groups.defs.followup_sensors import (
    evaluate_checks_after_interruption,
    refresh_contracts_of_new_integrations,
    refresh_overview,
)
from truto_groups.defs.group_overview import group_overview
from truto_groups.defs.integration_contracts import integration_contracts
from truto_groups.defs.jobs import draw_overview, refresh_contracts, refresh_groups
from truto_groups.defs.killed_runs import end_killed_runs
from truto_groups.defs.report_sensors import report_check_changes, report_failures
from truto_groups.defs.resources import GroupsDatabase, TrutoResource
from truto_groups.defs.retention import retain_history, retain_history_schedule
from truto_groups.defs.review_job import mark_privileged_changes_reviewed
from truto_groups.defs.schedules import (
    check_freshness_schedule,
    refresh_contracts_schedule,
    refresh_groups_schedule,
)
from truto_groups.defs.upkeep_job import maintain_lake, maintain_lake_schedule


def build_definitions(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Build everything that Dagster loads.

    Args:
        resources: Instead of the resources ``truto`` and ``duckdb``, by these names.
    """
    return dg.Definitions(
        assets=[integrated_accounts, refreshed_groups, integration_contracts, group_overview],
        jobs=[
            refresh_groups,
            accept_drift,
            mark_privileged_changes_reviewed,
            evaluate_checks,
            check_freshness,
            refresh_contracts,
            draw_overview,
            retain_history,
            maintain_lake,
            diagnose,
        ],
        schedules=[
            refresh_groups_schedule,
            check_freshness_schedule,
            refresh_contracts_schedule,
            retain_history_schedule,
            maintain_lake_schedule,
        ],
        sensors=[
            discover_integrated_accounts,
            end_killed_runs,
            evaluate_checks_after_interruption,
            refresh_contracts_of_new_integrations,
            refresh_overview,
            report_failures,
            report_check_changes,
        ],
        resources={"truto": TrutoResource(), "duckdb": GroupsDatabase(), **(resources or {})},
        # One process per run: a step of its own would cost two more seconds, and there is one.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
