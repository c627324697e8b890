"""One thing that changed in what an account sends, with its severity and the words for it."""

from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["breaking", "warning", "information"]

FindingKind = Literal[
    "malformed",
    "not_an_object",
    "id_missing",
    "type_changed",
    "field_added",
    "field_gone",
    "null_share_jumped",
    "new_group_type",
    "group_types_unmapped",
    "instants_unreadable",
    "id_form_changed",
    "duplicate_ids",
    "duplicate_ids_differ",
]

SEVERITIES: tuple[Severity, ...] = ("breaking", "warning", "information")
"""The worst first."""

TITLES: dict[FindingKind, str] = {
    "malformed": "JSON cannot be read in",
    "not_an_object": "No object is",
    "id_missing": "Id is missing in",
    "type_changed": "JSON type changed of",
    "field_added": "Field was added,",
    "field_gone": "Field is gone,",
    "null_share_jumped": "Share of nulls changed of",
    "new_group_type": "New group type in",
    "group_types_unmapped": "Group types are not mapped in",
    "instants_unreadable": "Instants cannot be read in",
    "id_form_changed": "Ids changed their form in",
    "duplicate_ids": "The same id came more than once in",
    "duplicate_ids_differ": "The same id came with different contents in",
}
"""What happened, before where it did."""

ADVICE: dict[str, str] = {
    "malformed": "The last good rows stay. If it repeats, tell Truto which account and page.",
    "not_an_object": "The last good rows stay. Look at the kept records and tell Truto.",
    "id_missing": (
        "The last good rows stay. See whether the account's mapping still sets `id`; tell Truto."
    ),
    "type_changed": "See what reads this field, then accept the drift, or tell who changed it.",
    "field_added": "Nothing breaks. Accept the drift once you have seen it.",
    "field_gone": "See what reads this field; accept the drift if it is meant.",
    "null_share_jumped": "See whether the vendor or a lost permission hides it; accept if meant.",
    "new_group_type": "See whether this type should be mapped; accept the drift if it is meant.",
    "group_types_unmapped": "Map the types in Truto, or raise `unmapped_limit` in the settings.",
    "instants_unreadable": "These instants are null in the table. Tell Truto, or accept.",
    "id_form_changed": (
        "Groups may appear as removed and added anew. See whether ids were replaced, then accept."
    ),
    "duplicate_ids": "The later copy was kept. Nothing to do.",
    "duplicate_ids_differ": "The later copy was kept. See whether the id is really unique.",
}

GRANT_ADVICE = (
    "Have the tenant grant the permission again, or reconnect the account with it; the next sync "
    "then mends the rest by itself."
)
"""What a person does about a lost permission."""

_PERMISSION_TITLE = "A lost permission hides"

_BREAKING_ADVICE = (
    "The last good rows stay. Look at the kept records; accept the drift only if rows with the"
    " new type are what you want."
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed.

    Attributes:
        kind: What kind of change.
        severity: breaking holds the account back, warning is told, information is kept.
        path: Where, as people read it: ``remote_data.members[].email``; "" is the record.
        was: What it was, in words.
        now: What it is, in words.
        record_count: Records (or arrays, or entries, around the path) that it concerns now.
        of: How many could be concerned.
        was_count: The same of the reference.
        was_of: The same of the reference.
        chance: The probability of seeing this without a change; 0 where chance cannot do it.
        steps: The path, step by step, as the shape has it.
        new_types: The JSON types that were not there before, of a type that changed.
        is_permission_lost: Whether a lost permission explains it, which the words then name.
    """

    kind: FindingKind
    severity: Severity
    path: str = ""
    was: str = ""
    now: str = ""
    record_count: int = 0
    of: int = 0
    was_count: int = 0
    was_of: int = 0
    chance: float = 0.0
    steps: tuple[str, ...] = ()
    new_types: tuple[str, ...] = ()
    is_permission_lost: bool = False

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        where = f"`{self.path}`" if self.path else "a record"
        title = _PERMISSION_TITLE if self.is_permission_lost else TITLES[self.kind]
        return f"{title} {where}: was {self.was or 'nothing'}, is {self.now}."

    def hidden(self, now: str) -> "Finding":
        """The same as what a lost permission hides, which the words for what is now name."""
        severity = "warning" if self.severity == "information" else self.severity
        return msgspec.structs.replace(self, now=now, severity=severity, is_permission_lost=True)

    def without_values(self) -> "Finding":
        """The same without anything that an account sent as a value; types and counts stay."""
        if self.kind != "new_group_type":
            return self
        now = f"another in {self.record_count:,} of {self.of:,}"
        return msgspec.structs.replace(self, was="other types", now=now)

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.is_permission_lost:
            return GRANT_ADVICE
        if self.kind == "type_changed" and self.severity == "breaking":
            return _BREAKING_ADVICE
        return ADVICE[self.kind]


def malformed(reason: str) -> Finding:
    """The finding for an answer that no JSON parser can read whole."""
    return Finding(kind="malformed", severity="breaking", was="JSON", now=reason)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity of all; None when there is no finding."""
    found = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in found), None)


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, then by path."""
    return sorted(findings, key=lambda f: (rank(f), f.path, f.kind, f.now))


def rank(finding: Finding) -> tuple[int, bool, int]:
    """How bad a finding is, to sort by: the lower, the worse.

    By severity; what was only added breaks nothing and comes last of it; then by the groups that it
    concerns.
    """
    is_added = finding.kind == "field_added"
    return SEVERITIES.index(finding.severity), is_added, -finding.record_count


def findings_to_json(findings: Iterable[Finding]) -> str:
    """Findings as JSON text."""
    return msgspec.json.encode(list(findings)).decode()


def findings_from_json(text: str | bytes) -> list[Finding]:
    """Read what ``findings_to_json`` wrote."""
    return msgspec.json.decode(text, type=list[Finding])
