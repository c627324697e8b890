"""How a check's verdict is laid out: a sentence, a narrow table with links, then the details.

The UI renders a result's description as Markdown at the top of the check's page, and of its
metadata only plain values: Markdown and JSON are a click away there. The page grows as wide as
its longest word. What is wrong with which account is checks.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

import dagster as dg

from truto_groups.defs.launchpad_links import (
    MAX_ACCOUNTS,
    address_acceptance,
    address_review,
    configure_acceptance,
    configure_review,
)
from truto_groups.defs.metadata import link_account
from truto_groups.report.markdown import Cell, Link, draw_table, say_instant
from truto_groups.report.pending import PendingAcceptance, is_acceptable
from truto_groups.report.privileged_changes import UnreviewedChange
from truto_groups.sync.waiting import digest_of
from truto_groups.text.visible import read_out_markdown, show, show_in_markdown
from truto_groups.text.words import cut_at_word, cut_in_middle, name_some, say_count, shorten_words

_NAMED_IN_A_SENTENCE: Final = 5
_TOLD_AT_ONCE: Final = 3
_MAX_ACCOUNTS: Final = 20
_MAX_DETAILS: Final = 200
_MAX_PLAIN: Final = 500
_MAX_WHAT: Final = 160
_MAX_ADVICE: Final = 320
_LETTERS_BESIDE: Final = 84
"""As many letters of the longest words of account, what and do fit beside the list of checks."""
_LONGEST_WORD: Final = 32
_SHORTEST_LIMIT: Final = 12

_SEE_PLAIN = "`what_to_do` below, or the command `truto-groups status`."


@dataclass(frozen=True, slots=True)
class AccountProblem:
    """One thing that is wrong with an account.

    Attributes:
        partition_key: How people name the account; its id when it is not known.
        label: What its tenant called it, or None.
        what: What is wrong, in a sentence.
        advice: What to do.
        since: Since when, or None where that is not known.
        is_curable: Whether accepting what the account sends makes it right.
        details: What else is known, by name, in the order in which it is shown.
    """

    partition_key: str
    label: str | None
    what: str
    advice: str
    since: datetime | None = None
    is_curable: bool = False
    details: Mapping[str, Cell] = field(default_factory=dict[str, Cell])


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What a check found.

    Attributes:
        check: The check.
        severity: How bad it is.
        problems: What is wrong, account by account; empty when the check passes.
        passed_text: What a check that passes says.
        failed_text: What one that fails begins with.
        pending: What waits for a person to accept it.
        unreviewed: What waits for a person to review it, the newest first.
        at_once: What concerns many accounts at once, told before all else.
        see_all: How to see all accounts where not all are shown, as Markdown.
    """

    check: dg.AssetCheckKey
    severity: dg.AssetCheckSeverity
    problems: Sequence[AccountProblem]
    passed_text: str
    failed_text: str
    pending: Sequence[PendingAcceptance] = ()
    unreviewed: Sequence[UnreviewedChange] = ()
    at_once: Sequence[str] = ()
    see_all: str = _SEE_PLAIN


def lay_out(verdict: CheckVerdict, *, location: str) -> dg.AssetCheckResult:
    """Lay out what a check found.

    Args:
        verdict: What it found.
        location: The code location whose launchpad is linked.
    """
    by_account: dict[str, list[AccountProblem]] = {}
    for problem in verdict.problems:
        by_account.setdefault(problem.partition_key, []).append(problem)
    acceptable = _find_acceptable(verdict)
    metadata: dict[str, Any] = {}
    if acceptable:
        metadata |= _describe_acceptance(list(acceptable.values()), location=location)
    if any(problem.details for problem in verdict.problems):
        metadata["details"] = dg.MetadataValue.md(_draw_details(verdict.problems))
    metadata["failing_accounts"] = len(by_account)
    if verdict.unreviewed:
        metadata["to_review"] = dg.MetadataValue.json(configure_review(verdict.unreviewed))
        metadata["unreviewed_changes"] = len(verdict.unreviewed)
    if by_account:
        metadata["what_to_do"] = dg.MetadataValue.json(_tell_plainly(verdict.problems))
    return dg.AssetCheckResult(
        check_name=verdict.check.name,
        asset_key=verdict.check.asset_key,
        passed=not by_account,
        severity=verdict.severity,
        description=_describe(verdict, by_account, acceptable, location=location),
        metadata=metadata,
    )


def say_headline(description: str) -> str:
    """What a check says in its first sentence, as plain text for where no Markdown is shown."""
    return read_out_markdown(description.partition("\n\n")[0])


def _find_acceptable(verdict: CheckVerdict) -> dict[str, PendingAcceptance]:
    """What accepting would make right, by partition key, in the order of the problems."""
    waiting = {one.partition_key: one for one in verdict.pending if is_acceptable(one)}
    curable = (one.partition_key for one in verdict.problems if one.is_curable)
    return {key: waiting[key] for key in curable if key in waiting}


