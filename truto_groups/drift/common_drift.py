"""The same drift in many accounts of one integration, told once.

When Truto changes a mapping or a vendor its API, every account of the integration drifts at the
same time. One line says so; and many small accounts together can show what none of them could
alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from truto_groups.drift.findings import SEVERITIES, TITLES, Finding, FindingKind, Severity, worst
from truto_groups.drift.probability import SURPRISING, Count, chance_of

SMALLEST_MANY = 3
"""From so many accounts on it is not their own affair."""

_SMALLEST_SHARE = 0.2


@dataclass(frozen=True)
class CommonDrift:
    """One drift that hit several accounts of an integration.

    Attributes:
        integration: Slug of the integration.
        kind: What kind of change.
        path: Where.
        severity: The worst of all; ``warning`` where the accounts together show what none shows.
        integrated_account_ids: The accounts, in order.
        account_count: How many of the integration's accounts were judged.
        record_count: Records that it concerns, over all these accounts.
        was: What it was, in words, of the account that it concerns most.
        now: What it is, likewise.
    """

    integration: str
    kind: FindingKind
    path: str
    severity: Severity
    integrated_account_ids: tuple[str, ...]
    account_count: int
    record_count: int
    was: str
    now: str

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        return (
            f"{len(self.integrated_account_ids):,} of {self.account_count:,} accounts of"
            f" {self.integration} at once: {TITLES[self.kind]}"
            f" {f'`{self.path}`' if self.path else 'a record'},"
            f" was {self.was or 'nothing'}, is {self.now}."
            " The vendor changed its API, or Truto its mapping."
        )


def find_common_drift(
    findings: Mapping[str, Sequence[Finding]], *, integrations: Mapping[str, str]
) -> list[CommonDrift]:
    """Find the drift that hit many accounts of one integration.

    Args:
        findings: Every judged account's findings, by integrated account id; empty for none.
        integrations: Integrated account id to the slug of its integration.

    Returns:
        What at least ``SMALLEST_MANY`` accounts and a fifth of their integration share and what is
        a warning in one of them or in all together; the worst first, then what concerns most
        groups.
    """
    members: dict[str, int] = {}
    alike: dict[tuple[str, FindingKind, str], dict[str, Finding]] = {}
    for account, found in findings.items():
        integration = integrations[account]
        members[integration] = members.get(integration, 0) + 1
        for finding in found:
            alike.setdefault((integration, finding.kind, finding.path), {})[account] = finding
    united: list[CommonDrift] = []
    for (integration, kind, path), hit in alike.items():
        if len(hit) < SMALLEST_MANY or len(hit) < _SMALLEST_SHARE * members[integration]:
            continue
        severity = _severity_together(list(hit.values()))
        if severity == "information":
            continue
        most = max(hit.values(), key=lambda finding: finding.record_count)
        united.append(
            CommonDrift(
                integration=integration,
                kind=kind,
                path=path,
                severity=severity,
                integrated_account_ids=tuple(sorted(hit)),
                account_count=members[integration],
                record_count=sum(finding.record_count for finding in hit.values()),
                was=most.was,
                now=most.now,
            )
        )
    return sorted(
        united,
        key=lambda drift: (
            SEVERITIES.index(drift.severity),
            drift.kind == "field_added",
            -drift.record_count,
            -len(drift.integrated_account_ids),
            drift.integration,
            drift.path,
        ),
    )


def _severity_together(findings: Sequence[Finding]) -> Severity:
    worst_of_all = worst(findings)
    if worst_of_all != "information":
        return worst_of_all or "information"
    judged = [finding for finding in findings if finding.chance > 0]
    was = Count(sum(f.was_count for f in judged), sum(f.was_of for f in judged))
    now = Count(sum(_count_now(f) for f in judged), sum(f.of for f in judged))
    return "warning" if chance_of(now, reference=was) < SURPRISING else "information"


def _count_now(finding: Finding) -> int:
    """How many have now what ``was_count`` counted before."""
    return 0 if finding.kind == "field_gone" else finding.record_count
