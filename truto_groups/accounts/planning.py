"""Plan which accounts are synced now.

How often each is to be synced is its pace, which settings/account_settings.py says.

Pure: known accounts, their settings and a clock reading in, ranges out. Dagster covers a
contiguous range of keys in one run, and a healthy account that a failing run leaves alone turns
red; so a range holds only accounts that are synced in it or that cannot be synced at all. Which
ranges are made of them is ranges.py's.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.ranges import TICK_LIMITS, Limits, PartitionRange, RangeRole, plan_ranges
from truto_groups.accounts.slots import Place, find_slot
from truto_groups.errors import find_permanent_kinds

REFRESH_TICK = timedelta(minutes=10)
"""How often what is due is requested: what is "due" depends on it."""

LEAST_TICKS_BETWEEN = 2
"""From a sync to a slot that counts: one that comes sooner was meant by the sync."""

LEAST_SHARE_OF_WHAT_FAILED = 10
"""One of so many accounts of a tick is for what failed and may heal, however much is due."""


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
    return due_at is not None and (due_at <= now or _is_ahead(account, pace=pace, now=now))


def _is_ahead(account: KnownAccount, *, pace: Pace, now: datetime) -> bool:
    """Whether it is due from an instant that a clock which was ahead has told, and is to come."""
    since = account.wanted_at if is_wanted(account) else _find_paced_from(account, pace=pace)
    return (since or account.first_listed_at) > now


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
    paced_from = _find_paced_from(account, pace=pace)
    if paced_from is None:
        return account.first_listed_at
    return paced_from + pace.refresh_every - next_tick


def find_turn_at(
    account: KnownAccount, *, pace: Pace, place: Place, next_tick: timedelta
) -> datetime | None:
    """Since or from when the schedule requests the account; None when it cannot be synced.

    In its slot, so that the load is even and neighbours are synced together, whatever fell out of
    step; at the latest when it must be. A slot that comes right after a sync is none: the next one
    is in step with it.
    """
    due_at = find_due_at(account, pace=pace, next_tick=next_tick)
    paced_from = _find_paced_from(account, pace=pace)
    if due_at is None or paced_from is None or is_wanted(account):
        return due_at
    after = paced_from + LEAST_TICKS_BETWEEN * next_tick
    slot = find_slot(place, refresh_every=pace.refresh_every, tick=next_tick, after=after)
    return due_at if slot is None else min(due_at, slot)


def _find_paced_from(account: KnownAccount, *, pace: Pace) -> datetime | None:
    """From when ``refresh_every`` counts; None when the account must be synced at once."""
    waits = account.outcome == "held_back" or (
        account.outcome == "failed" and account.error_kind in find_permanent_kinds()
    )
    if waits and account.attempted_conditions == account.conditions(pace.digest):
        return account.attempted_at
    return account.last_confirmed_at


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What is synced now.

    Attributes:
        ranges: Ranges of partitions that hold no healthy account that is not synced.
        again: Keys, by run, of what failed and may heal and lies too far apart for ranges.
    """

    ranges: Sequence[PartitionRange]
    again: Sequence[Sequence[str]] = ()


def plan_due(
    accounts: Iterable[KnownAccount],
    *,
    partition_keys: Sequence[str],
    in_flight: Collection[str],
    pace_of: Callable[[KnownAccount], Pace],
    now: datetime,
    next_tick: timedelta,
    is_spreading: bool = False,
    limits: Limits = TICK_LIMITS,
) -> Plan:
    """Plan what syncs all that is due.

    Args:
        accounts: Known accounts.
        partition_keys: Dagster's keys in their order; only these can be synced.
        in_flight: Keys of accounts that a queued or running run covers already.
        pace_of: Gives an account's pace.
        now: Aware UTC instant to judge by.
        next_tick: Until the plan is made again.
        is_spreading: Whether accounts whose slot has come are synced before they are due, and those
            that failed by name, where ranges do not hold them.
        limits: How much is planned at once.

    Returns:
        Where not all that is due fits into the ranges, those that wait the longest come first, then
        whose slot has come. Nobody is synced early for what failed: where ranges do not hold it, it
        has runs of its own, one at least and as many as they leave, within what is planned at once,
        and there comes first what was not tried for longest.
    """
    roles: dict[str, RangeRole] = {}
    waiting: list[tuple[bool, datetime, str]] = []
    tried: list[tuple[datetime, str]] = []
    positions = {key: position for position, key in enumerate(partition_keys)}
    for account in accounts:
        key = account.partition_key
        if key not in positions or key in in_flight:
            continue
        pace = pace_of(account)
        roles[key] = _find_role(account, pace=pace)
        if roles[key] is RangeRole.PASSED_OVER:
            continue
        since = account.attempted_at or account.first_listed_at
        if is_spreading:
            place = Place(positions[key], len(partition_keys))
            turn_at = find_turn_at(account, pace=pace, place=place, next_tick=next_tick)
        else:
            turn_at = find_due_at(account, pace=pace, next_tick=next_tick)
        is_ahead = _is_ahead(account, pace=pace, now=now)
        has_turn = is_ahead or (turn_at is not None and turn_at <= now)
        if not has_turn:
            if may_be_early(account, pace=pace, now=now):
                roles[key] = RangeRole.EARLY
        elif is_spreading and _was_just_tried(account, pace=pace, now=now, next_tick=next_tick):
            roles[key] = RangeRole.EARLY
            tried.append((since, key))
        else:
            is_late = is_due(account, pace=pace, now=now, next_tick=next_tick)
            waiting.append((not is_late, since, key))
    order = [key for *_, key in sorted(waiting)]
    roles |= dict.fromkeys(order[: limits.in_all], RangeRole.DUE)
    roles |= dict.fromkeys(order[limits.in_all :], RangeRole.EARLY)
    planner = _Planner(partition_keys, positions, roles, order, limits)
    again = [key for _, key in sorted(tried)]
    return planner.plan(again) if again else Plan(planner.find_ranges(limits))


