"""The asset group_overview: the picture over all accounts, drawn from the database.

What is shown and how it looks is report/overview.py's; when it is drawn anew is
followup_sensors.py's.
"""

from typing import Any

import dagster as dg

from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUP_NAME, OWNERS
from truto_groups.defs.data_versions import ACCOUNTS
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.overview import LATELY, Overview, render_overview
from truto_groups.session import Session
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.overview_queries import read_changed_accounts, read_type_counts

OVERVIEW = dg.AssetKey("group_overview")


# A multi_asset, because only there a backfill policy is no beta; with one, a range of accounts can
# be launched together with what lies below them.
@dg.multi_asset(
    name=OVERVIEW.to_python_identifier(),
    specs=[
        dg.AssetSpec(
            OVERVIEW,
            deps=[ACCOUNTS, BREAKDOWN, CHANGES],
            description=(
                "The picture over all accounts: types by integration, the largest accounts, "
                "what changed lately, who is stale or held back.\n\n"
                "It has no table: look at `overview` in the metadata of its latest "
                "materialization. The sensor refresh_overview draws it anew after each refresh, "
                "from the database alone."
            ),
            group_name=GROUP_NAME,
            owners=OWNERS,
            kinds={"markdown"},
        )
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@keep_secrets
def group_overview(truto: TrutoResource, duckdb: GroupsDatabase) -> dg.MaterializeResult[Any]:
    """Draw the picture."""
    try:
        overview = _read_overview(open_session(truto, duckdb))
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    accounts_by_state = [
        dg.TableRecord({"state": show(s), "accounts": n})
        for s, n in overview.accounts_by_state.items()
    ]
    return dg.MaterializeResult(
        asset_key=OVERVIEW,
        metadata={
            "overview": dg.MetadataValue.md(render_overview(overview)),
            "groups": overview.group_count,
            "accounts": len(overview.accounts),
            "accounts_by_state": dg.MetadataValue.table(
                accounts_by_state,
                dg.TableSchema([dg.TableColumn("state"), dg.TableColumn("accounts", "int")]),
            ),
            "accounts_stale": len(overview.stale),
            "accounts_held_back": len(overview.held_back),
            "accounts_changed_lately": len(overview.changes),
        },
    )


def _read_overview(session: Session) -> Overview:
    now = session.clock()
    with session.database.reading() as connection:
        accounts = read_known_accounts(connection)
        types = read_type_counts(connection)
        changes = read_changed_accounts(connection, since=now - LATELY)
    return Overview(
        accounts=accounts,
        skipped=frozenset(a.id for a in accounts if session.settings_for(a).skip),
        types=types,
        changes=changes,
        stale=find_stale_accounts(accounts, max_age_of=session.max_age_of, now=now),
        now=now,
    )
