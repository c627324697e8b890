"""Whose change a drift was: the vendor's, Truto's mapping's, our own, or nobody can tell.

Only what changed at the same time can be the cause; where two things did, the answer is that it
cannot be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from truto_groups.drift.findings import Finding

Attribution = Literal["vendor", "truto_mapping", "our_normalization", "our_settings", "unknown"]

ATTRIBUTION_TEXTS: dict[Attribution, str] = {
    "vendor": "The vendor's own data changed.",
    "truto_mapping": "Truto's mapping changed at the same time.",
    "our_normalization": "Our own reading of the records changed with this version.",
    "our_settings": "Our settings for the account changed at the same time.",
    "unknown": "It cannot be told whether the vendor or Truto's mapping changed.",
}

# What our own reading decides; the JSON that arrived is nobody's doing here.
_READ_BY_US = frozenset({"instants_unreadable", "group_types_unmapped", "id_missing"})


@dataclass(frozen=True)
class Circumstances:
    """What else changed between the baseline and this sync.

    Attributes:
        is_meta_changed: What Truto's ``meta`` declares for the integration.
        is_override_changed: The account's own override of the mapping.
        is_normalization_changed: The version of our normalization.
        is_settings_changed: What the account's settings ask for: its query, or `complete`.
    """

    is_meta_changed: bool = False
    is_override_changed: bool = False
    is_normalization_changed: bool = False
    is_settings_changed: bool = False


def attribute(
    finding: Finding, circumstances: Circumstances, *, others: Sequence[Finding] = ()
) -> Attribution:
    """Tell whose change a finding is.

    Args:
        finding: The drift.
        circumstances: What else changed at the same time.
        others: All findings of the same audit. The vendor's own record is in ``remote_data``; when
            it drifted too and no mapping changed, the unified fields followed it.

    Returns:
        The one cause that fits, or "unknown".
    """
    candidates: set[Attribution] = set()
    if circumstances.is_settings_changed:
        candidates.add("our_settings")
    if is_inside_remote_data(finding):
        # No mapping touches what is inside remote_data; only a query decides whether it comes.
        return "unknown" if candidates else "vendor"
    if circumstances.is_meta_changed or circumstances.is_override_changed:
        candidates.add("truto_mapping")
    if circumstances.is_normalization_changed and finding.kind in _READ_BY_US:
        candidates.add("our_normalization")
    if len(candidates) == 1:
        return candidates.pop()
    if not candidates and any(is_inside_remote_data(other) for other in others):
        return "vendor"
    return "unknown"


def is_inside_remote_data(finding: Finding) -> bool:
    """Whether a finding is about the vendor's own record."""
    return len(finding.steps) > 1 and finding.steps[0] == "remote_data"
