"""Accounts, the runs that sync them, and what is counted meanwhile.

One machine executes the runs one after the other. What becomes of a sync is drawn from a seed.
"""

import itertools
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import dagster as dg

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import (
    REFRESH_TICK,
    Pace,
    is_due,
    is_wanted,
    plan_due,
    plan_wanted_ranges,
)
from truto_groups.accounts.ranges import PartitionRange
from truto_groups.defs.in_flight import account_tags, find_in_flight, range_tags
from truto_groups.defs.jobs import refresh_groups
from truto_groups.defs.partitions import integrated_accounts, read_partition_keys
from truto_groups.settings import Settings
from truto_groups_tests.stand import known_account

START = datetime(2026, 3, 1, tzinfo=UTC)
_DISCOVERY_TICK = REFRESH_TICK / 2
# From the request of a run to its first sync, and of a sync of 250 groups: docs/benchmarks.md.
_TO_START = timedelta(seconds=8)
_OF_A_SYNC = timedelta(seconds=0.12)
_THROTTLED_TAKES_LONGER = 10
_NO_RETRY_HEALS, _MAY_HEAL = "not_found", "retries_exhausted"


@dataclass(frozen=True)
class Luck:
    """What becomes of syncs and accounts, as shares.

    Attributes:
        failing: Of the syncs, those that fail once, and may heal.
        broken: Of the accounts, those that always fail; every second of them for a reason that no
            retry heals.
        throttled: Of the syncs, those that take ten times as long.
        connected_a_day: Of the accounts, those that are connected, and removed, on each day.
    """

    failing: float = 0.01
    broken: float = 0.01
    throttled: float = 0.0
    connected_a_day: float = 0.002


@dataclass
class Counts:
    """What is counted.

    Attributes:
        runs: By tick of the schedule, how many were requested.
        sizes: Of those runs, how many accounts each syncs.
        planning_seconds: CPU of each plan.
        syncs: By tick, how many ended in it.
        early: Of these, those of accounts that had been confirmed two ticks too recently, or more.
        late: At each look, accounts that are due, did not fail, and are in no run.
        failing: At each look, accounts that failed, may heal, and are in no run.
        oldest: At each look, the longest that an account that is not broken is not confirmed.
    """

    runs: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])
    planning_seconds: list[float] = field(default_factory=list[float])
    syncs: Counter[int] = field(default_factory=Counter[int])
    early: Counter[int] = field(default_factory=Counter[int])
    late: list[int] = field(default_factory=list[int])
    failing: list[int] = field(default_factory=list[int])
    oldest: list[timedelta] = field(default_factory=list[timedelta])


@dataclass(frozen=True)
class _Run:
    id: str
    keys: Sequence[str]
    begins_at: datetime
    ends_at: datetime


