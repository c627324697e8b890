"""The checks: each judges all known accounts and lists those that fail, with what to do.

A check that cannot run raises; it never passes or fails instead. The rules are
accounts/freshness.py's, drift/'s and the warehouse's; how a verdict is shown, check_results.py's.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from truto_groups import schema
from truto_groups.accounts.freshness import StaleAccount, find_lag_seconds, find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import count_states
from truto_groups.defs.check_results import AccountProblem, CheckVerdict, lay_out
from truto_groups.defs.dagster_internals import DEFAULT_LOCATION
from truto_groups.drift.attribution import ATTRIBUTION_TEXTS
from truto_groups.drift.common_drift import find_common_drift
from truto_groups.drift.findings import GRANT_ADVICE, SEVERITIES, Finding, rank, sort_findings
from truto_groups.drift.probability import Count
from truto_groups.report.pending import PendingAcceptance, find_told
from truto_groups.report.privileged_changes import say_privileged_change
from truto_groups.session import Session
from truto_groups.sync.waiting import read_pending
from truto_groups.telemetry import is_on, observe_accounts
from truto_groups.text.words import say_duration
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.check_queries import (
    LastAudit,
    StandingFinding,
    find_duplicate_ids,
    find_wrong_breakdowns,
    read_last_audits,
    read_standing,
)
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.privileged_table import read_unreviewed

GROUPS = dg.AssetKey(schema.GROUPS.name)
BREAKDOWN = dg.AssetKey(schema.GROUP_TYPE_BREAKDOWN.name)

_WARN = dg.AssetCheckSeverity.WARN
_ERROR = dg.AssetCheckSeverity.ERROR
_NAMED_TYPES = 5
_BEST = (len(SEVERITIES), False, 0)  # What ranks behind every finding.
_SEE_DRIFT = "the view `account_drift`, or `truto-groups status`"
_LOOK_AT_SOURCE = "See in the app whether so many groups came or went."
_REVIEW = "See in the app who made it and who is in it; if it is right, mark it as reviewed."


@dataclass(frozen=True)
class _Tables:
    """What the checks of one evaluation read, each of it once."""

    connection: Connection
    session: Session

    @cached_property
    def accounts(self) -> list[KnownAccount]:
        return read_known_accounts(self.connection)

    @cached_property
    def known(self) -> Mapping[str, KnownAccount]:
        return {account.id: account for account in self.accounts}

    @cached_property
    def standing(self) -> Mapping[tuple[str, str, str], StandingFinding]:
        return read_standing(self.connection)

    def find_standing(self, audit: LastAudit, kind: str, path: str) -> StandingFinding:
        """Since when a finding of a last audit stands, and whose change it was.

        Where the view does not tell of it, it stands since that audit: one account's oddity must
        not end the checks of all.
        """
        key = (audit.integrated_account_id, kind, path)
        return self.standing.get(key, StandingFinding(audit.observed_at, None))

    def problem(
        self, integrated_account_id: str, what: str, advice: str, **more: Any
    ) -> AccountProblem:
        """A problem of an account; one that is not known is named by the id that its rows have."""
        account = self.known.get(integrated_account_id)
        if account is None:
            return AccountProblem(integrated_account_id, None, what, advice, **more)
        return AccountProblem(account.partition_key, account.label, what, advice, **more)

    @cached_property
    def private(self) -> frozenset[str]:
        """The accounts of which no value is shown."""
        return frozenset(
            one.id for one in self.accounts if self.session.settings_for(one).private_values
        )

    @cached_property
    def audits(self) -> list[LastAudit]:
        audits = [
            audit.without_values() if audit.integrated_account_id in self.private else audit
            for audit in read_last_audits(self.connection)
        ]
        # Who waits for a person comes first, however many only drifted; then the worst drift.
        return sorted(
            audits,
            key=lambda audit: (audit.is_published, min(map(rank, audit.findings), default=_BEST)),
        )

    @cached_property
    def pending(self) -> list[PendingAcceptance]:
        return read_pending(self.connection)


Judge = Callable[[Session, _Tables], CheckVerdict]


def _judge_contract(session: Session, tables: _Tables) -> CheckVerdict:
    problems: list[AccountProblem] = []
    is_held_back = False
    for audit in tables.audits:
        if audit.unreadable is not None:
            problems.append(_tell_unreadable(audit, tables))
            continue
        limit = session.settings_for(tables.known[audit.integrated_account_id]).unmapped_limit
        found = list(_find_contract_problems(audit, tables, unmapped_limit=limit))
        problems += found
        is_held_back |= bool(found) and not audit.is_published
    return CheckVerdict(
        _key("groups_match_contract"),
        _ERROR if is_held_back else _WARN,
        problems,
        pending=tables.pending if problems else (),
        passed_text="Every account's last answer fits the contract.",
        failed_text="Does not fit the contract",
        see_all=_SEE_DRIFT,
    )


def _find_contract_problems(
    audit: LastAudit, tables: _Tables, *, unmapped_limit: float
) -> Iterator[AccountProblem]:
    account_id = audit.integrated_account_id
    state = _state(audit)
    for finding in sort_findings(audit.findings):
        if finding.severity == "breaking":
            yield tables.problem(
                account_id,
                f"{state}: {finding.message}",
                finding.advice,
                since=tables.find_standing(audit, finding.kind, finding.path).since,
                is_curable=True,
                details={
                    "path": finding.path,
                    "was": finding.was,
                    "now": finding.now,
                    "example": audit.examples.get(finding.path),
                },
            )
    # These stay in the table as they are, also when a person accepts the drift.
    counts = audit.counts
    for field, unreadable in counts.unreadable_instants.items():
        if unreadable:
            yield tables.problem(
                account_id,
                f"{unreadable:,} of {counts.record_count:,} values of `{field}` are no instant.",
                "They are null in groups. Tell Truto which field of the app is mapped to it.",
                since=tables.find_standing(audit, "instants_unreadable", field).since,
                details={"path": field, "example": audit.examples.get(field)},
            )
    if Count(counts.unmapped_count, counts.record_count).share > unmapped_limit:
        unmapped = [name for name in counts.group_types if name.lower() not in schema.GROUP_TYPES]
        unmapped.sort(key=lambda name: (-counts.group_types[name], name))
        types = ", ".join(unmapped[:_NAMED_TYPES])
        yield tables.problem(
            account_id,
            f"{counts.unmapped_count:,} of {counts.record_count:,} groups have a type that is not "
            f"mapped{f' ({types})' if types else ''}.",
            "Map the types in Truto, or raise `unmapped_limit` in the settings file. "
            "Accepting does not help.",
            since=tables.find_standing(audit, "group_types_unmapped", "group_type").since,
            details={"path": "group_type", "now": ", ".join(unmapped)},
        )


def _judge_drift(session: Session, tables: _Tables) -> CheckVerdict:
    del session
    problems: list[AccountProblem] = []
    for audit in tables.audits:
        account_id = audit.integrated_account_id
        if audit.unreadable is not None:
            problems.append(_tell_unreadable(audit, tables))
            continue
        problems += [
            _tell_drift(audit, finding, tables)
            for finding in find_told(audit.findings)
            if finding.kind != "group_types_unmapped"
        ]
        problems += [
            tables.problem(
                account_id,
                f"The filter `{told.parameter}` of the settings seems to be ignored.",
                told.message,
                since=audit.observed_at,
                details={"path": told.parameter, "change": f"filter {told.kind}"},
            )
            for told in audit.told_filters
        ]
    united = find_common_drift(
        {
            audit.integrated_account_id: [f for f in audit.findings if not f.is_permission_lost]
            for audit in tables.audits
        },
        integrations={audit.integrated_account_id: audit.integration for audit in tables.audits},
    )
    return CheckVerdict(
        _key("no_unaccepted_drift"),
        _WARN,
        problems,
        pending=tables.pending if problems else (),
        passed_text="Every account looks like what was accepted.",
        failed_text="Different from what was accepted",
        at_once=[one.message for one in united if one.severity != "information"],
        see_all=_SEE_DRIFT,
    )


def _tell_unreadable(audit: LastAudit, tables: _Tables) -> AccountProblem:
    return tables.problem(
        audit.integrated_account_id,
        "What its last audit found cannot be read.",
        "A later version or another program wrote it. Use that version; or delete the account's "
        "row of this run from `account_shapes`, and sync the account.",
        since=audit.observed_at,
        details={"run": audit.run_id, "why": audit.unreadable},
    )


def _tell_drift(audit: LastAudit, finding: Finding, tables: _Tables) -> AccountProblem:
    account_id = audit.integrated_account_id
    standing = tables.find_standing(audit, finding.kind, finding.path)
    return tables.problem(
        account_id,
        finding.message,
        finding.advice,
        since=standing.since,
        is_curable=not finding.is_permission_lost,
        details={
            "path": finding.path,
            "change": "permission lost" if finding.is_permission_lost else finding.kind,
            "was": finding.was or "nothing",
            "now": finding.now,
            "whose": ATTRIBUTION_TEXTS[standing.attributed_to],
            "example": audit.examples.get(finding.path),
        },
    )


def _judge_freshness(session: Session, tables: _Tables) -> CheckVerdict:
    stale = find_stale_accounts(tables.accounts, max_age_of=session.max_age_of, now=session.clock())
    is_error = any(found.account.is_active for found in stale)
    return CheckVerdict(
        _key("every_account_is_fresh"),
        _ERROR if is_error else _WARN,
        [
            tables.problem(
                found.account.id,
                _say_stale(found),
                found.advice,
                since=found.account.last_confirmed_at or found.account.first_listed_at,
                details={
                    "status": found.account.status,
                    "age": say_duration(found.age),
                    "max_age": say_duration(found.max_age),
                },
            )
            for found in stale
        ],
        passed_text="Every account was confirmed recently enough.",
        failed_text="Stale",
        see_all="`truto-groups status --state stale`",
    )


def _say_stale(found: StaleAccount) -> str:
    verb = "Never confirmed" if found.account.last_confirmed_at is None else "Not confirmed"
    return f"{verb} for {say_duration(found.age)}; allowed are {say_duration(found.max_age)}."


def _judge_uniqueness(session: Session, tables: _Tables) -> CheckVerdict:
    del session
    return CheckVerdict(
        _key("ids_are_unique"),
        _ERROR,
        [
            tables.problem(
                found.integrated_account_id,
                f"{found.row_count:,} rows have the id {found.id}.",
                "Something else wrote to the table. Materialize groups for this account.",
                details={"id": found.id, "rows": found.row_count},
            )
            for found in find_duplicate_ids(tables.connection)
        ],
        passed_text="No two rows of an account share an id.",
        failed_text="Ids that more than one row has",
    )


def _judge_counts(session: Session, tables: _Tables) -> CheckVerdict:
    del session
    audits = [audit for audit in tables.audits if audit.volume != "ok"]
    is_held_back = any(not audit.is_published for audit in audits)
    return CheckVerdict(
        _key("group_counts_are_plausible"),
        _ERROR if is_held_back else _WARN,
        [
            tables.problem(
                audit.integrated_account_id,
                f"{_state(audit)}: {audit.volume_reason}",
                GRANT_ADVICE if audit.is_permission_lost else _LOOK_AT_SOURCE,
                since=tables.find_standing(audit, "volume", "").since,
                is_curable=not audit.is_permission_lost,
            )
            for audit in audits
        ],
        pending=tables.pending if audits else (),
        passed_text="Every account has about as many groups as it used to.",
        failed_text="An implausible number of groups",
        see_all=_SEE_DRIFT,
    )


def _judge_breakdown(session: Session, tables: _Tables) -> CheckVerdict:
    del session
    return CheckVerdict(
        dg.AssetCheckKey(BREAKDOWN, "breakdown_adds_up"),
        _ERROR,
        [
            tables.problem(
                found.integrated_account_id,
                f"{found.broken_down_count:,} groups are broken down, {found.group_count:,} are "
                "there.",
                "Materialize group_type_breakdown for this account: it is counted anew.",
                details={"groups": found.group_count, "broken_down": found.broken_down_count},
            )
            for found in find_wrong_breakdowns(tables.connection)
        ],
        passed_text="Every breakdown adds up to its account's groups.",
        failed_text="A breakdown that does not add up",
    )


def _judge_privileged(session: Session, tables: _Tables) -> CheckVerdict:
    del session
    waiting = read_unreviewed(tables.connection)
    return CheckVerdict(
        _key("privileged_changes_are_reviewed"),
        _WARN,
        [
            tables.problem(
                one.integrated_account_id,
                say_privileged_change(one, is_private=one.integrated_account_id in tables.private)
                + ".",
                _REVIEW,
                since=one.changed_at,
                details={"group": one.id, "rule": one.matched_rules},
            )
            for one in waiting
        ],
        unreviewed=waiting,
        passed_text="Every group that became privileged was reviewed.",
        failed_text="Privileged groups that nobody has reviewed",
        see_all="the table `privileged_group_changes`",
    )


def _key(name: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(GROUPS, name)


def _state(audit: LastAudit) -> str:
    return "Published" if audit.is_published else "Held back"


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
    (
        dg.AssetCheckSpec(
            "privileged_changes_are_reviewed",
            asset=GROUPS,
            description="Every group that was created as, renamed into or retyped to what the "
            "rules call privileged (admin, owner, root, break glass, and what the settings add) "
            "was reviewed by a person. Look at it in the app, then mark it as reviewed.",
        ),
        _judge_privileged,
    ),
]

CHECK_SPECS = [spec for spec, _ in _JUDGES]
TIME_ALONE = [dg.AssetCheckKey(GROUPS, "every_account_is_fresh")]
"""The checks that time alone can turn red."""


def evaluate_checks(
    session: Session,
    selected: Collection[dg.AssetCheckKey],
    *,
    location: str = DEFAULT_LOCATION,
) -> list[dg.AssetCheckResult]:
    """Evaluate the selected checks on what is committed now.

    Args:
        session: What to work with.
        selected: The checks.
        location: The code location whose launchpad is linked.

    Raises:
        DatabaseError: The tables cannot be read.
    """
    with session.database.reading() as connection:
        tables = _Tables(connection, session)
        verdicts = [judge(session, tables) for spec, judge in _JUDGES if spec.key in selected]
        if is_on():
            _observe(session, tables.accounts)
    return [lay_out(verdict, location=location) for verdict in verdicts]


def _observe(session: Session, accounts: Sequence[KnownAccount]) -> None:
    now = session.clock()
    stale = find_stale_accounts(accounts, max_age_of=session.max_age_of, now=now)
    observe_accounts(
        count_states(accounts, stale),
        lag_seconds=find_lag_seconds(accounts, max_age_of=session.max_age_of, now=now),
    )
