"""``truto-groups sync``: refresh accounts now, and print what became of each."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import say_account
from truto_groups.cli.progress_bar import ProgressBar
from truto_groups.cli.terminal import Styled, complain, say, say_as_typed, show_table
from truto_groups.report.pending import accept_command, is_acceptable
from truto_groups.report.run_progress import say_outcomes
from truto_groups.runner.catch_up import catch_up
from truto_groups.runner.sync_report import Census, Listener, SyncReport, SyncRequest
from truto_groups.text.visible import show, show_in_cell
from truto_groups.text.words import say_count
from truto_groups.warehouse.run_queries import AccountOutcome

_NAMED = 20
_NAMED_WHY = 3
_GROUPS = 2
_STYLES = {"failed": "red", "held_back": "yellow", "interrupted": "yellow", "published": "green"}


def run_sync(request: SyncRequest, *, is_verbose: bool = False) -> int:
    """Refresh, print one line per account and a summary, and return the exit code."""
    with ProgressBar(is_plain=is_verbose) as bar:

        def settle(outcomes: Sequence[AccountOutcome]) -> None:
            bar.pause()
            tell_outcomes(outcomes)

        listener = Listener(
            discovered=_tell_discovery, begun=_tell_begin, progressed=bar.show, settled=settle
        )
        report = catch_up(request, listener=listener, cwd=Path.cwd(), is_verbose=is_verbose)
    say(summarize(report))
    for account in report.in_flight[:_NAMED]:
        say(f"Left to a run that covers it already: {_name(account)}.")
    if len(report.in_flight) > _NAMED:
        say(f"And to such runs {len(report.in_flight) - _NAMED:,} more.")
    _tell_checks(report)
    for text in describe_troubles(report):
        complain(text)
    return report.exit_code


def tell_outcomes(outcomes: Sequence[AccountOutcome]) -> None:
    """Print one line per account: outcome, who, groups, what changed."""
    rows = [
        (
            Styled(one.outcome, _STYLES.get(one.outcome, "")),
            say_account(one.partition_key, one.label),
            "" if one.group_count is None else say_count(one.group_count, "group"),
            describe_changes(one),
        )
        for one in outcomes
    ]
    if rows:
        show_table(rows, right=(_GROUPS,), indent=2)


def describe_changes(one: AccountOutcome) -> str:
    """What a sync changed in the groups of an account, in a few characters."""
    if one.outcome != "published":
        return ""
    if one.is_first:
        return "first sync"
    parts = [("+", one.added), ("-", one.removed), ("~", one.changed)]
    told = " ".join(f"{sign}{number:,}" for sign, number in parts if number)
    return told or "remote_data only"


def summarize(report: SyncReport) -> str:
    """Say in a line or two how many accounts ended how, and at which pace."""
    if report.outcomes:
        pace = f" {report.progress.summarize_pace()}." if report.progress is not None else ""
        return f"{say_outcomes(one.outcome for one in report.outcomes)}.{pace}"
    if report.exit_code != 0 or report.in_flight:
        return "Nothing was synced."
    if report.is_choice:
        return "No account is all of that: nothing was synced."
    due = f" before {report.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if report.due_at else ""
    return f"Nothing is due{due}. With --all, all are refreshed all the same."


def describe_troubles(report: SyncReport) -> list[str]:
    """One paragraph for each account that failed, and for what no account tells."""
    told = [
        f"{show(one.name)} cannot be synced. With this token Truto lists {one.what}; {one.hint}"
        for one in report.unknown
    ]
    told += [
        f"{_name(one.account)} cannot be synced. {show_in_cell(one.reason)}"
        for one in report.refusals
    ]
    for one in report.failures:
        verb = "was held back" if one.outcome == "held_back" else "failed"
        who = show_in_cell(say_account(one.partition_key, one.label))
        told.append(f"{who} {verb}. {show_in_cell(one.error or '')}".strip())
    told += [f"{_name(account)} was not reached." for account in report.unreached[:_NAMED]]
    if len(report.unreached) > _NAMED:
        told.append(f"{len(report.unreached) - _NAMED:,} more were not reached.")
    told += [
        f"{_name(one.account)} is stale and was left to a run that covers it. See that run in "
        "Dagster; if nobody executes it any more, terminate it there."
        for one in report.overdue[:_NAMED]
    ]
    return [*told, *report.problems]


def describe_census(census: Census) -> str:
    """Say how many accounts are kept in sync, and which are not and why."""
    parts = [f"{census.synced:,} to keep in sync"]
    for why, accounts in census.idle.items():
        names = [_name(account) for account in accounts[:_NAMED_WHY]]
        more = len(accounts) - len(names)
        named = ", ".join([*names, f"{more:,} more"] if more else names)
        parts.append(f"{len(accounts):,} {why} ({named})")
    return ", ".join(parts)


def _tell_checks(report: SyncReport) -> None:
    """One line for each check that failed, and then what to do about them."""
    failed = [verdict for verdict in report.verdicts if not verdict.is_passed]
    for one in failed:
        told = show_in_cell(one.description)
        say(f"Check {one.name}: {told}")
    if failed:
        say("What to do about each account: truto-groups status")
    acceptable = [one for one in report.pending if is_acceptable(one)]
    if len(acceptable) > _NAMED:
        say("If what they send is right: truto-groups accept shows them, and what to type.")
    elif acceptable:
        say_as_typed(f"If what they send is right: {accept_command(acceptable)}")


def _tell_discovery(census: Census) -> None:
    found = census.found
    new = f", {len(found.added_keys):,} new" if found.added_keys else ""
    gone = f", {len(found.gone):,} gone" if found.gone else ""
    listed = say_count(found.listed_count, "account")
    say(f"Truto lists {listed}{new}{gone}: {describe_census(census)}.")


def _tell_begin(account_count: int) -> None:
    say(f"Syncing {say_count(account_count, 'account')} …")


def _name(account: KnownAccount) -> str:
    return show_in_cell(say_account(account.partition_key, account.label))
