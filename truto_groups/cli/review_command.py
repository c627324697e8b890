"""``truto-groups review``: the job mark_privileged_changes_reviewed from the shell.

Without a reason it only shows what became privileged, and what to type to have it marked.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from truto_groups.accounts.names import say_account
from truto_groups.accounts.selection import AccountFilter
from truto_groups.cli.terminal import complain, say, say_as_typed, show_table
from truto_groups.errors import ReviewRefusedError
from truto_groups.report.privileged_changes import review_command, say_privileged_change
from truto_groups.runner.account_reports import ReviewReport, read_review
from truto_groups.text.words import say_count

_HEADER = ("account", "since", "what")
_DONE, _REFUSED, _NOTHING_DONE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ReviewWanted:
    """What a person wants to review.

    Attributes:
        accounts: The accounts; all when none are named.
        until: Aware instant of the newest change that was looked at; None: all that waits now.
        reason: Why it is right; empty only shows.
        reviewed_by: Who; empty takes the system's user.
    """

    accounts: AccountFilter
    until: datetime | None = None
    reason: str = ""
    reviewed_by: str = ""


def run_review(wanted: ReviewWanted, *, is_verbose: bool = False) -> int:
    """Show what waits for a review, and mark it when there is a reason; the exit code."""
    try:
        found = read_review(wanted.accounts, until=wanted.until, cwd=Path.cwd())
    except ReviewRefusedError as error:
        complain(f"truto-groups: {error}")
        return _REFUSED
    if not found.changes:
        say("No group that became privileged waits for a review here.")
        _tell_others(found)
        return _DONE if not wanted.reason else _REFUSED
    _show(found)
    if not wanted.reason:
        keys = list(dict.fromkeys(one.partition_key for one in found.changes))
        say_as_typed("\nIf this is right, say why and type:")
        say_as_typed(f"  {review_command(keys, until=found.changes[0].changed_at)}")
        return _DONE
    if wanted.accounts.is_empty:
        complain("Name what was reviewed: --account ID, --tenant ID or --integration SLUG.")
        return _REFUSED
    return _mark(wanted, found, is_verbose=is_verbose)


def _mark(wanted: ReviewWanted, found: ReviewReport, *, is_verbose: bool) -> int:
    # Dagster takes two seconds to import, which who only looks must not wait for.
    from truto_groups.runner.accept_accounts import ReviewRequest, mark_waiting_reviewed

    request = ReviewRequest(
        list({one.integrated_account_id for one in found.changes}),
        # What comes while this runs was not seen.
        found.changes[0].changed_at,
        wanted.reason,
        wanted.reviewed_by,
    )
    run = mark_waiting_reviewed(request, cwd=Path.cwd(), is_verbose=is_verbose)
    if not run.is_success:
        complain(f"truto-groups: {run.problem}")
        return _REFUSED if run.is_refused else _NOTHING_DONE
    say(f"Marked {say_count(len(found.changes), 'change')} as reviewed.")
    _tell_others(found)
    return _DONE


def _show(found: ReviewReport) -> None:
    rows = [
        (
            say_account(one.partition_key, one.label),
            one.changed_at.isoformat(timespec="seconds"),
            say_privileged_change(one, is_private=one.integrated_account_id in found.private),
        )
        for one in found.changes
    ]
    show_table(rows, header=_HEADER)


def _tell_others(found: ReviewReport) -> None:
    if found.other_count:
        verb = "waits" if found.other_count == 1 else "wait"
        say(f"{say_count(found.other_count, 'other change')} {verb}: truto-groups review")
