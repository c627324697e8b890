"""What the coming day asks of Truto: which accounts are due when, and what that costs.

Pure: known accounts, their settings and a clock reading in, figures out. It takes it that each sync
goes well and takes as many requests as the last one did.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import (
    LEAST_TICKS_BETWEEN,
    Pace,
    find_turn_at,
    is_due,
    is_syncable,
)
from truto_groups.accounts.slots import Place, find_slot

DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class RequestCeilings:
    """How many requests may start in ten seconds; 0: as many as can.

    Attributes:
        token: Of all accounts together.
        account: Of this account.
    """

    token: int
    account: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What one account asks for in the coming day.

    Attributes:
        account: The account.
        due_at: When it is synced.
        requests: How many requests a sync takes.
        is_estimated: Whether that is known from others of its integration alone.
        ceilings: What holds its requests back.
    """

    account: KnownAccount
    due_at: Sequence[datetime]
    requests: int
    is_estimated: bool
    ceilings: RequestCeilings

    @property
    def request_count(self) -> int:
        """Its requests of the day."""
        return self.requests * len(self.due_at)

    @property
    def sync_time(self) -> timedelta:
        """How long a sync takes at least, by the account's own ceiling."""
        return _take(self.requests, self.ceilings.account)


@dataclass(frozen=True, slots=True)
class Load:
    """What a part of the day, or of the accounts, asks for.

    Attributes:
        name: Which part.
        accounts: How many accounts are synced.
        syncs: How often, together.
        requests: How many requests that takes.
        estimated: How many of the accounts were never synced, so that their requests are estimated.
        at_least: How long it takes under the ceilings, the token's and the accounts', at least.
    """

    name: str
    accounts: int
    syncs: int
    requests: int
    estimated: int
    at_least: timedelta


@dataclass(frozen=True, slots=True)
class SettingsEffect:
    """What other settings would alter for one account.

    Attributes:
        account: The account.
        changes: By setting, what holds now and what would hold.
        requests_a_day: Now, in the long run.
        requests_a_day_then: With the other settings.
        is_synced_at_once: Whether it would become due at once, and is not now.
        is_stale_then: Whether it would become stale at once, and is not now.
    """

    account: KnownAccount
    changes: Mapping[str, tuple[object, object]]
    requests_a_day: int
    requests_a_day_then: int
    is_synced_at_once: bool
    is_stale_then: bool


def estimate_requests(
    accounts: Iterable[KnownAccount], counted: Mapping[str, int]
) -> Callable[[KnownAccount], int]:
    """Say how many requests a sync of an account takes.

    Args:
        accounts: Known accounts.
        counted: Requests of each account's last confirmed sync, by id.

    Returns:
        Gives an account's: those of its last confirmed sync; of one that has none, the median of
        its integration's, else of all, else one.
    """
    by_integration: dict[str, list[int]] = {}
    for account in accounts:
        if account.id in counted:
            by_integration.setdefault(account.integration, []).append(counted[account.id])
    everybody = list(counted.values())

    def requests_of(account: KnownAccount) -> int:
        if account.id in counted:
            return counted[account.id]
        alike = by_integration.get(account.integration) or everybody
        return max(1, round(median(alike))) if alike else 1

    return requests_of


def find_demands(
    accounts: Iterable[KnownAccount],
    *,
    pace_of: Callable[[KnownAccount], Pace],
    requests_of: Callable[[KnownAccount], int],
    is_counted: Callable[[KnownAccount], bool],
    ceilings_of: Callable[[KnownAccount], RequestCeilings],
    now: datetime,
    next_tick: timedelta,
) -> list[Demand]:
    """Find the accounts that are due within a day, with each time at which they are.

    As the schedule has it, where accounts have their slots: the order in which they were first
    listed is taken for that of their partitions.

    Args:
        accounts: Known accounts, in the order in which they were first listed.
        pace_of: Gives an account's pace.
        requests_of: Gives how many requests a sync of it takes.
        is_counted: Whether that was counted, and not estimated.
        ceilings_of: Gives what holds its requests back.
        now: Aware UTC instant.
        next_tick: How often what is due is requested.
    """
    demands: list[Demand] = []
    synced = [one for one in accounts if is_syncable(one, skip=pace_of(one).skip)]
    for index, account in enumerate(synced):
        pace = pace_of(account)
        place = Place(index, len(synced))
        at = find_turn_at(account, pace=pace, place=place, next_tick=next_tick) or now
        at = max(at, now)
        due_at: list[datetime] = []
        while at < now + DAY:
            due_at.append(at)
            at = _find_next(at, pace=pace, place=place, next_tick=next_tick)
        if due_at:
            requests = requests_of(account)
            estimated = not is_counted(account)
            demands.append(Demand(account, due_at, requests, estimated, ceilings_of(account)))
    return demands


