"""The asset group_overview: the picture over all accounts, drawn from the database.

What is shown and how it looks is report/overview.py's; when it is drawn anew is
followup_sensors.py's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from truto_groups.accounts.coverage import find_coverage
from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUP_NAME, GROUPS, OWNERS
from truto_groups.defs.check_results import say_headline
from truto_groups.defs.checks import CHECK_SPECS
from truto_groups.defs.dagster_internals import (
    address_check,
    address_events,
    address_partition,
    address_run,
    find_location,
    read_latest_check,
    tag_inputs,
)
from truto_groups.defs.data_versions import ACCOUNTS
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.integration_contracts import CONTRACT_CHECK_SPECS
from truto_groups.defs.launchpad_links import address_acceptance
from truto_groups.defs.metadata import describe_needs, table_of
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.needs import Need
from truto_groups.report.overview import (
    LATELY,
    LONGEST_NOTICE,
    MAX_ROWS,
    TODAY,
    FailingCheck,
    Overview,
    Routes,
    render_overview,
)
from truto_groups.session import Session
from truto_groups.sync.waiting import read_needs
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.overview_queries import (
    read_changed_accounts,
    read_day_totals,
    read_times_to_notice,
    read_type_counts,
)

OVERVIEW = dg.AssetKey("group_overview")

_CHECKS = [spec.key for spec in (*CHECK_SPECS, *CONTRACT_CHECK_SPECS)]


# A multi_asset, because only there a backfill policy is no beta; with one, a range of accounts can
# be launched together with what lies below them.
@dg.multi_asset(
    name=OVERVIEW.to_python_identifier(),
    specs=[
        dg.AssetSpec(
            OVERVIEW,
            deps=[ACCOUNTS, BREAKDOWN, CHANGES],
            description=(
                "Start here: who needs you and what to do, what is complete and fresh, what "
                "changed since yesterday, over all accounts.\n\n"
                f"**[Open the picture]({address_events(OVERVIEW)})**, or see below who needs you. "
                "The sensor refresh_overview draws it anew after each refresh, from the database "
                "alone; it has no table."
            ),
            group_name=GROUP_NAME,
            owners=OWNERS,
            kinds={"markdown"},
            # Else Dagster would record a materialization of its own, which has no description.
            skippable=True,
        )
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@keep_secrets
def group_overview(
    context: dg.AssetExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> Iterator[dg.AssetMaterialization]:
    """Draw the picture."""
    inputs = tag_inputs(context.instance, [ACCOUNTS, BREAKDOWN, CHANGES], run_id=context.run.run_id)
    try:
        session = open_session(truto, duckdb)
        overview = _read_overview(session, _read_checks(context.instance))
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    location = find_location(context.run)
    routes = Routes(
        to_account=lambda key: address_partition(GROUPS, key),
        to_run=address_run,
        to_accept=lambda need: _address_acceptance(need, location=location),
    )
    picture = render_overview(overview, routes)
    yield dg.AssetMaterialization(
        OVERVIEW,
        # The UI shows it from its beginning; a dialog of long metadata opens at its end.
        description=picture,
        metadata={
            "needs_you": describe_needs(
                overview.needs, now=overview.now, see_all="open the picture"
            ),
            "overview": dg.MetadataValue.md(picture),
            **_describe(overview),
        },
        # Else the UI would call it out of sync from the next listing on, which comes every few
        # minutes.
        tags=inputs,
    )


def _describe(overview: Overview) -> dict[str, Any]:
    """What the picture says in numbers, each by itself, to be plotted."""
    coverage = overview.coverage
    needs = overview.needs_by_state
    changed = overview.counts_today
    return {
        "coverage": show(coverage.say()),
        "accounts_that_need_you": len(overview.needs),
        **{f"accounts_{state.replace(' ', '_')}": number for state, number in needs.items()},
        "checks_red_or_yellow": len(overview.checks),
        "accounts": len(overview.accounts),
        "accounts_active": coverage.active_count,
        "accounts_complete": coverage.complete_count,
        "groups": overview.group_count,
        **{f"groups_{verb}": number for verb, number in changed.items()},
        **_describe_notice(overview),
        "accounts_by_state": table_of(
            {"state": state, "accounts": number}
            for state, number in overview.accounts_by_state.items()
        ),
    }


def _describe_notice(overview: Overview) -> dict[str, float]:
    for one in overview.notices:
        if one.integration is None:
            return {
                "notice_minutes_p50": round(one.p50.total_seconds() / 60, 1),
                "notice_minutes_p95": round(one.p95.total_seconds() / 60, 1),
            }
    return {}


def _address_acceptance(need: Need, *, location: str) -> str:
    if need.acceptable is None:
        raise ValueError(f"Accepting does not help {need.account.partition_key}.")
    return address_acceptance([need.acceptable], location=location)


def _read_checks(instance: dg.DagsterInstance) -> list[FailingCheck]:
    """What the checks said last that are red or yellow, the red ones first."""
    found: list[FailingCheck] = []
    for key in _CHECKS:
        latest = read_latest_check(instance, key)
        if latest is None or latest[1].passed:
            continue
        said = latest[1]
        is_error = said.severity is dg.AssetCheckSeverity.ERROR
        headline = say_headline(said.description or "")
        found.append(FailingCheck(key.name, is_error, headline, address_check(key)))
    return sorted(found, key=lambda one: not one.is_error)


def _read_overview(session: Session, checks: Sequence[FailingCheck]) -> Overview:
    now = session.clock()
    with session.database.reading() as connection:
        accounts = read_known_accounts(connection)
        types = read_type_counts(connection)
        changes = read_changed_accounts(connection, since=now - TODAY, with_examples=MAX_ROWS)
        totals = read_day_totals(connection, since=now - LATELY)
        notices = read_times_to_notice(connection, since=now - LATELY, longest=LONGEST_NOTICE)
        needs = read_needs(session, connection, accounts)
    return Overview(
        accounts=accounts,
        skipped=frozenset(a.id for a in accounts if session.settings_for(a).skip),
        private=frozenset(a.id for a in accounts if session.settings_for(a).private_values),
        needs=needs,
        checks=checks,
        coverage=find_coverage(accounts, max_age_of=session.max_age_of, now=now),
        types=types,
        changes=changes,
        totals=totals,
        notices=notices,
        now=now,
    )
