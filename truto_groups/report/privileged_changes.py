"""What waits for an access review, in words, and the command that marks it as reviewed.

What marking does is sync/access_review.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UnreviewedChange:
    """A group that became privileged, and that no person has reviewed.

    Attributes:
        integrated_account_id: Its account.
        partition_key: How people name that.
        label: What its tenant called it, or None.
        integration: The app's kind.
        tenant_id: The customer.
        id: The group.
        change: created, renamed or retyped.
        name: Its name.
        name_before: Its name before; None of a new group.
        group_type: Its type, as received.
        group_type_before: Its type before, as received.
        matched_rules: The rules that call it privileged.
        changed_at: When that was published.
        run_id: By which run.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    integration: str
    tenant_id: str | None
    id: str
    change: str
    name: str | None
    name_before: str | None
    group_type: str | None
    group_type_before: str | None
    matched_rules: str
    changed_at: datetime
    run_id: str


def say_privileged_change(one: UnreviewedChange, *, is_private: bool = False) -> str:
    """Say what happened to a group and which rule calls it privileged.

    Args:
        one: The change.
        is_private: Whether no value of its account may be shown: its id stands for its name.
    """
    if is_private:
        return f"group {one.id} was {one.change} (rule: {one.matched_rules})"
    was = {
        "renamed": f"{_quote(one.name_before)} was renamed to {_quote(one.name)}",
        "retyped": f"{_quote(one.name)} was retyped: {_quote(one.group_type_before)} to "
        f"{_quote(one.group_type)}",
    }.get(one.change, f"{_quote(one.name)} was created")
    return f"{was} (rule: {one.matched_rules})"


def review_command(partition_keys: Sequence[str], *, until: datetime) -> str:
    """The command that marks what was shown as reviewed, to paste."""
    names = " ".join(partition_keys)
    return f'truto-groups review --account {names} --until {until.isoformat()} --reason "…"'


def _quote(text: str | None) -> str:
    return "nothing" if text is None else f"\u201c{text}\u201d"
