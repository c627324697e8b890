"""``truto-groups accept``: the job accept_drift from the shell.

Without a reason it only shows what accepting would do, and what to type to have it done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truto_groups.accounts.names import say_account
from truto_groups.cli.terminal import complain, say, say_as_typed, show_table
from truto_groups.report.pending import (
    PendingAcceptance,
    accept_command,
    advise,
    find_reasons,
    is_acceptable,
)
from truto_groups.runner.account_reports import WaitingReport, read_waiting
from truto_groups.sync.waiting import digest_of
from truto_groups.text.visible import show, show_in_cell
from truto_groups.text.words import say_count

_HEADER = ("account", "state", "groups", "add", "remove", "change")
_NUMBERS = (2, 3, 4, 5)
_ACCEPTED, _REFUSED, _NOTHING_DONE = 0, 1, 2
_MOST_OF_MANY = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants accepted.

    Attributes:
        names: These accounts, as people name them, and
        integrations: all waiting accounts of these integrations; all that wait when none are named.
        reason: Why; empty only shows.
        accepted_by: Who; empty takes the system's user.
        digest: Of what was shown.
    """

    names: Sequence[str]
    integrations: Sequence[str]
    reason: str = ""
    accepted_by: str = ""
    digest: str = ""

    @property
    def is_named(self) -> bool:
        """Whether it says which accounts are meant."""
        return bool(self.names or self.integrations)


def run_accept(wanted: Wanted, *, is_verbose: bool = False) -> int:
    """Show what accepting would do, and do it when there is a reason; the exit code."""
    found = read_waiting(wanted.names, wanted.integrations, cwd=Path.cwd())
    if found.unknown:
        # Half of what was named is not what was meant; nothing is accepted.
        for one in found.unknown:
            complain(f"truto-groups: {show(one.name)}: {one.what}; {one.hint}")
        return _REFUSED
    if not found.pending:
        say("None of these accounts drifted or is held back: there is nothing to accept.")
        _tell_others(found)
        return _ACCEPTED if not wanted.reason else _REFUSED
    for one in found.idle:
        say(f"{show_in_cell(say_account(one.partition_key, one.label))} has nothing to accept.")
    _show(found.pending, most=None if wanted.is_named else _MOST_OF_MANY)
    if not wanted.reason:
        _tell_next(found)
        return _ACCEPTED
    if not wanted.is_named:
        complain("Name what to accept: --account ID or --integration SLUG.")
        return _REFUSED
    return _accept(wanted, found, is_verbose=is_verbose)


def _accept(wanted: Wanted, found: WaitingReport, *, is_verbose: bool) -> int:
    # Dagster takes two seconds to import, which who only looks must not wait for.
    from truto_groups.runner.accept_accounts import AcceptRequest, accept_waiting

    request = AcceptRequest(
        found.ids, wanted.integrations, wanted.reason, wanted.accepted_by, wanted.digest
    )
    run = accept_waiting(request, cwd=Path.cwd(), is_verbose=is_verbose)
    if not run.is_success:
        complain(f"truto-groups: {run.problem}")
        return _REFUSED if run.is_refused else _NOTHING_DONE
    accounts = say_count(sum(one.obstacle is None for one in found.pending), "account")
    say(f"Accepted {accounts}: what they sent last is their baseline now.")
    _tell_others(found)
    return _ACCEPTED


def _show(pending: Sequence[PendingAcceptance], *, most: int | None) -> None:
    """A table of what accepting would do, then why each account waits, ``most`` reasons of each."""
    rows = [
        (
            say_account(one.partition_key, one.label),
            "published" if one.is_published else "held back",
            one.group_count,
            one.would_add,
            one.would_remove,
            one.would_change,
        )
        for one in pending
    ]
    show_table(rows, header=_HEADER, right=_NUMBERS)
    for one in pending:
        say(f"\n{show_in_cell(say_account(one.partition_key, one.label))}:")
        if one.obstacle is not None:
            say("It cannot be accepted, because no rows can be made of what it sent.", indent=2)
        reasons = find_reasons(one)
        for reason in reasons[:most]:
            say(show_in_cell(reason), indent=2)
        if len(reasons[:most]) < len(reasons):
            more = f"And {len(reasons) - len(reasons[:most])} more"
            command = f"truto-groups accept --account {one.partition_key}"
            say(f"{more}; `{command}` shows all.", indent=2)


def _tell_next(found: WaitingReport) -> None:
    """What to type to accept what was shown; where accepting does not help, what does."""
    acceptable = [one for one in found.pending if is_acceptable(one)]
    for one in found.pending:
        if one not in acceptable and (advice := advise(one)):
            who = show_in_cell(say_account(one.partition_key, one.label))
            say(f"\nAccepting does not help {who}: {show_in_cell(advice)}")
    if acceptable:
        say_as_typed("\nIf this is right, say why and type:")
        say_as_typed(f"  {accept_command(acceptable)} --digest {digest_of(acceptable)}")
    else:
        _tell_others(found)


def _tell_others(found: WaitingReport) -> None:
    """What to type next, when nothing is left to do for what was named."""
    if found.other_count:
        verb = "waits" if found.other_count == 1 else "wait"
        say(f"{say_count(found.other_count, 'other account')} {verb}: truto-groups accept")
    else:
        say("Nothing else waits. How every account stands: truto-groups status")
