"""The jobs: refreshing, and evaluating checks."""

import dagster as dg

from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUPS, RAW_GROUPS
from truto_groups.defs.checks import CHECK_SPECS, TIME_ALONE

# A run over many accounts that failed in some has done its work: to run it again at once would
# only repeat what failed. What is due is requested by the schedule.
_NO_RETRIES = {"dagster/max_retries": "0"}

refresh_groups = dg.define_asset_job(
    "refresh_groups",
    selection=dg.AssetSelection.assets(RAW_GROUPS, GROUPS, BREAKDOWN, CHANGES),
    description="Fetch integrated accounts from Truto, publish them, and evaluate the checks.",
    tags=_NO_RETRIES,
)

evaluate_checks = dg.define_asset_job(
    "evaluate_checks",
    selection=dg.AssetSelection.checks(*(spec.key for spec in CHECK_SPECS)),
    description="Evaluate all checks on the tables as they are.",
)

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(*TIME_ALONE),
    description="Evaluate the checks that time alone can turn red.",
)
