"""A permission that an account lost: what it hides is neither deleted nor drift.

Pure. That Truto was refused is known from its listing and from our own attempts; what follows for a
count is said here, what follows for fields by the view account_drift.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from truto_groups.drift.shape import LandedCounts
from truto_groups.drift.volume import VolumeVerdict

_NO_TYPE = "no type"


@dataclass(frozen=True)
class LostPermission:
    """A refusal (403) that stands: it came after all was well the last time.

    Attributes:
        call: What was refused, such as ``groups list``.
        scopes: The scopes that are missing, as text; None when nobody said.
        since: Aware UTC instant of the refusal.
    """

    call: str
    scopes: str | None
    since: datetime

    @property
    def words(self) -> str:
        """What is missing and since when; the view account_drift says it alike."""
        what = f"scope {self.scopes} is missing" if self.scopes else f"{self.call} is forbidden"
        return f"{what}, since {self.since:%Y-%m-%d %H:%M} UTC"


def explain_fall(
    volume: VolumeVerdict,
    permission: LostPermission,
    *,
    before: LandedCounts | None,
    now: LandedCounts,
    retyped: Collection[str | None],
    hold_back: bool,
) -> VolumeVerdict:
    """Judge a number of groups anew, knowing that a permission is lost.

    A fall that is not plausible, or one with which all groups of a type are gone, however few they
    were, is held back.

    Args:
        volume: As judged by the account's history.
        permission: What was lost.
        before: Counts of the last published sync; None when there is none.
        now: Counts of this sync.
        retyped: Types, as received, of published groups that are still there; None: no type.
        hold_back: Whether what is not plausible is held back; else it publishes and warns.
    """
    if volume.usual is None:
        return volume
    gone = _find_gone_types(before, now, retyped=retyped)
    is_fall = volume.observed < volume.usual
    if not gone and (volume.outcome == "ok" or not is_fall):
        return volume
    told = volume.reason or f"{volume.observed:,} groups instead of {volume.usual:,}."
    types = f" All groups of {', '.join(gone)} are gone." if gone else ""
    return replace(
        volume,
        outcome="hold_back" if hold_back else "warn",
        reason=f"{told}{types} Permission lost: {permission.words}.",
        is_permission_lost=True,
    )


def _find_gone_types(
    before: LandedCounts | None, now: LandedCounts, *, retyped: Collection[str | None]
) -> list[str]:
    """Find the types of which there were groups, and none is there now, in words."""
    if before is None:
        return []
    has = {*_count_types(now), *map(_say_type, retyped)}
    return [name for name in _count_types(before) if name not in has]


def _say_type(name: str | None) -> str:
    return _NO_TYPE if name is None else f"type {name.casefold()}"


def _count_types(counts: LandedCounts) -> Mapping[str, int]:
    types = {_say_type(name): n for name, n in counts.group_types.items() if n}
    untyped = counts.record_count - sum(counts.group_types.values())
    return types | ({_NO_TYPE: untyped} if untyped > 0 else {})
