"""The checks: each judges all known accounts and lists those that fail, with what to do.

A check that cannot run raises; it never passes or fails instead. The rules are
accounts/freshness.py's, drift/'s and the warehouse's; here they become results.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
import yaml

from truto_groups import schema
from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import say_account
from truto_groups.defs.metadata import table_of
from truto_groups.drift.attribution import ATTRIBUTION_TEXTS
from truto_groups.drift.common_drift import find_common_drift
from truto_groups.drift.findings import Finding
from truto_groups.report.pending import PendingAcceptance
from truto_groups.session import Session
from truto_groups.sync.waiting import digest_of, read_pending
from truto_groups.text.visible import show, show_in_markdown
from truto_groups.text.words import say_count, say_duration
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.check_queries import (
    LastAudit,
    StandingFinding,
    find_duplicate_ids,
    find_wrong_breakdowns,
    read_last_audits,
    read_standing,
)
from truto_groups.warehouse.database import Connection

GROUPS = dg.AssetKey(schema.GROUPS.name)
BREAKDOWN = dg.AssetKey(schema.GROUP_TYPE_BREAKDOWN.name)

_WARN = dg.AssetCheckSeverity.WARN
_ERROR = dg.AssetCheckSeverity.ERROR
_NAMED_IN_A_DESCRIPTION = 5
ACCEPT_OP = "accept"
"""The op of the job accept_drift, as its configuration names it."""

_ACCEPT = "Launch the job accept_drift with this account if what it sends is right."

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Tables:
    """What the checks of one evaluation read, each of it once."""

    connection: Connection
    session: Session

    @cached_property
    def accounts(self) -> list[KnownAccount]:
        return read_known_accounts(self.connection)

    @cached_property
    def names(self) -> Mapping[str, str]:
        return {one.id: say_account(one.partition_key, one.label) for one in self.accounts}

    def name(self, integrated_account_id: str) -> str:
        """An account as people name it; one that is not known by the id that its rows have."""
        return self.names.get(integrated_account_id, integrated_account_id)

    @cached_property
    def audits(self) -> list[LastAudit]:
        private = {a.id for a in self.accounts if self.session.settings_for(a).private_values}
        return [
            audit.without_values() if audit.integrated_account_id in private else audit
            for audit in read_last_audits(self.connection)
        ]

    @cached_property
    def pending(self) -> list[PendingAcceptance]:
        return read_pending(self.connection)


Judge = Callable[[Session, _Tables], dg.AssetCheckResult]


def _judge_contract(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    rows: list[Row] = []
    is_held_back = False
    known = {account.id: account for account in tables.accounts}
    for audit in tables.audits:
        limit = session.settings_for(known[audit.integrated_account_id]).unmapped_limit
        problems = list(_find_contract_problems(audit, unmapped_limit=limit))
        rows += [_row(audit, tables, problem=what, advice=advice) for what, advice in problems]
        is_held_back |= bool(problems) and not audit.is_published
    return _result(
        "groups_match_contract",
        rows,
        severity=_ERROR if is_held_back else _WARN,
        pending=tables.pending if rows else (),
        passed_text="Every account's last answer fits the contract.",
        failed_text="Does not fit the contract",
    )


def _find_contract_problems(
    audit: LastAudit, *, unmapped_limit: float
) -> Iterator[tuple[str, str]]:
    for finding in audit.findings:
        if finding.severity == "breaking":
            yield finding.message, finding.advice
    counts = audit.counts
    for field, unreadable in counts.unreadable_instants.items():
        if unreadable:
            yield (
                f"{unreadable:,} of {counts.record_count:,} values of `{field}` are no instant.",
                "They are null in groups. Tell Truto which field of the app is mapped to it.",
            )
    if counts.unmapped_count > unmapped_limit * counts.record_count:
        unmapped = [name for name in counts.group_types if name.lower() not in schema.GROUP_TYPES]
        unmapped.sort(key=lambda name: (-counts.group_types[name], name))
        types = ", ".join(unmapped[:_NAMED_IN_A_DESCRIPTION])
        yield (
            f"{counts.unmapped_count:,} of {counts.record_count:,} groups have a type that is not "
            f"mapped{f' ({types})' if types else ''}.",
            "Map the types in Truto, or raise unmapped_limit in the settings file.",
        )


def _judge_drift(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    del session
    audits = tables.audits
    standing = read_standing(tables.connection)
    rows: list[Row] = []
    for audit in audits:
        rows += [
            {
                "account": tables.name(audit.integrated_account_id),
                "path": finding.path,
                "change": finding.kind,
                "was_and_is": f"{finding.was or 'nothing'} → {finding.now}",
                **_tell_origin(standing[audit.integrated_account_id, finding.kind, finding.path]),
                "advice": finding.advice,
                "example": audit.examples.get(finding.path),
            }
            for finding in audit.findings
            if _is_told(finding)
        ]
        rows += [
            {
                "account": tables.name(audit.integrated_account_id),
                "path": told.parameter,
                "change": f"filter {told.kind}",
                "advice": told.message,
            }
            for told in audit.told_filters
        ]
    united = find_common_drift(
        {audit.integrated_account_id: audit.findings for audit in audits},
        integrations={audit.integrated_account_id: audit.integration for audit in audits},
    )
    return _result(
        "no_unaccepted_drift",
        rows,
        severity=_WARN,
        pending=tables.pending if rows else (),
        passed_text="Every account looks like what was accepted.",
        failed_text="Different from what was accepted",
        at_once=[one.message for one in united if one.severity != "information"],
    )


def _tell_origin(standing: StandingFinding) -> Row:
    return {"since": standing.since, "whose": ATTRIBUTION_TEXTS[standing.attributed_to]}


def _is_told(finding: Finding) -> bool:
    return finding.severity != "information" and finding.kind != "group_types_unmapped"


def _judge_freshness(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    stale = find_stale_accounts(tables.accounts, max_age_of=session.max_age_of, now=session.clock())
    rows: list[Row] = [
        {
            "account": tables.name(found.account.id),
            "status": found.account.status,
            "age": say_duration(found.age),
            "max_age": say_duration(found.max_age),
            "last_confirmed_at": found.account.last_confirmed_at,
            "advice": found.advice,
        }
        for found in stale
    ]
    is_error = any(found.account.is_active for found in stale)
    return _result(
        "every_account_is_fresh",
        rows,
        severity=_ERROR if is_error else _WARN,
        passed_text="Every account was confirmed recently enough.",
        failed_text="Stale",
    )


def _judge_uniqueness(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    del session
    rows: list[Row] = [
        {
            "account": tables.name(found.integrated_account_id),
            "id": found.id,
            "rows": found.row_count,
            "advice": "Something else wrote to the table. Materialize groups for this account.",
        }
        for found in find_duplicate_ids(tables.connection)
    ]
    return _result(
        "ids_are_unique",
        rows,
        severity=_ERROR,
        passed_text="No two rows of an account share an id.",
        failed_text="Ids that more than one row has",
    )


def _judge_counts(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    del session
    audits = [audit for audit in tables.audits if audit.volume != "ok"]
    rows = [_row(audit, tables, problem=audit.volume_reason, advice=_ACCEPT) for audit in audits]
    is_held_back = any(not audit.is_published for audit in audits)
    return _result(
        "group_counts_are_plausible",
        rows,
        severity=_ERROR if is_held_back else _WARN,
        pending=tables.pending if rows else (),
        passed_text="Every account has about as many groups as it used to.",
        failed_text="An implausible number of groups",
    )


def _judge_breakdown(session: Session, tables: _Tables) -> dg.AssetCheckResult:
    del session
    rows: list[Row] = [
        {
            "account": tables.name(found.integrated_account_id),
            "groups": found.group_count,
            "broken_down": found.broken_down_count,
            "advice": "Materialize group_type_breakdown for this account: it is counted anew.",
        }
        for found in find_wrong_breakdowns(tables.connection)
    ]
    return _result(
        "breakdown_adds_up",
        rows,
        asset_key=BREAKDOWN,
        severity=_ERROR,
        passed_text="Every breakdown adds up to its account's groups.",
        failed_text="A breakdown that does not add up",
    )


_JUDGES: Sequence[tuple[dg.AssetCheckSpec, Judge]] = [
    (
        dg.AssetCheckSpec(
            "groups_match_contract",
            asset=GROUPS,
            description="Ids are there, known fields keep their JSON types, instants can be read "
            "and types are mapped. Red (error): an account is held back. Look at its row, then "
            "mend the mapping or accept.",
        ),
        _judge_contract,
    ),
    (
        dg.AssetCheckSpec(
            "no_unaccepted_drift",
            asset=GROUPS,
            description="No account looks different from its accepted baseline: fields, their JSON "
            "types, how often they are null. Stays until the drift is gone or accepted.",
        ),
        _judge_drift,
    ),
    (
        dg.AssetCheckSpec(
            "every_account_is_fresh",
            asset=GROUPS,
            description="Every account was confirmed within its max_age. A warning when only those "
            "that are not active are stale: have their tenants reconnect them.",
        ),
        _judge_freshness,
    ),
    (
        dg.AssetCheckSpec(
            "ids_are_unique",
            asset=GROUPS,
            description="No two rows of an account share an id.",
        ),
        _judge_uniqueness,
    ),
    (
        dg.AssetCheckSpec(
            "group_counts_are_plausible",
            asset=GROUPS,
            description="No account's number of groups fell or jumped beyond what its own history "
            "makes plausible. Red (error): an account is held back.",
        ),
        _judge_counts,
    ),
    (
        dg.AssetCheckSpec(
            "breakdown_adds_up",
            asset=BREAKDOWN,
            description="The breakdown's counts sum to the account's groups, type by type.",
        ),
        _judge_breakdown,
    ),
]

CHECK_SPECS = [spec for spec, _ in _JUDGES]
TIME_ALONE = [dg.AssetCheckKey(GROUPS, "every_account_is_fresh")]
"""The checks that time alone can turn red."""


def evaluate_checks(
    session: Session, selected: Collection[dg.AssetCheckKey]
) -> list[dg.AssetCheckResult]:
    """Evaluate the selected checks on what is committed now.

    Raises:
        DatabaseError: The tables cannot be read.
    """
    with session.database.reading() as connection:
        tables = _Tables(connection, session)
        return [judge(session, tables) for spec, judge in _JUDGES if spec.key in selected]


def _describe_acceptance(pending: Sequence[PendingAcceptance]) -> dict[str, Any]:
    """What accepting would do, and the launch configuration to paste."""
    acceptable = [one for one in pending if one.obstacle is None]
    if not acceptable:
        return {}
    digest = digest_of(acceptable)
    config = {
        "ops": {
            ACCEPT_OP: {
                "config": {
                    "integrated_account_ids": [one.partition_key for one in acceptable],
                    "reason": "",
                    "accepted_by": "",
                    "digest": digest,
                }
            }
        }
    }
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    rows = [
        {
            "account": say_account(one.partition_key, one.label),
            "state": "published" if one.is_published else "held back",
            "groups": one.group_count,
            "would_add": one.would_add,
            "would_remove": one.would_remove,
            "would_change": one.would_change,
            "changes_told": len(one.findings),
        }
        for one in acceptable
    ]
    return {
        "accepting_would": table_of(rows),
        "how_to_accept": (
            "Launch the job accept_drift with the configuration of to_accept: fill in reason and "
            "accepted_by, and leave out accounts that are not right, and the digest with them."
        ),
        "to_accept": dg.MetadataValue.md(f"```yaml\n{text}```"),
        "digest": digest,
    }


def _row(audit: LastAudit, tables: _Tables, **more: object) -> Row:
    return {
        "account": tables.name(audit.integrated_account_id),
        "state": "published" if audit.is_published else "held back",
        **more,
    }


def _result(
    name: str,
    rows: Sequence[Row],
    *,
    severity: dg.AssetCheckSeverity,
    passed_text: str,
    failed_text: str,
    asset_key: dg.AssetKey = GROUPS,
    pending: Sequence[PendingAcceptance] = (),
    at_once: Sequence[str] = (),
) -> dg.AssetCheckResult:
    accounts = list(dict.fromkeys(row["account"] for row in rows))
    named = ", ".join(accounts[:_NAMED_IN_A_DESCRIPTION])
    more = len(accounts) - _NAMED_IN_A_DESCRIPTION
    named += f" and {more} more" if more > 0 else ""
    failed = f"{failed_text}: {say_count(len(accounts), 'account')} ({named})."
    metadata: dict[str, Any] = {"failing_accounts": len(accounts)}
    if at_once:
        metadata["many_accounts_at_once"] = dg.MetadataValue.md(
            "\n".join(f"- {show_in_markdown(message)}" for message in at_once)
        )
    if rows:
        metadata["what_to_do"] = table_of(rows)
        failing = set(accounts)
        metadata |= _describe_acceptance(
            [one for one in pending if say_account(one.partition_key, one.label) in failing]
        )
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset_key,
        passed=not rows,
        severity=severity,
        description=show(" ".join([*at_once, failed])) if rows else passed_text,
        metadata=metadata,
    )
