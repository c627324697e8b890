"""``truto-groups accept``: the job accept_drift from the shell.

Without a reason it only shows what accepting would do. What accepting does is
sync/accept.py's; it runs as the same Dagster job that the UI launches.
"""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import SHORT_ID, find_account, say_account
from truto_groups.cli.terminal import complain, format_table, say
from truto_groups.definitions import build_definitions
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.report.pending import (
    PendingAcceptance,
    accept_command,
    find_reasons,
    is_acceptable,
)
from truto_groups.runner.local_runs import accept_here, in_this_process, open_instance
from truto_groups.sync.accept import digest_of, read_pending
from truto_groups.text.visible import show_in_cell
from truto_groups.text.words import say_count
from truto_groups.warehouse.accounts_table import read_known_accounts

_HEADER = ("account", "integration", "state", "groups", "add", "remove", "change")
_ACCEPTED, _REFUSED = 0, 1
_MOST_OF_MANY = 3
_SEE_ALL = "`truto-groups status` shows all."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants accepted.

    Attributes:
        integrated_account_ids: These accounts, and
        integrations: all waiting accounts of these integrations; all that wait when none are named.
        reason: Why; empty only shows.
        accepted_by: Who; empty takes the system's user.
        digest: Of what was shown.
    """

    integrated_account_ids: Sequence[str]
    integrations: Sequence[str]
    reason: str = ""
    accepted_by: str = ""
    digest: str = ""


def run_accept(wanted: Wanted, *, is_verbose: bool = False) -> int:
    """Show what accepting would do, and do it when there is a reason.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be used.
    """
    session = open_session(TrutoResource(), GroupsDatabase())
    with session.database.reading() as connection:
        known = read_known_accounts(connection)
        unknown = _find_unknown(wanted, known)
        wanted = _resolve(wanted, known)
        pending = read_pending(
            connection,
            integrated_account_ids=wanted.integrated_account_ids,
            integrations=wanted.integrations,
        )
    if unknown:
        # Half of what was named is not what was meant; nothing is accepted.
        for text in unknown:
            complain(f"truto-groups: {text}")
        return _REFUSED
    if not pending:
        say("None of these accounts drifted or is held back: there is nothing to accept.")
        return _ACCEPTED if not wanted.reason else _REFUSED
    for text in _tell_settled(wanted, known, pending):
        say(text)
    is_named = bool(wanted.integrated_account_ids or wanted.integrations)
    for line in _describe(pending, most=None if is_named else _MOST_OF_MANY):
        say(line)
    if not wanted.reason:
        acceptable = [one for one in pending if is_acceptable(one)]
        if acceptable:
            digest = digest_of(acceptable)
            say(f"\nIf this is right: {accept_command(acceptable)} --digest {digest}")
        return _ACCEPTED
    if not is_named:
        complain("Name what to accept: --account ID or --integration SLUG.")
        return _REFUSED
    config = {
        "integrated_account_ids": list(wanted.integrated_account_ids),
        "integrations": list(wanted.integrations),
        "reason": wanted.reason,
        "accepted_by": wanted.accepted_by or _find_user(),
        "digest": wanted.digest,
    }
    with (
        open_instance(cwd=Path.cwd()) as instance,
        in_this_process(instance, session.database) as tags,
    ):
        run = accept_here(build_definitions(), instance, config, tags=tags, is_verbose=is_verbose)
    if not run.is_success:
        complain(f"truto-groups: {run.problem}")
        return _REFUSED
    say(
        f"Accepted {say_count(len(pending), 'account')}: what they sent last is their baseline now."
    )
    return _ACCEPTED


def _find_user() -> str:
    """The system's user; a container may run as one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _find_unknown(wanted: Wanted, known: Sequence[KnownAccount]) -> list[str]:
    """One sentence for each name that is nobody's."""
    ids = [account.id for account in known]
    slugs = {account.integration for account in known}
    accounts = [name for name in wanted.integrated_account_ids if find_account(name, ids) is None]
    integrations = [name for name in wanted.integrations if name not in slugs]
    return [
        *(f"{name}: no such account; {_SEE_ALL}" for name in accounts),
        *(f"{name}: no account of such an integration; {_SEE_ALL}" for name in integrations),
    ]


def _resolve(wanted: Wanted, known: Sequence[KnownAccount]) -> Wanted:
    """Put whole ids for the beginnings that people type."""
    ids = [account.id for account in known]
    named = [find_account(name, ids) or name for name in wanted.integrated_account_ids]
    return replace(wanted, integrated_account_ids=list(dict.fromkeys(named)))


def _tell_settled(
    wanted: Wanted, known: Sequence[KnownAccount], pending: Sequence[PendingAcceptance]
) -> list[str]:
    """Say which of the named accounts do not wait, where others do."""
    named = set(wanted.integrated_account_ids) - {one.integrated_account_id for one in pending}
    return [
        f"{say_account(one.id, one.integration, one.tenant_id)} has nothing to accept."
        for one in known
        if one.id in named
    ]


def _describe(pending: Sequence[PendingAcceptance], *, most: int | None) -> list[str]:
    """A table of what accepting would do, then why each account waits, ``most`` reasons of each."""
    rows = [
        (
            one.integrated_account_id,
            one.integration,
            "published" if one.is_published else "held back",
            one.group_count,
            one.would_add,
            one.would_remove,
            one.would_change,
        )
        for one in pending
    ]
    right = ("groups", "add", "remove", "change")
    lines = format_table(rows, header=_HEADER, right=right)
    for one in pending:
        key = one.integrated_account_id
        lines += ["", f"{say_account(key, one.integration, one.tenant_id)}:"]
        if one.obstacle is not None:
            lines.append("  It cannot be accepted, because no rows can be made of what it sent.")
        reasons = find_reasons(one)
        lines += [f"  {show_in_cell(reason)}" for reason in reasons[:most]]
        if len(reasons[:most]) < len(reasons):
            more = f"And {len(reasons) - len(reasons[:most])} more"
            lines.append(f"  {more}; `truto-groups accept --account {key[:SHORT_ID]}` shows all.")
    return lines
