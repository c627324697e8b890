"""Plan which accounts are synced now, and in which ranges of partitions.

Pure: known accounts, their settings and a clock reading in, ranges out. Dagster covers a
contiguous range of keys in one run, and a healthy account that a failing run leaves alone turns
red; so a range holds only accounts that are synced in it or that cannot be synced at all.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from truto_groups.accounts.model import KnownAccount
from truto_groups.errors import find_permanent_kinds

REFRESH_TICK = timedelta(minutes=10)
"""How often what is due is requested: what is "due" depends on it."""

MAX_ACCOUNTS_IN_A_RANGE = 500
MAX_ACCOUNTS_IN_A_TICK = 1000


class Turn(Enum):
    """What an account may do in a range: what makes it, what it may hold, what ends it."""

    DUE = "due"
    EARLY = "early"
    PASSED_OVER = "passed over"
    BARRED = "barred"


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


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """A contiguous range of partition keys, both ends included."""

    first: str
    last: str


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


def may_be_early(account: KnownAccount, *, pace: Pace, now: datetime) -> bool:
    """Whether the account, not due yet, may be pulled in: past half of its ``refresh_every``."""
    return (
        is_syncable(account, skip=pace.skip)
        and account.outcome in ("published", "unchanged")
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
) -> list[PartitionRange]:
    """Plan the ranges that sync what is due.

    Args:
        accounts: Known accounts.
        partition_keys: Dagster's keys in their order; only these can be synced.
        in_flight: Keys of accounts that a queued or running run covers already.
        pace_of: Gives an account's pace.
        now: Aware UTC instant to judge by.
        next_tick: Until the plan is made again.

    Returns:
        At most ``MAX_ACCOUNTS_IN_A_TICK`` accounts, those that wait the longest, in as few ranges
        as hold no healthy account that is not synced.
    """
    turns: dict[str, Turn] = {}
    due: list[tuple[datetime, str]] = []
    keys = set(partition_keys)
    for account in accounts:
        if account.partition_key not in keys:
            continue
        pace = pace_of(account)
        if account.partition_key in in_flight:
            turns[account.partition_key] = Turn.BARRED
        elif not is_syncable(account, skip=pace.skip):
            turns[account.partition_key] = Turn.PASSED_OVER
        elif is_due(account, pace=pace, now=now, next_tick=next_tick):
            waits_since = account.attempted_at or account.first_listed_at
            due.append((waits_since, account.partition_key))
            turns[account.partition_key] = Turn.BARRED
        elif may_be_early(account, pace=pace, now=now):
            turns[account.partition_key] = Turn.EARLY
    for _, key in sorted(due)[:MAX_ACCOUNTS_IN_A_TICK]:
        turns[key] = Turn.DUE
    return plan_ranges(partition_keys, turns=turns)


def plan_ranges(
    partition_keys: Sequence[str],
    *,
    turns: dict[str, Turn],
    max_in_a_range: int = MAX_ACCOUNTS_IN_A_RANGE,
    max_in_all: int = MAX_ACCOUNTS_IN_A_TICK,
) -> list[PartitionRange]:
    """Join due keys to contiguous ranges over what may lie between them.

    Args:
        partition_keys: Dagster's keys in their order.
        turns: By key; a key without one is barred, because it belongs to nobody we know.
        max_in_a_range: Keys in one range, whatever their turn.
        max_in_all: Keys in all ranges.

    Returns:
        Ranges that begin and end with a due key and hold no barred one.
    """
    ranges: list[PartitionRange] = []
    first: int | None = None
    last = 0
    left = max_in_all
    for index, key in enumerate(partition_keys):
        turn = turns.get(key, Turn.BARRED)
        is_joined = first is not None and index - first < min(max_in_a_range, left)
        if first is not None and (turn is Turn.BARRED or not is_joined):
            ranges.append(PartitionRange(partition_keys[first], partition_keys[last]))
            left -= last - first + 1
            first = None
        if turn is Turn.DUE and left > 0:
            first = index if first is None else first
            last = index
    if first is not None:
        ranges.append(PartitionRange(partition_keys[first], partition_keys[last]))
    return ranges


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
    """
    turns: dict[str, Turn] = {}
    for account in accounts:
        if account.partition_key in in_flight:
            continue
        if not is_syncable(account, skip=pace_of(account).skip):
            turns[account.partition_key] = Turn.PASSED_OVER
        elif is_wanted(account):
            turns[account.partition_key] = Turn.DUE
    return plan_ranges(partition_keys, turns=turns)
