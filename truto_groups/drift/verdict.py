"""Judge a complete sync before it is published: does it fit the contract, is its size plausible?

Pure: what was landed and what the account looked like before in, a verdict out. What a difference
means is drift/'s; what follows from the verdict is the warehouse's.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from truto_groups.drift.audit import PastSync, audit
from truto_groups.drift.findings import GRANT_ADVICE, Finding, malformed
from truto_groups.drift.permission import LostPermission, explain_fall
from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import LandedCounts, Shape
from truto_groups.drift.volume import VolumeVerdict, plausible_count
from truto_groups.settings import AccountSettings

PERMISSION_LOST = "permission_lost"
"""The kind of a sync that is held back because a lost permission explains what is missing."""

_TOLD_IN_A_REASON = 5


@dataclass(frozen=True)
class LandedAccount:
    """What was landed for one account.

    Attributes:
        counts: Counts over all records, copies of an id included.
        group_count: Groups, each id once.
        records_digest: Digest of the records that are kept, order aside.
        repeated_field_count: Records that have two fields of one name.
    """

    counts: LandedCounts
    group_count: int
    records_digest: str
    repeated_field_count: int = 0


@dataclass(frozen=True)
class KnownShapes:
    """What an account looked like before.

    Attributes:
        baseline: What a person accepted, or its first published sync; None before that.
        history: The newest published syncs, oldest first.
    """

    baseline: Shape | None = None
    history: Sequence[PastSync] = ()


@dataclass(frozen=True)
class Verdict:
    """What the audit says of a sync.

    Attributes:
        shape: What the sync looked like.
        findings: What changed against the baseline, the worst first.
        volume: Whether the number of groups is plausible.
    """

    shape: Shape
    findings: Sequence[Finding]
    volume: VolumeVerdict

    @property
    def breaking(self) -> list[Finding]:
        """The findings that would make rows wrong."""
        return [finding for finding in self.findings if finding.severity == "breaking"]

    @property
    def hold_back_kind(self) -> str | None:
        """Why the sync is held back, in a word; None when it may be published."""
        if self.breaking:
            return "contract_broken"
        if self.volume.outcome != "hold_back":
            return None
        return PERMISSION_LOST if self.volume.is_permission_lost else "implausible_count"

    @property
    def hold_back_reason(self) -> str | None:
        """Why the sync is held back and what to do; None when it may be published."""
        if self.hold_back_kind is None:
            return None
        told = [finding.message for finding in self.breaking[:_TOLD_IN_A_REASON]]
        if len(self.breaking) > len(told):
            told.append(f"And {len(self.breaking) - len(told)} more.")
        if self.volume.outcome == "hold_back":
            told.append(self.volume.reason)
        rows = "The rows published before stay" if self.volume.usual else "No rows are published"
        told.append(f"{rows}, and this sync's records wait in held_back_groups.")
        if self.hold_back_kind == PERMISSION_LOST:
            told.append(
                f"{GRANT_ADVICE} Only if the groups are really gone, launch the job accept_drift "
                "for the account."
            )
        else:
            told.append(
                "If they are right, launch the job accept_drift for the account; else mend the "
                "source and sync again."
            )
        return " ".join(told)


def judge(
    landed: LandedAccount,
    structures: Iterable[tuple[str, int]],
    *,
    settings: AccountSettings,
    known: KnownShapes,
    count_history: Sequence[int],
    permission: LostPermission | None = None,
    retyped: Collection[str | None] = (),
) -> Verdict:
    """Judge one account's sync.

    Args:
        landed: What was landed.
        structures: Distinct JSON structures of its records, with how many records have each.
        settings: What holds for the account.
        known: What it looked like before.
        count_history: Groups at its latest confirmed syncs, oldest first.
        permission: A permission that it lost since then.
        retyped: Types, as received, of published groups that are still there; None: no type.
    """
    shape = shape_of(structures, landed.counts)
    findings = audit(
        shape,
        baseline=known.baseline,
        history=known.history,
        unmapped_limit=settings.unmapped_limit,
    )
    if landed.repeated_field_count:
        reason = f"{landed.repeated_field_count:,} records with two fields of one name"
        findings = [malformed(reason), *findings]
    volume = plausible_count(
        landed.group_count,
        history=count_history,
        max_fall=settings.volume.max_fall,
        max_rise=settings.volume.max_rise,
        hold_back=settings.volume.hold_back,
    )
    if permission is not None:
        last = known.history[-1].shape.counts if known.history else None
        volume = explain_fall(
            volume,
            permission,
            before=last,
            now=landed.counts,
            retyped=retyped,
            hold_back=settings.volume.hold_back,
        )
    return Verdict(shape, findings, volume)
