"""The jobs: refreshing, evaluating checks, and drawing the picture."""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUPS, RAW_GROUPS
from truto_groups.defs.checks import CHECK_SPECS, TIME_ALONE
from truto_groups.defs.dagster_internals import RETRY_ON_FAILURE_TAG
from truto_groups.defs.group_overview import OVERVIEW
from truto_groups.defs.integration_contracts import CONTRACT_CHECK_SPECS, CONTRACTS

# A run over many accounts that failed in some has done its work: to run it again at once would
# only repeat what failed. What is due is requested by the schedule. One whose process died has left
# accounts red that nothing is wrong with: whether that is run again is the instance's to say.
_NO_RETRIES = {RETRY_ON_FAILURE_TAG: "false"}

refresh_groups = dg.define_asset_job(
    "refresh_groups",
    selection=dg.AssetSelection.assets(RAW_GROUPS, GROUPS, BREAKDOWN, CHANGES),
    description="Fetch integrated accounts from Truto, publish them, and evaluate the checks.",
    tags=_NO_RETRIES,
)

evaluate_checks = dg.define_asset_job(
    "evaluate_checks",
    selection=dg.AssetSelection.checks(
        *(spec.key for spec in (*CHECK_SPECS, *CONTRACT_CHECK_SPECS))
    ),
    description="Evaluate all checks on the tables as they are.",
)

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(*TIME_ALONE),
    description="Evaluate the checks that time alone can turn red.",
)

refresh_contracts = dg.define_asset_job(
    "refresh_contracts",
    selection=dg.AssetSelection.assets(CONTRACTS),
    description="Ask Truto what each integration in use declares, and judge what changed.",
    tags=_NO_RETRIES,
)

draw_overview = dg.define_asset_job(
    "draw_overview",
    selection=dg.AssetSelection.assets(OVERVIEW),
    description="Draw the picture over all accounts anew, from the database.",
    tags=_NO_RETRIES,
)