def _describe(
    verdict: CheckVerdict,
    by_account: Mapping[str, Sequence[AccountProblem]],
    acceptable: Mapping[str, PendingAcceptance],
    *,
    location: str,
) -> str:
    if not by_account:
        return verdict.passed_text
    parts = [show_in_markdown(_say(verdict, list(by_account)))]
    if len(acceptable) > 1:
        first = list(acceptable.values())[:MAX_ACCOUNTS]
        which = "these" if len(first) == len(acceptable) else "the first"
        address = address_acceptance(first, location=location)
        link = f"[accept {which} {len(first):,}]({address})"
        parts.append(f"If what they send now is right: {link}, in the launchpad.")
    if verdict.unreviewed:
        address = address_review(verdict.unreviewed, location=location)
        parts.append(f"If it is right: [mark what is shown as reviewed]({address}).")
    has_since = any(one.since for one in verdict.problems)
    columns = ("account", "what", *(("since",) if has_since else ()), "do")
    shown = dict(islice(by_account.items(), _MAX_ACCOUNTS))
    longest = max(len(part) for key in shown for part in key.split("-"))
    room = max(_SHORTEST_LIMIT, min(_LONGEST_WORD, (_LETTERS_BESIDE - longest) // 2))
    rows = (
        _row(problems, acceptable.get(key), has_since=has_since, room=room, location=location)
        for key, problems in shown.items()
    )
    parts.append(
        draw_table(
            columns, rows, count=len(by_account), most=_MAX_ACCOUNTS, see_all=verdict.see_all
        )
    )
    return "\n\n".join(parts)


def _say(verdict: CheckVerdict, partition_keys: Sequence[str]) -> str:
    named = name_some(partition_keys, most=_NAMED_IN_A_SENTENCE)
    at_once = [shorten_words(one, _LONGEST_WORD) for one in verdict.at_once[:_TOLD_AT_ONCE]]
    if len(verdict.at_once) > _TOLD_AT_ONCE:
        at_once.append(f"And {len(verdict.at_once) - _TOLD_AT_ONCE} more such.")
    failed = f"{verdict.failed_text}: {say_count(len(partition_keys), 'account')} ({named})."
    return " ".join([*at_once, failed])


def _row(
    problems: Sequence[AccountProblem],
    acceptable: PendingAcceptance | None,
    *,
    has_since: bool,
    room: int,
    location: str,
) -> list[Cell]:
    """One row of an account, by the first of its problems; the others are counted.

    Args:
        problems: The account's.
        acceptable: What accepting would do, where that makes it right.
        has_since: Whether there is a column for it.
        room: Letters of the longest word.
        location: The code location whose launchpad is linked.
    """
    first, others = problems[0], len(problems) - 1
    what = shorten_words(cut_at_word(first.what, _MAX_WHAT), room)
    if others:
        what += f" And {others:,} more: see details."
    do: list[str | Link] = [shorten_words(cut_in_middle(first.advice, _MAX_ADVICE), room)]
    if acceptable is not None:
        address = address_acceptance([acceptable], location=location)
        do += ["If it is right:", Link("accept it", address)]
    since = min((one.since for one in problems if one.since), default=None)
    return [
        link_account(first.partition_key, first.label),
        what,
        *((since,) if has_since else ()),
        do,
    ]


def _describe_acceptance(
    pending: Sequence[PendingAcceptance], *, location: str
) -> Mapping[str, Any]:
    """What accepting would do, and the ways to do it, for as many as one address takes."""
    first = pending[:MAX_ACCOUNTS]
    table = draw_table(
        ("account", "state", "groups", "added", "removed", "changed", "changes told"),
        (
            (
                link_account(one.partition_key, None),
                "published" if one.is_published else "held back",
                one.group_count,
                one.would_add,
                one.would_remove,
                one.would_change,
                len(one.findings),
            )
            for one in first
        ),
        count=len(pending),
        most=MAX_ACCOUNTS,
        see_all="`truto-groups accept` shows all.",
    )
    address = address_acceptance(first, location=location)
    return {
        "accept": dg.MetadataValue.md(
            f"[Open the launchpad of accept\\_drift, filled in]({address}): give reason and name, "
            "and leave out accounts that are not right, and the digest with them. Accepting "
            f"publishes what is held back, and makes this the baseline:\n\n{table}"
        ),
        "digest": digest_of(first),
        "to_accept": dg.MetadataValue.json(configure_acceptance(first)),
    }


def _draw_details(problems: Sequence[AccountProblem]) -> str:
    """A row for each problem, with what is known of it beyond the narrow table."""
    names = list(dict.fromkeys(name for one in problems for name in one.details))
    rows = (
        [link_account(one.partition_key, one.label), *(one.details.get(name) for name in names)]
        for one in problems
    )
    return draw_table(
        ("account", *names),
        rows,
        count=len(problems),
        most=_MAX_DETAILS,
        see_all="the view `account_drift`, and `what_to_do`.",
    )


def _tell_plainly(problems: Sequence[AccountProblem]) -> list[dict[str, Any]]:
    """The same for programs, whole texts; the last entry says what is left out."""
    rows: list[dict[str, Any]] = [
        {
            "account": one.partition_key,
            "label": None if one.label is None else show(one.label),
            "what": show(one.what),
            "since": None if one.since is None else one.since.isoformat(timespec="seconds"),
            "do": show(one.advice),
            **{name: _plain(value) for name, value in one.details.items()},
        }
        for one in problems[:_MAX_PLAIN]
    ]
    if len(problems) > _MAX_PLAIN:
        left_out = f"{len(problems) - _MAX_PLAIN:,} more: `truto-groups status` shows all."
        rows.append({"left_out": left_out})
    return rows


def _plain(value: Cell) -> str | int | float | None:
    if value is None or isinstance(value, int | float):
        return value
    return say_instant(value) if isinstance(value, datetime) else show(str(value))
