"""What the coming day asks for, beside what the schedule then plans. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.outlook import (
    Demand,
    RequestCeilings,
    find_demands,
    find_newly_stale,
    sum_up_by_hour,
    sum_up_by_integration,
)
from truto_groups.accounts.planning import REFRESH_TICK, Pace, plan_due
from truto_groups_tests.stand import known_account

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACE = Pace(timedelta(hours=6), skip=False, digest="settings")
ACCOUNTS = [
    known_account(
        f"{number:05}",
        first_listed_at=NOW - timedelta(days=30),
        attempted_at=NOW - timedelta(minutes=number % 300),
        last_confirmed_at=NOW - timedelta(minutes=number % 300),
        outcome="unchanged",
    )
    for number in range(720)
]


def demands(
    accounts: Sequence[KnownAccount] = ACCOUNTS,
    *,
    refresh_every: timedelta = PACE.refresh_every,
    requests_of: Callable[[KnownAccount], int] = lambda _: 1,
) -> list[Demand]:
    return find_demands(
        accounts,
        pace_of=lambda _: replace(PACE, refresh_every=refresh_every),
        requests_of=requests_of,
        is_counted=lambda _: True,
        ceilings_of=lambda _: RequestCeilings(500, 50),
        now=NOW,
        next_tick=REFRESH_TICK,
    )


def test_the_day_is_told_as_the_schedule_plans_it() -> None:
    told = {one.account.partition_key: one.due_at[0] for one in demands()}
    planned: dict[str, datetime] = {}
    accounts = list(ACCOUNTS)
    for tick in range(36):
        now = NOW + tick * REFRESH_TICK
        for one in plan_due(
            accounts,
            partition_keys=[account.id for account in ACCOUNTS],
            in_flight=(),
            pace_of=lambda _: PACE,
            now=now,
            next_tick=REFRESH_TICK,
            is_spreading=True,
        ).ranges:
            for index in range(int(one.first), int(one.last) + 1):
                planned.setdefault(accounts[index].id, now)
                accounts[index] = replace(accounts[index], attempted_at=now, last_confirmed_at=now)
    late = [planned[key] - told[key] for key in told]
    assert len(planned) == len(told) == 720
    assert max(late) < REFRESH_TICK
    # Those between two slots that came together are synced a little before their own.
    assert sum(one < timedelta() for one in late) < 72


def test_every_account_is_synced_four_times_a_day_in_its_slot() -> None:
    found = demands()
    steady = {later - one for each in found for one, later in pairwise(each.due_at[1:])}
    assert steady == {PACE.refresh_every}
    first = {later - one for each in found for one, later in pairwise(each.due_at)}
    assert max(first) == PACE.refresh_every
    hours = sum_up_by_hour(found, now=NOW)
    assert max(hour.syncs for hour in hours[6:]) <= 144


def just_confirmed(key: str, **fields: Any) -> KnownAccount:
    return known_account(
        key, attempted_at=NOW, last_confirmed_at=NOW, outcome="unchanged", **fields
    )


def test_the_day_ends_before_its_last_instant() -> None:
    a_day, less = (timedelta(days=1) + REFRESH_TICK, timedelta(days=1))
    assert demands([just_confirmed("a")], refresh_every=a_day) == []
    (one,) = demands([just_confirmed("a")], refresh_every=less)
    assert one.due_at == [NOW + less - REFRESH_TICK]


def test_an_account_that_is_due_twice_in_an_hour_counts_twice() -> None:
    hours = sum_up_by_hour(
        demands([just_confirmed("a")], refresh_every=timedelta(minutes=30)), now=NOW
    )
    assert [(hour.name, hour.accounts, hour.syncs, hour.requests) for hour in hours[:2]] == [
        ("12:00 to 13:00", 1, 2, 2),
        ("13:00 to 14:00", 1, 3, 3),
    ]


def test_integrations_come_by_their_requests_and_then_by_name() -> None:
    requests = {"okta": 2, "slack": 9, "asana": 2}
    accounts = [just_confirmed(name, integration=name) for name in requests]
    found = sum_up_by_integration(demands(accounts, requests_of=lambda one: requests[one.id]))
    assert [(load.name, load.requests) for load in found] == [
        ("slack", 36),
        ("asana", 8),
        ("okta", 8),
    ]


def test_what_is_stale_already_does_not_become_it() -> None:
    ages = {"old": 50, "older now": 30, "fresh": 1}
    accounts = [just_confirmed(name, first_listed_at=NOW - timedelta(days=9)) for name in ages]
    accounts = [
        replace(one, last_confirmed_at=NOW - timedelta(hours=ages[one.id])) for one in accounts
    ]
    found = find_newly_stale(
        accounts,
        max_age_of=lambda _: timedelta(hours=40),
        max_age_then=lambda _: timedelta(hours=20),
        now=NOW,
    )
    assert found == {"older now"}
