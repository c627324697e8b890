"""What Dagster loads: build_definitions and defs, and no logic."""

from collections.abc import Mapping

import dagster as dg

from truto_groups.defs.assets import integrated_accounts, refreshed_groups
from truto_groups.defs.jobs import check_freshness, evaluate_checks, refresh_groups
from truto_groups.defs.resources import GroupsDatabase, TrutoResource
from truto_groups.defs.schedules import check_freshness_schedule, refresh_groups_schedule
from truto_groups.defs.sensors import discover_integrated_accounts


def build_definitions(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Build everything that Dagster loads.

    Args:
        resources: Instead of the resources ``truto`` and ``duckdb``, by these names.
    """
    return dg.Definitions(
        assets=[integrated_accounts, refreshed_groups],
        jobs=[refresh_groups, evaluate_checks, check_freshness],
        schedules=[refresh_groups_schedule, check_freshness_schedule],
        sensors=[discover_integrated_accounts],
        resources={"truto": TrutoResource(), "duckdb": GroupsDatabase(), **(resources or {})},
        # One process per run: a step of its own would cost two more seconds, and there is one.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
