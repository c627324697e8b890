"""The job mark_privileged_changes_reviewed: a person has looked at what became privileged.

Launched from the UI with the configuration that the check shows, or by ``truto-groups review``.
What marking does is sync/access_review.py's.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

from typing import Any

import dagster as dg

from truto_groups.accounts.names import say_account
from truto_groups.accounts.selection import AccountFilter
from truto_groups.defs.checks import GROUPS, evaluate_checks
from truto_groups.defs.dagster_internals import MAX_RETRIES_TAG, find_location
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.launchpad import PERSON, REASON, UNTIL
from truto_groups.defs.launchpad_links import REVIEW_OP
from truto_groups.defs.metadata import table_of
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import log_verdicts
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.privileged_changes import UnreviewedChange, say_privileged_change
from truto_groups.session import Session
from truto_groups.sync.access_review import Review, mark_reviewed
from truto_groups.text.instants import read_instant
from truto_groups.warehouse.accounts_table import read_known_accounts

_CHECK = dg.AssetCheckKey(GROUPS, "privileged_changes_are_reviewed")


_CONFIG = {
    "integrated_account_ids": dg.Field(
        [str],
        default_value=[],
        description="The accounts: key, id, or a beginning of either that no other has.",
    ),
    "tenants": dg.Field([str], default_value=[], description="Only accounts of these tenants."),
    "integrations": dg.Field(
        [str], default_value=[], description="Only accounts of these integrations (slugs)."
    ),
    "until": dg.Field(
        UNTIL,
        default_value="",
        description="The newest change that was looked at (changed_at): what came later goes on "
        "waiting. Empty: all that waits now.",
    ),
    "reason": dg.Field(REASON, description="Why it is right; kept with each change."),
    "reviewed_by": dg.Field(
        PERSON, description="Who says so; Dagster does not know who launches a job."
    ),
}

_EMPTY: dict[str, Any] = {
    "integrated_account_ids": [],
    "tenants": [],
    "integrations": [],
    "until": "",
    "reason": "",
    "reviewed_by": "",
}


@dg.op(name=REVIEW_OP, config_schema=_CONFIG)
@keep_secrets
def mark_reviewed_step(
    context: dg.OpExecutionContext,
    truto: TrutoResource,
    duckdb: GroupsDatabase,
) -> None:
    """Mark what waits of the named accounts as reviewed, and evaluate the check."""
    config = context.op_config
    try:
        session = open_session(truto, duckdb)
        review = Review(
            AccountFilter(
                config["integrated_account_ids"], config["tenants"], config["integrations"]
            ),
            reason=config["reason"],
            reviewed_by=config["reviewed_by"],
            until=read_instant(config["until"]) if config["until"].strip() else None,
        )
        marked = mark_reviewed(session.database, review, clock=session.clock)
        shown = _show(session, marked)
        results = evaluate_checks(session, [_CHECK], location=find_location(context.run))
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    context.add_output_metadata({"reviewed": table_of(shown)})
    log_verdicts(context, results)


@dg.job(
    description="Mark groups that became privileged as reviewed, with who reviewed them and why. "
    "The check privileged_changes_are_reviewed shows what waits and the configuration to paste "
    "here; reason and reviewed_by are yours to fill in.",
    # What the launchpad opens with.
    config={"ops": {REVIEW_OP: {"config": _EMPTY}}},
    tags={MAX_RETRIES_TAG: "0"},
)
def mark_privileged_changes_reviewed() -> None:
    """Mark groups that became privileged as reviewed."""
    mark_reviewed_step()


def _show(session: Session, marked: list[UnreviewedChange]) -> list[dict[str, object]]:
    with session.database.reading() as connection:
        known = {account.id: account for account in read_known_accounts(connection)}
    return [
        {
            "account": say_account(one.partition_key, one.label),
            "what": say_privileged_change(
                one,
                is_private=session.settings_for(known[one.integrated_account_id]).private_values,
            ),
            "since": one.changed_at,
        }
        for one in marked
    ]
