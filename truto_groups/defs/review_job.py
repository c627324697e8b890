"""The job mark_privileged_changes_reviewed: a person has looked at what became privileged.

Launched from the UI with the configuration that the check shows, or by ``truto-groups review``.
What marking does is sync/access_review.py's.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from truto_groups.accounts.names import say_account
from truto_groups.accounts.selection import AccountFilter
from truto_groups.defs.accepting import REVIEW_OP
from truto_groups.defs.checks import GROUPS, evaluate_checks
from truto_groups.defs.dagster_internals import MAX_RETRIES_TAG
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.metadata import table_of
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import log_verdicts
from truto_groups.errors import ReviewRefusedError, TrutoGroupsError
from truto_groups.report.access_review import UnreviewedChange, say_privileged_change
from truto_groups.session import Session
from truto_groups.sync.access_review import Review, mark_reviewed
from truto_groups.text.instants import read_instant
from truto_groups.warehouse.accounts_table import read_known_accounts

_CHECK = dg.AssetCheckKey(GROUPS, "privileged_changes_are_reviewed")


class MarkReviewedConfig(dg.Config):
    """Who reviewed what, and why it is right."""

    integrated_account_ids: list[str] = Field(
        default=[],
        description="The accounts: key, id, or a beginning of either that no other has.",
    )
    tenants: list[str] = Field(default=[], description="Only accounts of these tenants.")
    integrations: list[str] = Field(
        default=[], description="Only accounts of these integrations (slugs)."
    )
    until: str = Field(
        default="",
        description="The newest change that was looked at (changed_at): what came later goes on "
        "waiting. Empty: all that waits now.",
    )
    reason: str = Field(description="Why it is right; kept with each change.")
    reviewed_by: str = Field(description="Who says so; Dagster does not know who launches a job.")


_EMPTY: dict[str, Any] = {
    "integrated_account_ids": [],
    "tenants": [],
    "integrations": [],
    "until": "",
    "reason": "",
    "reviewed_by": "",
}


@dg.op(name=REVIEW_OP)
@keep_secrets
def mark_reviewed_step(
    context: dg.OpExecutionContext,
    config: MarkReviewedConfig,
    truto: TrutoResource,
    duckdb: GroupsDatabase,
) -> None:
    """Mark what waits of the named accounts as reviewed, and evaluate the check."""
    try:
        session = open_session(truto, duckdb)
        review = Review(
            AccountFilter(config.integrated_account_ids, config.tenants, config.integrations),
            reason=config.reason,
            reviewed_by=config.reviewed_by,
            until=_read_until(config.until),
        )
        marked = mark_reviewed(session.database, review, clock=session.clock)
        shown = _show(session, marked)
        results = evaluate_checks(session, [_CHECK])
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


def _read_until(text: str) -> datetime | None:
    try:
        return read_instant(text) if text.strip() else None
    except ValueError as error:
        raise ReviewRefusedError(
            f"until: {error}.", advice="Copy it from what the check shows, or leave it out."
        ) from None


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
