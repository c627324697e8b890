"""What waits for a person to accept it: what accepting would do, why it waits, which command.

What accepting does is sync/accept.py's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from truto_groups.drift.findings import Finding, sort_findings
from truto_groups.drift.shape import Shape
from truto_groups.text.words import say_count

_UNACCEPTABLE = frozenset({"malformed", "not_an_object", "id_missing"})
_UNMAPPED = "group_types_unmapped"


@dataclass(frozen=True)
class PendingAcceptance:
    """An account that waits for a person, and what accepting it would do.

    Attributes:
        integrated_account_id: The account.
        partition_key: How people name it.
        label: What its tenant called it, or None.
        integration: The app's kind.
        tenant_id: The customer.
        run_id: The run whose sync waits, or drifted.
        is_published: Whether that sync was published; else it is held back.
        group_count: Groups that it has.
        shape: What it looked like.
        findings: What changed against the baseline.
        volume: Whether its count is plausible.
        volume_reason: Why it is not.
        would_add: Groups that accepting would add.
        would_remove: Groups that accepting would remove.
        would_change: Groups whose record accepting would change.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    integration: str
    tenant_id: str | None
    run_id: str
    is_published: bool
    group_count: int
    shape: Shape
    findings: Sequence[Finding]
    volume: str
    volume_reason: str | None
    would_add: int
    would_remove: int
    would_change: int

    def without_values(self) -> "PendingAcceptance":
        """The same without anything that the account sent as a value."""
        return replace(self, findings=[finding.without_values() for finding in self.findings])

    @property
    def obstacle(self) -> str | None:
        """Why the account cannot be accepted: rows could not be made of what it sent."""
        for finding in self.findings:
            if finding.kind in _UNACCEPTABLE:
                return finding.message
        return None


def find_reasons(one: PendingAcceptance) -> list[str]:
    """Say why an account waits: a sentence for each thing that changed, the worst first."""
    reasons = [finding.message for finding in find_told(one.findings)]
    if one.volume != "ok" and one.volume_reason:
        reasons.insert(0, one.volume_reason)
    return reasons or ["It is held back."]


def is_acceptable(one: PendingAcceptance) -> bool:
    """Whether accepting helps: not where no rows can be made, nor where types want a mapping."""
    is_mapping = one.is_published and one.volume == "ok"
    return one.obstacle is None and not (
        is_mapping and all(finding.kind == _UNMAPPED for finding in find_told(one.findings))
    )


def advise(one: PendingAcceptance) -> str:
    """Say in a line what waits and what to do; what was held back has told the first already."""
    told = find_told(one.findings)
    if not is_acceptable(one):
        return f"{told[0].message} {told[0].advice}" if one.is_published else ""
    command = f"`{accept_command([one])}`; without --reason it shows what that would do"
    if not one.is_published:
        return f"In the shell: {command}."
    reasons = find_reasons(one)
    more = f" And {say_count(len(reasons) - 1, 'more change')}." if reasons[1:] else ""
    lost = next((finding for finding in told if finding.is_permission_lost), None)
    return f"{reasons[0]}{more} {lost.advice if lost else f'If it is right: {command}.'}"


def accept_command(pending: Sequence[PendingAcceptance]) -> str:
    """The command that accepts these accounts, to paste."""
    names = " ".join(one.partition_key for one in pending)
    return f'truto-groups accept --account {names} --reason "…"'


def find_told(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that a person is told of, the worst first."""
    return sort_findings(finding for finding in findings if finding.severity != "information")
