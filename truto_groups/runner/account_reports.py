"""What needs no Dagster, no token and no request: how accounts stand, and what waits.

All of it is read from a copy of the database, which waits for nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import (
    AccountFilter,
    Unknown,
    find_named,
    find_states,
    find_unknown_integrations,
    select_accounts,
)
from truto_groups.accounts.statuses import AccountStatus, find_statuses
from truto_groups.report.pending import PendingAcceptance, advise
from truto_groups.report.privileged_changes import UnreviewedChange
from truto_groups.runner.reading_session import open_reading
from truto_groups.sync.access_review import choose_unreviewed
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.privileged_table import read_unreviewed
from truto_groups.warehouse.snapshot import reading_snapshot


@dataclass(frozen=True)
class StatusReport:
    """How the accounts stand that are wanted.

    Attributes:
        statuses: One entry per account, by integration and tenant.
        unknown: What was named and is nobody's.
        is_choice: Whether only some accounts were wanted.
        now: Aware UTC instant of the reading.
    """

    statuses: Sequence[AccountStatus]
    unknown: Sequence[Unknown]
    is_choice: bool
    now: datetime


@dataclass(frozen=True)
class WaitingReport:
    """What waits of the accounts that are named; of all, when none are.

    Attributes:
        ids: Of the accounts that are named, and wait or not.
        unknown: What was named and is nobody's.
        idle: Those that are named one by one and do not wait.
        pending: What waits.
        other_count: How many accounts wait that are not named.
    """

    ids: Sequence[str]
    unknown: Sequence[Unknown]
    idle: Sequence[KnownAccount]
    pending: Sequence[PendingAcceptance]
    other_count: int


@dataclass(frozen=True)
class ReviewReport:
    """What waits for a review.

    Attributes:
        changes: What became privileged, the newest first.
        private: Ids of the accounts of which no value is shown.
        other_count: How many changes wait that are not wanted.
    """

    changes: Sequence[UnreviewedChange]
    private: frozenset[str]
    other_count: int


def read_status(wanted: AccountFilter, *, cwd: Path) -> StatusReport:
    """Read how accounts stand.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be read.
    """
    session = open_reading(cwd)
    with reading_snapshot(session.database) as connection:
        accounts = read_known_accounts(connection)
        waiting = {one.integrated_account_id: advise(one) for one in read_pending(connection)}
    now = session.clock()
    stale = find_stale_accounts(accounts, max_age_of=session.max_age_of, now=now)
    selection = select_accounts(accounts, wanted, states_of=find_states(stale))
    statuses = find_statuses(
        selection.accounts,
        pace_of=session.pace_of,
        stale=stale,
        waiting=waiting,
    )
    return StatusReport(statuses, selection.unknown, not wanted.is_empty, now)


def read_waiting(names: Sequence[str], integrations: Sequence[str], *, cwd: Path) -> WaitingReport:
    """Read what waits for a person to accept it.

    Args:
        names: These accounts, as people name them, and
        integrations: all accounts of these integrations; all accounts when none are named.
        cwd: Where to look for the project.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be read.
    """
    session = open_reading(cwd)
    with reading_snapshot(session.database) as connection:
        known = read_known_accounts(connection)
        pending = read_pending(connection)
    ids, unknown = find_named(names, known)
    unknown += find_unknown_integrations(integrations, {account.integration for account in known})
    chosen = [
        one
        for one in pending
        if not (names or integrations)
        or one.integrated_account_id in ids
        or one.integration in integrations
    ]
    waiting = {one.integrated_account_id for one in chosen}
    idle = [one for one in known if one.id in ids and one.id not in waiting]
    return WaitingReport(ids, unknown, idle, chosen, len(pending) - len(chosen))


def read_review(wanted: AccountFilter, *, until: datetime | None, cwd: Path) -> ReviewReport:
    """Read what became privileged and waits for a review, of the accounts that are wanted.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be read.
        ReviewRefusedError: A name is nobody's.
    """
    session = open_reading(cwd)
    with reading_snapshot(session.database) as connection:
        known = read_known_accounts(connection)
        chosen = choose_unreviewed(connection, wanted, until=until)
        all_count = len(read_unreviewed(connection))
    private = {one.id for one in known if session.settings_for(one).private_values}
    return ReviewReport(chosen, frozenset(private), all_count - len(chosen))
