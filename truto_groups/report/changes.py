"""What changed in groups, in words: by name, a few of many, and never a private account's.

Pure: rows of group_changes in, Markdown out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from truto_groups.text.visible import show_in_markdown
from truto_groups.text.words import cut_at_word, shorten_words

_MAX_NAME: Final = 60
_LONGEST_WORD: Final = 32
_VERBS: Final = ("added", "removed", "renamed", "retyped", "changed")


@dataclass(frozen=True, slots=True)
class ChangedGroup:
    """A row of group_changes.

    Attributes:
        id: The group's id.
        change: added, removed or changed.
        hint: renamed, retyped, recreated, id_reused, or None.
        name: Its name after the change; before it for a removed group.
        changed_fields: Field to its values before and after.
    """

    id: str
    change: str
    hint: str | None
    name: str | None
    changed_fields: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])

    @property
    def verb(self) -> str:
        """What happened to it, in one word of ``_VERBS``."""
        if self.change == "changed" and self.hint in ("renamed", "retyped"):
            return self.hint
        return self.change


@dataclass(frozen=True, slots=True)
class ChangedAccount:
    """What changed in an account lately.

    Attributes:
        integrated_account_id: The account.
        partition_key: How people name it.
        label: What its tenant called it, or None.
        counts: How many groups of it were added, removed, renamed, retyped or otherwise changed.
        examples: Some of them.
        last_changed_at: When the latest change was published.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    counts: Mapping[str, int]
    examples: Sequence[ChangedGroup]
    last_changed_at: datetime


def say_counts(counts: Mapping[str, int]) -> str:
    """Say how many changed how: ``3 added, 1 renamed``."""
    return ", ".join(f"{counts[verb]:,} {verb}" for verb in _VERBS if counts.get(verb))


def sum_counts(changes: Sequence[ChangedAccount]) -> Mapping[str, int]:
    """How many changed how in all accounts together."""
    found: Counter[str] = Counter({verb: 0 for verb in _VERBS})
    for one in changes:
        found.update(one.counts)
    return dict(found)


def say_change(one: ChangedGroup) -> str:
    """Say what became of a group, as Markdown: ``renamed *Ops* → *Operations*``."""
    name = _say_name(one.name, one.id)
    if one.verb == "renamed":
        before, _ = one.changed_fields["name"]
        return f"renamed {_say_name(before, one.id)} → {name}"
    if one.verb == "retyped" and "group_type" in one.changed_fields:
        before, after = (
            show_in_markdown(str(t or "none")) for t in one.changed_fields["group_type"]
        )
        return f"retyped {name}: {before} → {after}"
    told = f"{one.verb} {name}"
    if one.hint == "recreated":
        return f"{told} (made anew)"
    if one.verb == "changed":
        fields = show_in_markdown(", ".join(one.changed_fields))
        other = " (another group has its id)" if one.hint == "id_reused" else ""
        return f"{told}{other}: {fields}"
    return told


def say_changes(
    counts: Mapping[str, int], examples: Sequence[ChangedGroup], *, most: int, is_private: bool
) -> str:
    """Say what changed in an account: how many, and of some what; as Markdown."""
    if is_private or not examples:
        return say_counts(counts)
    told = "; ".join(say_change(one) for one in examples[:most])
    more = sum(counts.values()) - min(most, len(examples))
    return f"{say_counts(counts)}: {told}{f'; and {more:,} more' if more > 0 else ''}"


def _say_name(name: object, group_id: str) -> str:
    text = str(name).strip() if name is not None else ""
    if not text:
        return f"the group {show_in_markdown(shorten_words(group_id, _LONGEST_WORD))}"
    return f"*{show_in_markdown(shorten_words(cut_at_word(text, _MAX_NAME), _LONGEST_WORD))}*"