@dataclass(frozen=True, slots=True)
class _Planner:
    """What is due, and its roles, where some of what failed is to be tried again with it."""

    partition_keys: Sequence[str]
    positions: Mapping[str, int]
    roles: Mapping[str, RangeRole]
    order: Sequence[str]
    limits: Limits

    def plan(self, again: Sequence[str]) -> Plan:
        """Plan both: in ranges where these hold as many of the latter as runs that name them."""
        joined = self._join(again)
        # A share at least, whatever is due: a tick that has no room for them would be followed by
        # others.
        share = min(len(again), self.limits.in_all // LEAST_SHARE_OF_WHAT_FAILED)
        ranges = self.find_ranges(
            replace(self.limits, ranges=self.limits.ranges - 1, in_all=self.limits.in_all - share)
        )
        covered = self._cover(ranges)
        apart = [key for key in again if key not in covered]
        runs = self.limits.ranges - len(ranges)
        most = min(runs * self.limits.in_a_range, self.limits.in_all - len(covered))
        named = apart[:most]
        if len(self._cover(joined).intersection(again)) >= len(again) - len(apart) + len(named):
            return Plan(joined)
        return Plan(ranges, _share_out(named, in_a_run=self.limits.in_a_range))

    def find_ranges(self, limits: Limits) -> list[PartitionRange]:
        """Cover what is due."""
        return plan_ranges(self.partition_keys, roles=self.roles, waiting=self.order, limits=limits)

    def _join(self, again: Sequence[str]) -> list[PartitionRange]:
        """Cover both, with nobody pulled in for what failed; nothing where what is due loses."""
        covered = self._cover(self.find_ranges(self.limits))
        together = dict.fromkeys((*covered, *again), RangeRole.DUE)
        passed_over = {
            key: role for key, role in self.roles.items() if role is RangeRole.PASSED_OVER
        }
        joined = plan_ranges(
            self.partition_keys,
            roles=together | passed_over,
            waiting=[*self.order, *again],
            limits=self.limits,
        )
        return joined if covered <= self._cover(joined) else []

    def _cover(self, ranges: Iterable[PartitionRange]) -> set[str]:
        return {
            key
            for one in ranges
            for key in self.partition_keys[self.positions[one.first] : self.positions[one.last] + 1]
        }


def _share_out(keys: Sequence[str], *, in_a_run: int) -> list[Sequence[str]]:
    runs = -(-len(keys) // in_a_run)
    size = -(-len(keys) // runs) if runs else 1
    return [keys[begin : begin + size] for begin in range(0, len(keys), size)]


def _was_just_tried(
    account: KnownAccount, *, pace: Pace, now: datetime, next_tick: timedelta
) -> bool:
    """Whether the account failed since it became due, in a way that may heal."""
    return (
        account.outcome == "failed"
        and account.error_kind not in find_permanent_kinds()
        and not is_wanted(account)
        and account.attempted_at is not None
        and account.attempted_at > now - pace.refresh_every + next_tick
    )


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
        Ranges as of ``plan_due``; of accounts that are not wanted, only those that must be bridged.
    """
    roles: dict[str, RangeRole] = {}
    wanted: list[tuple[datetime, str]] = []
    for account in accounts:
        if account.partition_key in in_flight:
            continue
        pace = pace_of(account)
        roles[account.partition_key] = _find_role(account, pace=pace)
        if account.wanted_at and is_wanted(account) and is_syncable(account, skip=pace.skip):
            roles[account.partition_key] = RangeRole.DUE
            wanted.append((account.wanted_at, account.partition_key))
    waiting = [key for _, key in sorted(wanted)]
    return plan_ranges(partition_keys, roles=roles, waiting=waiting)


def _find_role(account: KnownAccount, *, pace: Pace) -> RangeRole:
    """The role of an account that is not due: what failed waits, and is not tried before."""
    if not is_syncable(account, skip=pace.skip):
        return RangeRole.PASSED_OVER
    return RangeRole.FRESH if is_healthy(account, pace=pace) else RangeRole.BARRED
