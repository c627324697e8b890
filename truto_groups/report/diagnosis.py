"""One page about one account: what was asked, what the vendor said, and what we make of it.

Plain values, and how they read as Markdown. Credentials are taken out before anything comes here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from truto_groups.text.visible import show_in_markdown, show_lines
from truto_groups.text.words import say_count

_SHOWN_GROUPS = 20
_LONGEST_TEXT = 300
_LONGEST_BLOCK = 20_000

Pairs = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FieldMade:
    """One field of a group: what came, and what became of it.

    Attributes:
        name: Of the unified group.
        received: Its JSON value; None where it did not come or is null.
        column: Where it goes.
        kept: What we keep.
        note: What happened on the way; empty when nothing did.
    """

    name: str
    received: object
    column: str
    kept: object
    note: str = ""


@dataclass(frozen=True, slots=True)
class GroupMade:
    """One group of the page.

    Attributes:
        title: Its name, or its id.
        remote: The vendor's own record; None where none came.
        fields: What became of each field.
    """

    title: str
    remote: object
    fields: Sequence[FieldMade]


@dataclass(frozen=True)
class Diagnosis:
    """What one page in Truto's debug format, and what is known of the account, say.

    Attributes:
        account: Whose it is: names and values, as last listed.
        at: Aware UTC instant.
        request: The address as it was sent, without the token.
        listing_count: How many listings a sync has; the first one was asked.
        status: Of the answer; None where none came.
        problem: What is wrong with the answer, and what to do; empty when nothing is.
        is_of_token: Whether that is the token's fault, and no account's.
        limits: Headers on limits, by whose they are.
        call: What Truto asked of the vendor, and what else its debug says of that.
        answer: The vendor's answer.
        error: The body of an answer that is an error.
        groups: The groups of the page, with what we make of them.
        attempts: The last attempts of the ledger, the newest first.
        findings: What drifted, in sentences with advice.
        settings: What holds for the account.
        is_private: Whether values of groups are shown as their types alone.
    """

    account: Pairs
    at: datetime
    request: str
    listing_count: int
    status: int | None
    problem: str
    is_of_token: bool
    limits: Mapping[str, str]
    call: object
    answer: object
    error: object
    groups: Sequence[GroupMade]
    attempts: Sequence[Pairs]
    findings: Sequence[str]
    settings: Pairs
    is_private: bool
    notes: Sequence[str] = field(default_factory=tuple[str, ...])


def write_diagnosis(one: Diagnosis) -> str:
    """Write a diagnosis as Markdown."""
    name = str(one.account.get("partition_key") or one.account.get("id"))
    lines = [
        f"# Diagnosis of {show_in_markdown(name)}",
        "",
        f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. One page was asked for; no table was "
        "changed. Credentials are left out.",
        "",
        *_tell_verdict(one),
        *(line for note in one.notes for line in (show_in_markdown(note), "")),
        "## The account",
        "",
        *_table(("", ""), [(key, value) for key, value in one.account.items()]),
        "## The request",
        "",
        *_block(f"GET {one.request}"),
        *(
            [
                f"A sync asks {say_count(one.listing_count, 'listing')}, because the settings give "
                "a parameter several values; this is the first one.",
                "",
            ]
            if one.listing_count > 1
            else []
        ),
        "## Limits",
        "",
        *(
            _table(("header", "value"), list(one.limits.items()))
            if one.limits
            else ["The answer has no header on limits.", ""]
        ),
    ]
    if one.error is not None:
        lines += ["## The answer", "", *_json_block(one.error)]
    if one.call is not None:
        lines += ["## What Truto asked of the vendor", "", *_json_block(one.call)]
    if one.answer is not None:
        lines += ["## What the vendor answered", "", *_json_block(one.answer)]
    lines += _tell_groups(one.groups)
    lines += ["## The last attempts", "", *_tell_rows(one.attempts, none="None yet.")]
    lines += ["## Drift", ""]
    lines += [f"- {show_in_markdown(text)}" for text in one.findings] or ["Nothing that stands."]
    lines += ["", "## Settings in force", ""]
    lines += _table(("setting", "value"), list(one.settings.items()))
    return "\n".join(lines)


def _tell_verdict(one: Diagnosis) -> list[str]:
    if one.problem:
        return [f"**{show_in_markdown(one.problem)}**", ""]
    noted = sum(any(made.note for made in group.fields) for group in one.groups)
    text = f"The answer is well formed and holds {say_count(len(one.groups), 'group')}"
    more = f"; of {noted:,} something changes on the way to our row" if noted else ""
    return [f"{text}{more}.", ""]


def _tell_groups(groups: Sequence[GroupMade]) -> list[str]:
    if not groups:
        return []
    lines = ["## From record to row", ""]
    # Those with something to see first; the order of the page otherwise.
    ranked = sorted(groups, key=lambda group: not any(made.note for made in group.fields))
    for group in ranked[:_SHOWN_GROUPS]:
        lines += [f"### {show_in_markdown(_shorten(group.title))}", ""]
        if group.remote is not None:
            lines += ["The vendor's record:", "", *_json_block(group.remote)]
        rows = [
            (made.name, _as_json(made.received), made.column, _as_json(made.kept), made.note)
            for made in group.fields
        ]
        lines += _table(("field", "received", "column", "kept", "what happened"), rows)
    left = len(groups) - _SHOWN_GROUPS
    if left > 0:
        lines += [f"{say_count(left, 'group')} more are on the page and not shown.", ""]
    return lines


def _tell_rows(rows: Sequence[Pairs], *, none: str) -> list[str]:
    if not rows:
        return [none, ""]
    header = tuple(rows[0])
    return _table(header, [tuple(row.values()) for row in rows])


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"| {' | '.join('---' for _ in header)} |",
        *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows),
        "",
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return show_in_markdown(_shorten(str(value)))


def _as_json(value: object) -> object:
    """A value as JSON, so that a text, a number and nothing can be told apart."""
    if isinstance(value, datetime):
        return value
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _json_block(value: object) -> list[str]:
    return _block(json.dumps(value, ensure_ascii=False, indent=2))


def _block(text: str) -> list[str]:
    shown = show_lines(text[:_LONGEST_BLOCK])
    cut = len(text) - _LONGEST_BLOCK
    more = [f"({cut:,} characters more are not shown.)", ""] if cut > 0 else []
    # No line of JSON, and no address, consists of accents alone.
    return ["````", shown, "````", "", *more]


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def as_types(value: Any) -> Any:
    """A JSON value with the type of each value in its place, for accounts that are private."""
    if isinstance(value, Mapping):
        return {name: as_types(one) for name, one in cast(Mapping[str, Any], value).items()}
    if isinstance(value, list):
        return [as_types(one) for one in cast(list[Any], value)]
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
