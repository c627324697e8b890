"""What the coming day asks for, beside what the schedule then plans. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from truto_groups.accounts.outlook import Ceilings, Demand, find_demands, sum_up_by_hour
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


def demands() -> list[Demand]:
    return find_demands(
        ACCOUNTS,
        pace_of=lambda _: PACE,
        requests_of=lambda _: 1,
        is_counted=lambda _: True,
        ceilings_of=lambda _: Ceilings(500, 50),
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
    hours = sum_up_by_hour(found, now=NOW)
    assert max(hour.syncs for hour in hours[6:]) <= 144