class World:
    """Accounts that are all listed for the first time when it begins.

    Attributes:
        accounts: By partition key.
        counts: What was counted.
        pace: Of all accounts: that of no settings file.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        *,
        count: int,
        luck: Luck,
        seed: int = 0,
        ticks_between_looks: int = 1,
    ) -> None:
        """Connect so many accounts."""
        settings = Settings().for_account("", None)
        self.pace = Pace(settings.refresh_every, settings.skip, settings.digest)
        self.counts = Counts()
        self.accounts: dict[str, KnownAccount] = {}
        self._instance = instance
        self._chance = Random(seed)
        self._luck = luck
        self._ticks_between_looks = ticks_between_looks
        self._broken: dict[str, str] = {}
        self._numbers = itertools.count()
        self._runs: deque[_Run] = deque()
        self._keys: Sequence[str] = ()
        self._connect(count, now=START)

    def live(self, days: float) -> None:
        """Let days pass: a tick of discovery every five minutes, one of the schedule every ten."""
        for tick in range(int(timedelta(days=days) / _DISCOVERY_TICK)):
            now = START + tick * _DISCOVERY_TICK
            self._finish_runs(now)
            if tick and tick % int(timedelta(days=1) / _DISCOVERY_TICK) == 0:
                self._replace_some(now)
            self._discover(now)
            if tick % 2 == 0:
                self._refresh(now, tick // 2)

    def _connect(self, count: int, *, now: datetime) -> None:
        keys = [f"{number:06}" for number in itertools.islice(self._numbers, count)]
        for key in keys:
            self.accounts[key] = known_account(
                key, first_listed_at=now, listed_at=now, wanted_at=now
            )
            if self._chance.random() < self._luck.broken:
                self._broken[key] = self._chance.choice((_NO_RETRY_HEALS, _MAY_HEAL))
        self._instance.add_dynamic_partitions(str(integrated_accounts.name), keys)
        # Kept until they change: of a week's time half would be reading them twice in ten minutes.
        self._keys = read_partition_keys(self._instance)

    def _replace_some(self, now: datetime) -> None:
        """Remove some accounts whose grace period is over, and connect as many others."""
        in_flight = find_in_flight(self._instance, self._keys)
        idle = sorted(self.accounts.keys() - in_flight)
        count = round(self._luck.connected_a_day * len(self.accounts))
        for key in self._chance.sample(idle, count):
            del self.accounts[key]
            self._broken.pop(key, None)
            self._instance.delete_dynamic_partition(str(integrated_accounts.name), key)
        self._connect(count, now=now)

    def _discover(self, now: datetime) -> None:
        if not any(is_wanted(one) for one in self.accounts.values()):
            return
        keys = self._keys
        ranges = plan_wanted_ranges(
            self.accounts.values(),
            partition_keys=keys,
            in_flight=find_in_flight(self._instance, keys),
            pace_of=lambda _: self.pace,
        )
        for one in ranges:
            self._request(_cover(one, keys), range_tags(one.first, one.last), now)

    def _refresh(self, now: datetime, tick: int) -> None:
        keys = self._keys
        in_flight = find_in_flight(self._instance, keys)
        began = time.process_time()
        plan = plan_due(
            self.accounts.values(),
            partition_keys=keys,
            in_flight=in_flight,
            pace_of=lambda _: self.pace,
            now=now,
            next_tick=REFRESH_TICK,
            is_spreading=True,
        )
        self.counts.planning_seconds.append(time.process_time() - began)
        self.counts.runs.append(len(plan.ranges) + len(plan.again))
        requests = [
            *((_cover(one, keys), range_tags(one.first, one.last)) for one in plan.ranges),
            *((again, account_tags(again)) for again in plan.again),
        ]
        for covered, tags in requests:
            self._request(covered, tags, now)
            assert not in_flight.intersection(covered), "an account would be in flight twice"
            in_flight.update(covered)
            self.counts.sizes.append(len(covered))
        if tick % self._ticks_between_looks == 0:
            self._look(in_flight, now)

    def _request(self, covered: Sequence[str], tags: dict[str, str], now: datetime) -> None:
        run = dg.DagsterRun(
            job_name=refresh_groups.name,
            run_id=str(uuid.UUID(int=self._chance.getrandbits(128))),
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
        )
        self._instance.add_run(run)
        busy_until = self._runs[-1].ends_at if self._runs else now
        begins_at = max(busy_until, now) + _TO_START
        throttled = sum(self._chance.random() < self._luck.throttled for _ in covered)
        longer = throttled * (_THROTTLED_TAKES_LONGER - 1)
        ends_at = begins_at + _OF_A_SYNC * (len(covered) + longer)
        self._runs.append(_Run(run.run_id, covered, begins_at, ends_at))

    def _finish_runs(self, now: datetime) -> None:
        while self._runs and self._runs[0].ends_at <= now:
            run = self._runs.popleft()
            self._instance.delete_run(run.id)
            of_a_sync = (run.ends_at - run.begins_at) / len(run.keys)
            for place, key in enumerate(run.keys):
                at = run.begins_at + place * of_a_sync
                self.accounts[key] = self._sync(self.accounts[key], at)

    def _sync(self, one: KnownAccount, at: datetime) -> KnownAccount:
        tick = (at - START) // REFRESH_TICK
        self.counts.syncs[tick] += 1
        kind = self._broken.get(one.partition_key)
        if kind is None and self._chance.random() < self._luck.failing:
            kind = _MAY_HEAL
        if one.outcome == "unchanged" and one.last_confirmed_at is not None:
            too_recent = self.pace.refresh_every - 2 * REFRESH_TICK
            self.counts.early[tick] += at - one.last_confirmed_at < too_recent
        if kind is None:
            return replace(
                one, attempted_at=at, last_confirmed_at=at, outcome="unchanged", error_kind=None
            )
        tried = replace(one, attempted_at=at, outcome="failed", error_kind=kind)
        return replace(tried, attempted_conditions=tried.conditions(self.pace.digest))

    def _look(self, in_flight: set[str], now: datetime) -> None:
        waiting = Counter(
            one.outcome == "failed"
            for key, one in self.accounts.items()
            if key not in in_flight and is_due(one, pace=self.pace, now=now, next_tick=REFRESH_TICK)
        )
        self.counts.late.append(waiting[False])
        self.counts.failing.append(waiting[True])
        ages = (
            now - (one.last_confirmed_at or one.first_listed_at)
            for key, one in self.accounts.items()
            if key not in self._broken
        )
        self.counts.oldest.append(max(ages))


def _cover(one: PartitionRange, keys: Sequence[str]) -> Sequence[str]:
    return keys[keys.index(one.first) : keys.index(one.last) + 1]
