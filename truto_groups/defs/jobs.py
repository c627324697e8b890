"""The jobs that materialize: refreshing, asking for contracts, drawing the picture.

They select no checks, though their steps tell all of them: a selected check is hidden while its run
waits (see verdicts.py).
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUPS, RAW_GROUPS
from truto_groups.defs.dagster_internals import RETRY_ON_FAILURE_TAG
from truto_groups.defs.group_overview import OVERVIEW
from truto_groups.defs.integration_contracts import CONTRACTS

# A run over many accounts that failed in some has done its work: to run it again at once would
# only repeat what failed. What is due is requested by the schedule. One whose process died has left
# accounts red that nothing is wrong with: whether that is run again is the instance's to say.
_NO_RETRIES = {RETRY_ON_FAILURE_TAG: "false"}

refresh_groups = dg.define_asset_job(
    "refresh_groups",
    selection=dg.AssetSelection.assets(RAW_GROUPS, GROUPS, BREAKDOWN, CHANGES).without_checks(),
    description="Fetch integrated accounts from Truto, publish them, and evaluate the checks.",
    tags=_NO_RETRIES,
)

refresh_contracts = dg.define_asset_job(
    "refresh_contracts",
    selection=dg.AssetSelection.assets(CONTRACTS).without_checks(),
    description="Ask Truto what each integration in use declares, and judge what changed.",
    tags=_NO_RETRIES,
)

draw_overview = dg.define_asset_job(
    "draw_overview",
    selection=dg.AssetSelection.assets(OVERVIEW),
    description="Draw the picture over all accounts anew, from the database.",
    tags=_NO_RETRIES,
)
