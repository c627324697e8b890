"""Plan which accounts are synced now.

Pure: known accounts, their settings and a clock reading in, ranges out. Dagster covers a
contiguous range of keys in one run, and a healthy account that a failing run leaves alone turns
red; so a range holds only accounts that are synced in it or that cannot be synced at all. Which
ranges are made of them is ranges.py's.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.ranges import TICK_LIMITS, Limits, PartitionRange, Turn, plan_ranges
from truto_groups.errors import find_permanent_kinds

REFRESH_TICK = timedelta(minutes=10)
"""How often what is due is requested: what is "due" depends on it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an account is synced, and under which settings.

    Attributes:
        refresh_every: How often.
        skip: Never.
        digest: Of the settings that hold for it.
    """

    refresh_every: timedelta
    skip: bool
    digest: str


def is_syncable(account: KnownAccount, *, skip: bool) -> bool:
    """Whether the account can be synced at all: active, listed, not skipped, with groups."""
    return (
        account.is_active
        and account.gone_at is None
        and account.supports_groups is not False
        and not skip
    )


def is_wanted(account: KnownAccount) -> bool:
    """Whether something happened to the account (it is new, or connected again) since it was tried.

    Such an account is synced soon, whatever its pace.
    """
    return account.wanted_at is not None and (
        account.attempted_at is None or account.attempted_at < account.wanted_at
    )


def is_due(account: KnownAccount, *, pace: Pace, now: datetime, next_tick: timedelta) -> bool:
    """Whether the account must be synced now."""
    due_at = find_due_at(account, pace=pace, next_tick=next_tick)
    if due_at is None:
        return False
    # What was confirmed in the future was so by a clock that was ahead.
    is_ahead = account.last_confirmed_at is not None and account.last_confirmed_at > now
    return due_at <= now or is_ahead


def find_due_at(account: KnownAccount, *, pace: Pace, next_tick: timedelta) -> datetime | None:
    """Since or from when the account must be synced; None when it cannot be.

    At once when it was never confirmed, else so early that ``refresh_every`` does not pass before
    the next tick. A failure that no retry heals, and a sync that waits for a person, are tried
    again when settings or listing change, else every ``refresh_every``.
    """
    if not is_syncable(account, skip=pace.skip):
        return None
    if is_wanted(account):
        return account.wanted_at
    waits = account.outcome == "held_back" or (
        account.outcome == "failed" and account.error_kind in find_permanent_kinds()
    )
    is_same = account.attempted_conditions == account.conditions(pace.digest)
    tried_at = account.attempted_at if waits and is_same else account.last_confirmed_at
    if tried_at is None:
        return account.first_listed_at
    return tried_at + pace.refresh_every - next_tick


def is_healthy(account: KnownAccount, *, pace: Pace) -> bool:
    """Whether the account can be synced, and its last sync ended well."""
    return (
        is_syncable(account, skip=pace.skip)
        and account.outcome in ("published", "unchanged")
        and account.last_confirmed_at is not None
    )


def may_be_early(account: KnownAccount, *, pace: Pace, now: datetime) -> bool:
    """Whether the account, not due yet, joins due ones: past half of its ``refresh_every``."""
    return (
        is_healthy(account, pace=pace)
        and account.last_confirmed_at is not None
        and now - account.last_confirmed_at >= pace.refresh_every / 2
    )


def plan_due_ranges(
    accounts: Iterable[KnownAccount],
    *,
    partition_keys: Sequence[str],
    in_flight: Collection[str],
    pace_of: Callable[[KnownAccount], Pace],
    now: datetime,
    next_tick: timedelta,
    limits: Limits = TICK_LIMITS,
) -> list[PartitionRange]:
    """Plan the ranges that sync what is due.

    Args:
        accounts: Known accounts.
        partition_keys: Dagster's keys in their order; only these can be synced.
        in_flight: Keys of accounts that a queued or running run covers already.
        pace_of: Gives an account's pace.
        now: Aware UTC instant to judge by.
        next_tick: Until the plan is made again.
        limits: How much is planned at once.

    Returns:
        Ranges that hold no healthy account that is not synced. Where not all that is due fits into
        them, those that wait the longest come first.
    """
    turns: dict[str, Turn] = {}
    due: list[tuple[datetime, str]] = []
    keys = set(partition_keys)
    for account in accounts:
        if account.partition_key not in keys or account.partition_key in in_flight:
            continue
        pace = pace_of(account)
        turns[account.partition_key] = _find_turn(account, pace=pace)
        if is_due(account, pace=pace, now=now, next_tick=next_tick):
            due.append((account.attempted_at or account.first_listed_at, account.partition_key))
        elif may_be_early(account, pace=pace, now=now):
            turns[account.partition_key] = Turn.EARLY
    waiting = [key for _, key in sorted(due)]
    turns |= dict.fromkeys(waiting[: limits.in_all], Turn.DUE)
    turns |= dict.fromkeys(waiting[limits.in_all :], Turn.EARLY)
    return plan_ranges(partition_keys, turns=turns, waiting=waiting, limits=limits)


def plan_wanted_ranges(
    accounts: Iterable[KnownAccount],
    *,
    partition_keys: Sequence[str],
    in_flight: Collection[str],
    pace_of: Callable[[KnownAccount], Pace],
) -> list[PartitionRange]:
    """Plan the ranges that sync accounts which are new or were connected again.

    Args:
        accounts: Known accounts.
        partition_keys: Dagster's keys in their order, those just added included.
        in_flight: Keys of accounts that a queued or running run covers already.
        pace_of: Gives an account's pace.

    Returns:
        As ``plan_due_ranges``; of accounts that are not wanted, only those that must be bridged.
    """
    turns: dict[str, Turn] = {}
    wanted: list[tuple[datetime, str]] = []
    for account in accounts:
        if account.partition_key in in_flight:
            continue
        pace = pace_of(account)
        turns[account.partition_key] = _find_turn(account, pace=pace)
        if account.wanted_at and is_wanted(account) and is_syncable(account, skip=pace.skip):
            turns[account.partition_key] = Turn.DUE
            wanted.append((account.wanted_at, account.partition_key))
    waiting = [key for _, key in sorted(wanted)]
    return plan_ranges(partition_keys, turns=turns, waiting=waiting)


def _find_turn(account: KnownAccount, *, pace: Pace) -> Turn:
    """The turn of an account that is not due: what failed waits, and is not tried before."""
    if not is_syncable(account, skip=pace.skip):
        return Turn.PASSED_OVER
    return Turn.FRESH if is_healthy(account, pace=pace) else Turn.BARRED