def sum_up(demands: Sequence[Demand]) -> Load:
    """Sum up the day."""
    return _sum("all", [(demand, len(demand.due_at)) for demand in demands])


def sum_up_by_integration(demands: Sequence[Demand]) -> list[Load]:
    """Sum up the day by integration, the most requests first."""
    parts: dict[str, list[tuple[Demand, int]]] = {}
    for demand in demands:
        part = parts.setdefault(demand.account.integration, [])
        part.append((demand, len(demand.due_at)))
    loads = [_sum(name, part) for name, part in parts.items()]
    return sorted(loads, key=lambda load: (-load.requests, load.name))


def sum_up_by_hour(demands: Sequence[Demand], *, now: datetime) -> list[Load]:
    """Sum up each hour of the coming day in which something is due, the next one first."""
    parts: dict[int, list[tuple[Demand, int]]] = {}
    for demand in demands:
        hours = [(at - now) // _HOUR for at in demand.due_at]
        for hour in set(hours):
            parts.setdefault(hour, []).append((demand, hours.count(hour)))
    return [_sum(_name_hour(now, hour), part) for hour, part in sorted(parts.items())]


def count_requests_a_day(
    account: KnownAccount, *, pace: Pace, requests: int, next_tick: timedelta
) -> int:
    """How many requests an account takes a day in the long run; 0 when it is not synced."""
    if not is_syncable(account, skip=pace.skip):
        return 0
    return round(requests * (DAY / _find_interval(pace, next_tick=next_tick)))


def becomes_due(
    account: KnownAccount, *, pace: Pace, pace_then: Pace, now: datetime, next_tick: timedelta
) -> bool:
    """Whether an account is due with another pace, and is not with its own."""
    is_due_now, is_due_then = (
        is_due(account, pace=one, now=now, next_tick=next_tick) for one in (pace, pace_then)
    )
    return is_due_then and not is_due_now


def find_newly_stale(
    accounts: Sequence[KnownAccount],
    *,
    max_age_of: Callable[[KnownAccount], timedelta | None],
    max_age_then: Callable[[KnownAccount], timedelta | None],
    now: datetime,
) -> set[str]:
    """Find the accounts that are stale by other limits, and are not by their own; their ids."""
    stale_now, stale_then = (
        {one.account.id for one in find_stale_accounts(accounts, max_age_of=limit, now=now)}
        for limit in (max_age_of, max_age_then)
    )
    return stale_then - stale_now


def _find_next(at: datetime, *, pace: Pace, place: Place, next_tick: timedelta) -> datetime:
    """When an account that is synced at an instant is synced the next time."""
    after = at + LEAST_TICKS_BETWEEN * next_tick
    slot = find_slot(place, refresh_every=pace.refresh_every, tick=next_tick, after=after)
    if slot is None:
        return at + _find_interval(pace, next_tick=next_tick)
    return min(slot, at + pace.refresh_every)


def _find_interval(pace: Pace, *, next_tick: timedelta) -> timedelta:
    """From one sync to the next: due so early that refresh_every does not pass before a tick."""
    return max(pace.refresh_every - next_tick, next_tick)


def _sum(name: str, parts: Sequence[tuple[Demand, int]]) -> Load:
    requests = sum(demand.requests * count for demand, count in parts)
    together = _take(requests, parts[0][0].ceilings.token) if parts else timedelta()
    slowest = max((demand.sync_time * count for demand, count in parts), default=timedelta())
    return Load(
        name=name,
        accounts=len(parts),
        syncs=sum(count for _, count in parts),
        requests=requests,
        estimated=sum(demand.is_estimated for demand, _ in parts),
        at_least=max(together, slowest),
    )


def _take(requests: int, ceiling: int) -> timedelta:
    """How long so many requests take at so many in ten seconds; the first do not wait."""
    return _WINDOW * ((requests - 1) // ceiling) if ceiling and requests else timedelta()


def _name_hour(now: datetime, hour: int) -> str:
    begin = now + hour * _HOUR
    return f"{begin:%H:%M} to {begin + _HOUR:%H:%M}"
