"""The job accept_drift: a person finds right what accounts send now.

Launched from the UI with the configuration that the checks show, or by ``truto-groups accept``.
What accepting does is sync/accept.py's.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from typing import Any

import dagster as dg

from truto_groups.accounts.names import say_account
from truto_groups.defs.assets import BREAKDOWN, GROUPS, RAW_GROUPS
from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.defs.dagster_internals import MAX_RETRIES_TAG, find_location
from truto_groups.defs.data_versions import provenance_tags
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.launchpad import PERSON, REASON
from truto_groups.defs.launchpad_links import ACCEPT_JOB, ACCEPT_OP
from truto_groups.defs.metadata import table_of
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import log_verdicts
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.pending import PendingAcceptance
from truto_groups.session import Session
from truto_groups.settings import AccountSettings
from truto_groups.sync.accept import Acceptance, AcceptedAccount, accept
from truto_groups.text.visible import show

_CONFIG = {
    "integrated_account_ids": dg.Field(
        [str],
        default_value=[],
        description="The accounts to accept: key, id, or a beginning of either that no other has.",
    ),
    "integrations": dg.Field(
        [str],
        default_value=[],
        description="Accept all waiting accounts of these integrations (slugs), but for those of "
        "which no rows can be made.",
    ),
    "reason": dg.Field(
        REASON, description="Why what they send now is right; kept with the baseline."
    ),
    "accepted_by": dg.Field(
        PERSON, description="Who says so; Dagster does not know who launches a job."
    ),
    "digest": dg.Field(
        str,
        default_value="",
        description="Digest of what the check showed. Given, the job refuses when the accounts "
        "have moved on since.",
    ),
}

_EMPTY: dict[str, Any] = {
    "integrated_account_ids": [],
    "integrations": [],
    "reason": "",
    "accepted_by": "",
    "digest": "",
}


@dg.op(name=ACCEPT_OP, config_schema=_CONFIG)
@keep_secrets
def accept_drift_step(
    context: dg.OpExecutionContext,
    truto: TrutoResource,
    duckdb: GroupsDatabase,
) -> None:
    """Make what the named accounts sent last their baseline, and publish what was held back."""
    config = context.op_config
    acceptance = Acceptance(
        config["integrated_account_ids"],
        config["integrations"],
        reason=config["reason"],
        accepted_by=config["accepted_by"],
        digest=config["digest"],
    )
    try:
        session = open_session(truto, duckdb)
        accepted = accept(
            session.database,
            acceptance,
            settings_for=lambda one: _settings_for(session, one),
            run_id=context.run.run_id,
            clock=session.clock,
        )
        provenance = provenance_tags(context.instance, run_id=context.run.run_id)
        for one in accepted:
            _log_materializations(context, one, acceptance, provenance)
        results = evaluate_checks(
            session,
            [spec.key for spec in CHECK_SPECS],
            location=find_location(context.run),
        )
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    context.add_output_metadata({"accepted": table_of(_show(one) for one in accepted)})
    log_verdicts(context, results)


@dg.job(
    name=ACCEPT_JOB,
    description="Accept what accounts send now: it becomes their baseline, and a sync that was "
    "held back is published from its kept records, without fetching. The checks show what it "
    "would do, with a link that opens this job filled in; reason and accepted_by are yours.",
    # What the launchpad opens with.
    config={"ops": {ACCEPT_OP: {"config": _EMPTY}}},
    tags={MAX_RETRIES_TAG: "0"},
)
def accept_drift() -> None:
    """Accept what accounts send now."""
    accept_drift_step()


def _settings_for(session: Session, one: PendingAcceptance) -> AccountSettings:
    return session.settings.for_account(
        one.integrated_account_id,
        one.integration,
        partition_key=one.partition_key,
        knobs=session.knobs,
    )


def _log_materializations(
    context: dg.OpExecutionContext,
    accepted: AcceptedAccount,
    acceptance: Acceptance,
    provenance: Mapping[str, str],
) -> None:
    one = accepted.pending
    if one.is_published:
        return
    metadata = {
        "integration": show(one.integration),
        "dagster/partition_row_count": one.group_count,
        "outcome": "published (accepted)",
        "groups_added": accepted.replacement.added,
        "groups_removed": accepted.replacement.removed,
        "groups_changed": accepted.replacement.changed,
        "accepted_by": acceptance.accepted_by,
        "reason": acceptance.reason,
    }
    for asset in (RAW_GROUPS, GROUPS, BREAKDOWN):
        context.log_event(
            dg.AssetMaterialization(
                asset,
                partition=one.partition_key,
                metadata=dict(metadata),
                tags=provenance if asset == RAW_GROUPS else None,
            )
        )


def _show(accepted: AcceptedAccount) -> dict[str, object]:
    one = accepted.pending
    return {
        "account": say_account(one.partition_key, one.label),
        "was": "published" if one.is_published else "held back",
        "groups": one.group_count,
        "added": accepted.replacement.added,
        "removed": accepted.replacement.removed,
        "changed": accepted.replacement.changed,
    }
