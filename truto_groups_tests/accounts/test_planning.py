"""Which accounts are synced now, and in which ranges of partitions. Pure: no clock, no Dagster."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import (
    Pace,
    Plan,
    find_due_at,
    find_turn_at,
    is_due,
    is_syncable,
    is_wanted,
    may_be_early,
    plan_due,
    plan_wanted_ranges,
)
from truto_groups.accounts.ranges import MAX_ACCOUNTS_IN_A_TICK, PartitionRange
from truto_groups.accounts.slots import Place
from truto_groups.errors import find_permanent_kinds
from truto_groups_tests.stand import known_account

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(minutes=10)
PACE = Pace(timedelta(hours=6), skip=False, digest="settings")


def account(key: str = "a", *, hours: float | None = None, **fields: Any) -> KnownAccount:
    """An account that was confirmed so many hours ago, or never."""
    confirmed = None if hours is None else NOW - timedelta(hours=hours)
    known = known_account(
        key,
        first_listed_at=NOW - timedelta(days=30),
        last_confirmed_at=confirmed,
        attempted_at=confirmed,
        outcome=None if hours is None else "published",
    )
    return replace(known, **fields)


def due(one: KnownAccount, *, pace: Pace = PACE) -> bool:
    return is_due(one, pace=pace, now=NOW, next_tick=TICK)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(None, True), (7, True), (6, True), (5.84, True), (5.8, False), (1, False)],
    ids=["never", "over", "just over", "before the next tick", "after the next tick", "fresh"],
)
def test_an_account_is_due_when_its_pace_would_pass_before_the_next_tick(
    hours: float | None, expected: bool
) -> None:
    assert due(account(hours=hours)) is expected


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "needs_reauth"},
        {"gone_at": NOW},
        {"supports_groups": False},
    ],
    ids=["not active", "gone", "without groups"],
)
def test_an_account_that_cannot_be_synced_is_never_due(fields: Mapping[str, Any]) -> None:
    one = account(wanted_at=NOW, **fields)
    assert not is_syncable(one, skip=False)
    assert not due(one)


def test_an_account_that_is_skipped_is_never_due() -> None:
    assert not due(account(), pace=replace(PACE, skip=True))


def test_an_integration_that_was_not_asked_counts_as_having_groups() -> None:
    assert due(account(supports_groups=None))


def test_an_account_is_wanted_until_it_was_tried() -> None:
    assert is_wanted(account(wanted_at=NOW))
    assert is_wanted(account(hours=1, wanted_at=NOW))
    assert not is_wanted(account(hours=1, wanted_at=NOW - timedelta(hours=2)))
    assert not is_wanted(account(hours=1))


def failed(kind: str, *, hours: float, is_same: bool, confirmed: float | None = 24) -> KnownAccount:
    one = account(
        hours=confirmed,
        attempted_at=NOW - timedelta(hours=hours),
        outcome="failed",
        error_kind=kind,
        updated_at=NOW - timedelta(days=9),
    )
    conditions = one.conditions("settings" if is_same else "other settings")
    return replace(one, attempted_conditions=conditions)


@pytest.mark.parametrize("kind", sorted(find_permanent_kinds()))
def test_a_failure_that_no_retry_heals_waits_for_settings_listing_or_its_pace(kind: str) -> None:
    assert not due(failed(kind, hours=1, is_same=True))
    assert due(failed(kind, hours=7, is_same=True))
    assert due(failed(kind, hours=1, is_same=False))
    relisted = replace(failed(kind, hours=1, is_same=True), updated_at=NOW)
    assert due(relisted)


@pytest.mark.parametrize(
    "kind", ["retries_exhausted", "envelope", "pagination", "killed", "token_rejected"]
)
def test_a_failure_that_may_heal_is_tried_again_at_the_next_tick(kind: str) -> None:
    assert due(failed(kind, hours=0.1, is_same=True))


def test_what_was_held_back_waits_like_a_failure_that_no_retry_heals() -> None:
    held = replace(failed("contract_broken", hours=1, is_same=True), outcome="held_back")
    assert not due(held)
    assert due(replace(held, attempted_at=NOW - timedelta(hours=7)))


LATER = NOW + timedelta(days=10)


@pytest.mark.parametrize(
    "one",
    [
        account(hours=-240),
        account(first_listed_at=LATER),
        account(first_listed_at=LATER, wanted_at=LATER),
        account(hours=1, wanted_at=LATER),
    ],
    ids=["confirmed", "listed", "new", "connected again"],
)
def test_a_clock_that_was_ahead_shuts_nobody_out(one: KnownAccount) -> None:
    assert due(one)
    assert plan([one]) == [("a", "a")]


@pytest.mark.parametrize("outcome", ["failed", "held_back"])
def test_what_waits_is_counted_from_its_attempt_whatever_a_clock_ahead_has_confirmed(
    outcome: str,
) -> None:
    waits = replace(failed("not_found", hours=1, is_same=True), outcome=outcome)
    assert due(replace(waits, attempted_at=LATER))
    assert not due(replace(waits, last_confirmed_at=LATER))


def test_an_account_past_half_of_its_pace_may_be_early() -> None:
    early = [may_be_early(account(hours=h), pace=PACE, now=NOW) for h in (3, 2.9)]
    assert early == [True, False]


@pytest.mark.parametrize("outcome", ["failed", "held_back", "running"])
def test_an_account_that_is_not_healthy_is_never_early(outcome: str) -> None:
    assert not may_be_early(account(hours=4, outcome=outcome), pace=PACE, now=NOW)


def plan(
    accounts: Sequence[KnownAccount],
    *,
    keys: Sequence[str] | None = None,
    in_flight: Collection[str] = (),
    paces: Mapping[str, Pace] | None = None,
    is_spreading: bool = False,
) -> list[tuple[str, str]]:
    found = make_plan(
        accounts, keys=keys, in_flight=in_flight, paces=paces, is_spreading=is_spreading
    )
    return [(one.first, one.last) for one in found.ranges]


def make_plan(
    accounts: Sequence[KnownAccount],
    *,
    keys: Sequence[str] | None = None,
    in_flight: Collection[str] = (),
    paces: Mapping[str, Pace] | None = None,
    is_spreading: bool = True,
) -> Plan:
    return plan_due(
        accounts,
        partition_keys=[one.id for one in accounts] if keys is None else keys,
        in_flight=in_flight,
        pace_of=lambda one: (paces or {}).get(one.id, PACE),
        now=NOW,
        next_tick=TICK,
        is_spreading=is_spreading,
    )


def test_due_accounts_side_by_side_share_a_range() -> None:
    assert plan([account(key, hours=7) for key in "abc"]) == [("a", "c")]


def test_a_fresh_account_between_two_due_ones_parts_them() -> None:
    """Left alone inside the range of a run that fails, it would turn red."""
    accounts = [account("a", hours=7), account("b", hours=1), account("c", hours=7)]
    assert plan(accounts) == [("a", "a"), ("c", "c")]


def test_an_account_past_half_of_its_pace_is_pulled_in_early_to_join_two_due_ones() -> None:
    accounts = [account("a", hours=7), account("b", hours=4), account("c", hours=7)]
    assert plan(accounts) == [("a", "c")]


def test_an_early_account_alone_or_at_an_end_is_not_synced() -> None:
    accounts = [account("a", hours=4), account("b", hours=7), account("c", hours=4)]
    assert plan(accounts) == [("b", "b")]
    assert plan(accounts[:1]) == []


@pytest.mark.parametrize(
    "fields",
    [{"status": "needs_reauth"}, {"gone_at": NOW}, {"supports_groups": False}],
    ids=["not active", "gone", "without groups"],
)
def test_an_account_that_cannot_be_synced_may_lie_inside_a_range(
    fields: Mapping[str, Any],
) -> None:
    accounts = [account("a", hours=7), account("b", **fields), account("c", hours=7)]
    assert plan(accounts) == [("a", "c")]


def test_a_skipped_account_may_lie_inside_a_range() -> None:
    accounts = [account(key, hours=7) for key in "abc"]
    assert plan(accounts, paces={"b": replace(PACE, skip=True)}) == [("a", "c")]


def test_an_account_in_flight_is_neither_requested_again_nor_covered() -> None:
    accounts = [account(key, hours=7) for key in "abc"]
    assert plan(accounts, in_flight={"b"}) == [("a", "a"), ("c", "c")]


def test_a_failure_that_waits_is_not_covered() -> None:
    waiting = replace(failed("not_found", hours=1, is_same=True), id="b")
    waiting = replace(waiting, attempted_conditions=waiting.conditions("settings"))
    assert plan([account("a", hours=7), waiting, account("c", hours=7)]) == [
        ("a", "a"),
        ("c", "c"),
    ]


def test_a_key_that_belongs_to_no_known_account_is_not_covered() -> None:
    accounts = [account(key, hours=7) for key in "ac"]
    assert plan(accounts, keys=["a", "stranger", "c"]) == [("a", "a"), ("c", "c")]


def test_an_account_without_a_partition_is_not_requested() -> None:
    accounts = [account(key, hours=7) for key in "ab"]
    assert plan(accounts, keys=["b"]) == [("b", "b")]


def test_ranges_follow_the_order_of_the_partitions() -> None:
    accounts = [account(key, hours=7) for key in "abc"]
    assert plan(accounts, keys=["c", "a", "b"]) == [("c", "b")]


def test_a_tick_takes_a_thousand_accounts_at_most_in_ranges_of_five_hundred() -> None:
    accounts = [account(f"{number:05}", hours=7) for number in range(10_000)]
    assert plan(accounts) == [("00000", "00499"), ("00500", "00999")]


def test_what_is_too_much_for_one_range_is_shared_out_evenly() -> None:
    accounts = [account(f"{number:05}", hours=7) for number in range(694)]
    assert plan(accounts) == [("00000", "00346"), ("00347", "00693")]


def test_of_too_many_those_that_wait_the_longest_come_first() -> None:
    accounts = [account(f"{n:05}", hours=7 if n < 1_500 else 8) for n in range(2_400)]
    found = plan(accounts)
    covered = [int(key) for first, last in found for key in (first, last)]
    assert covered[-1] == 2_399
    assert sum(int(last) - int(first) + 1 for first, last in found) == MAX_ACCOUNTS_IN_A_TICK
    assert min(covered) < 100
    assert 1_500 in covered


def every_other(count: int) -> list[KnownAccount]:
    """So many accounts that are due, each beside one that is fresh."""
    return [account(f"{n:05}", hours=1 if n % 2 else 7) for n in range(2 * count - 1)]


def test_up_to_four_ranges_nobody_fresh_is_pulled_in() -> None:
    assert plan(every_other(4)) == [(f"{n:05}", f"{n:05}") for n in (0, 2, 4, 6)]


def test_where_there_would_be_more_than_four_the_smallest_gaps_are_synced_early() -> None:
    accounts = [account(f"{n:05}", hours=7 if n in (0, 2, 5, 9, 14, 20) else 1) for n in range(21)]
    assert plan(accounts) == [
        ("00000", "00005"),
        ("00009", "00009"),
        ("00014", "00014"),
        ("00020", "00020"),
    ]


@pytest.mark.parametrize("bar", ["in flight", "held back", "failed"])
def test_a_gap_with_an_account_that_must_not_be_tried_is_never_bridged(bar: str) -> None:
    accounts = every_other(6)
    if bar != "in flight":
        outcome = {"held back": "held_back", "failed": "failed"}[bar]
        waiting = failed("not_found", hours=1, is_same=True)
        accounts[1] = replace(waiting, partition_key=accounts[1].partition_key, outcome=outcome)
    found = plan(accounts, in_flight={accounts[1].id} if bar == "in flight" else ())
    assert len(found) == 4
    assert found[0] == ("00000", "00000")
    assert found[-1][1] == "00010"


def test_where_four_cannot_cover_all_those_that_wait_the_longest_come_first() -> None:
    """Of six that nothing can join; the others are due still at the next tick."""
    keys = [f"{n:05}" for n in range(11)]
    accounts = [account(key, hours=7 + n) for n, key in enumerate(keys)]
    first = plan(accounts, in_flight=set(keys[1::2]))
    assert first == [(key, key) for key in keys[4::2]]
    done = set(keys[4::2])
    rest = [account(one.id, hours=0) if one.id in done else one for one in accounts]
    assert plan(rest, in_flight=set(keys[1::2])) == [("00000", "00000"), ("00002", "00002")]


@pytest.mark.long
def test_a_range_holds_as_many_due_accounts_as_it_can_beside_the_one_that_waits_longest() -> None:
    """Every twentieth of 25,000 is due: two ranges of five hundred hold fifty of them."""
    accounts = [
        account(f"{n:05}", hours=9 if n == 12_340 else 7 if n % 20 == 0 else 1)
        for n in range(25_000)
    ]
    found = plan(accounts)
    assert any(int(first) <= 12_340 <= int(last) for first, last in found)
    held = sum(int(last) // 20 - int(first) // 20 + 1 for first, last in found)
    assert held >= 50
    assert sum(int(last) - int(first) + 1 for first, last in found) <= MAX_ACCOUNTS_IN_A_TICK


@pytest.mark.long
def test_a_plan_over_25_000_accounts_takes_well_under_a_second() -> None:
    chance = Random(7)
    accounts = [account(f"{n:05}", hours=chance.choice((1, 4, 7))) for n in range(25_000)]
    keys = [one.id for one in accounts]
    began = time.process_time()
    assert len(plan(accounts, in_flight=set(chance.sample(keys, 1000)))) == 4
    assert time.process_time() - began < 1


@pytest.mark.long
@pytest.mark.parametrize("every", [20, 7])
def test_over_a_day_with_some_that_are_due_at_every_tick_nobody_waits_too_long(every: int) -> None:
    """Every so manieth wants to be synced every ten minutes; one in a hundred always fails."""
    day = Day(count=1000, failing=100)
    day.paces = {
        key: replace(PACE, refresh_every=timedelta(minutes=10)) for key in day.keys[::every]
    }
    day.live()
    assert max(day.runs) <= 4
    assert max(day.covered) <= MAX_ACCOUNTS_IN_A_TICK
    assert day.longest_wait <= timedelta(hours=6)
    assert day.longest_wait_of(day.keys[::every]) <= 2 * TICK


@pytest.mark.long
def test_over_a_day_with_some_that_fail_for_good_all_others_stay_fresh() -> None:
    day = Day(count=2500, failing=100, error_kind="not_found")
    day.live()
    assert max(day.runs) <= 4
    assert day.longest_wait <= timedelta(hours=6) + TICK


def crowd(count: int = 900, *, hours: float) -> list[KnownAccount]:
    """So many accounts that nine slots share, each confirmed so many hours ago."""
    return [account(f"{n:05}", hours=hours) for n in range(count)]


def test_accounts_whose_slot_has_come_are_synced_before_they_are_due() -> None:
    """At noon six hours begin anew, so the slots of those of before have just come."""
    assert plan(crowd(hours=3)) == []
    assert plan(crowd(hours=1.3), is_spreading=True) == [("00000", "00099"), ("00800", "00899")]


def test_a_slot_that_comes_right_after_a_sync_was_meant_by_it() -> None:
    assert plan(crowd(hours=0.3), is_spreading=True) == []
    assert plan(crowd(hours=0.4), is_spreading=True) == [("00000", "00099")]


def test_so_few_accounts_that_they_share_one_slot_are_synced_when_they_are_due() -> None:
    assert plan(crowd(199, hours=5), is_spreading=True) == []


def test_an_account_that_cannot_be_synced_has_no_slot() -> None:
    accounts = [replace(one, status="needs_reauth") for one in crowd(hours=5)]
    assert plan(accounts, is_spreading=True) == []


@pytest.mark.long
def test_whose_slot_has_come_waits_for_what_is_due() -> None:
    """However much longer ago it was tried."""
    accounts = [account(f"{n:05}", hours=5 if n < 20_000 else 1) for n in range(21_000)]
    paces = {one.id: replace(PACE, refresh_every=timedelta(hours=1)) for one in accounts[20_000:]}
    found = plan(accounts, paces=paces, is_spreading=True)
    assert found == [("20000", "20499"), ("20500", "20999")]


@given(
    hours=st.floats(0, 30),
    index=st.integers(0, 24_999),
    pace=st.integers(10, 3_000).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_nobody_is_requested_later_than_it_is_due_and_nobody_right_after_a_sync(
    hours: float, index: int, pace: timedelta
) -> None:
    one, own = account(hours=hours), replace(PACE, refresh_every=pace)
    turn_at = find_turn_at(one, pace=own, place=Place(index, 25_000), next_tick=TICK)
    due_at = find_due_at(one, pace=own, next_tick=TICK)
    assert turn_at is not None
    assert due_at is not None
    assert turn_at <= due_at
    assert one.last_confirmed_at is not None
    assert turn_at >= min(due_at, one.last_confirmed_at + 2 * TICK)


@pytest.mark.long
def test_accounts_that_were_all_synced_at_once_are_spread_after_one_pace() -> None:
    day = Day(count=2500, failing=100, error_kind="not_found", hours=0.1)
    day.live(is_spreading=True, takes=timedelta(minutes=1))
    assert max(day.covered[36:]) <= 200
    assert sum(day.covered[36:]) <= 2500 * 3 * 1.05
    assert day.longest_wait <= timedelta(hours=6)


def some_failed(count: int, *, every: int = 90) -> list[KnownAccount]:
    """One in so many failed, the later in the order the longer ago; the others are in step."""
    return [
        failed_at(n, minutes=n / 2) if n % every == every // 2 else account(f"{n:05}", hours=0.2)
        for n in range(count)
    ]


def test_what_failed_and_may_heal_is_named_in_a_run_of_its_own_and_nobody_synced_early() -> None:
    """Six apart would be six runs, or have hundreds synced again that were synced just now."""
    found = make_plan(some_failed(540))
    assert found.ranges == []
    assert found.again == [["00495", "00405", "00315", "00225", "00135", "00045"]]


def test_of_what_failed_the_runs_are_of_similar_size_and_what_was_not_tried_for_longest_first() -> (
    None
):
    accounts = [
        failed_at(n, minutes=10 + n / 100) if n % 2 else account(f"{n:05}", hours=0.2)
        for n in range(3_000)
    ]
    found = make_plan(accounts)
    assert found.ranges == []
    assert [len(keys) for keys in found.again] == [500, 500]
    assert found.again[0][:2] == ["02999", "02997"]
    assert [len(keys) for keys in make_plan(accounts[:1400]).again] == [350, 350]


def test_what_failed_side_by_side_is_tried_again_in_ranges() -> None:
    """As after an outage of Truto, when all have failed, and where few have."""
    accounts = [failed_at(n, minutes=10 + n / 100) for n in range(2_000)]
    assert plan(accounts, is_spreading=True) == [("01000", "01499"), ("01500", "01999")]
    assert plan(accounts[:700], is_spreading=True) == [("00000", "00349"), ("00350", "00699")]
    apart = [(one, one) for one in ("00045", "00135", "00225", "00315")]
    assert plan(some_failed(360), is_spreading=True) == apart


def test_what_failed_has_one_of_the_four_runs_whatever_is_due() -> None:
    """Else a tick whose runs are full would be followed by others, and it would never heal."""
    due = [*range(1, 501), 700, 900, 1100]
    accounts = [account(f"{n:05}", hours=7 if n in due else 1) for n in range(1101)]
    accounts[0] = failed_at(0, minutes=10)
    found = make_plan(accounts)
    assert found.again == [["00000"]]
    assert [(one.first, one.last) for one in found.ranges] == [
        ("00001", "00500"),
        ("00700", "00700"),
        ("00900", "01100"),
    ]


def test_what_failed_and_what_is_due_are_no_more_than_a_thousand_together() -> None:
    """A hundred of them at least are what failed, however much is due."""
    due = [account(f"{n:05}", hours=7) for n in range(1500)]
    apart = [
        failed_at(n, minutes=10) if n % 3 == 0 else account(f"{n:05}", hours=0.2)
        for n in range(1500, 3_300)
    ]
    found = make_plan([*due, *apart])
    assert sum(int(one.last) - int(one.first) + 1 for one in found.ranges) == 900
    assert [len(keys) for keys in found.again] == [100]
    found = make_plan([*due[:694], *apart])
    assert sum(int(one.last) - int(one.first) + 1 for one in found.ranges) == 694
    assert [len(keys) for keys in found.again] == [306]


def test_what_failed_in_its_slot_is_tried_again_at_the_next_tick() -> None:
    accounts = crowd(hours=0.3)
    accounts[0] = replace(failed_at(0, minutes=10), last_confirmed_at=NOW - timedelta(hours=1.3))
    assert plan(accounts, is_spreading=True) == [("00000", "00000")]


def test_what_failed_is_tried_again_with_what_is_due_around_it() -> None:
    accounts = [account(f"{n:05}", hours=7) for n in range(6)]
    accounts[3:5] = [failed_at(3, minutes=10), failed_at(4, minutes=10)]
    assert make_plan(accounts) == Plan([PartitionRange("00000", "00005")])
    assert make_plan(accounts[:4]) == Plan([PartitionRange("00000", "00003")])


def failed_at(number: int, *, minutes: float) -> KnownAccount:
    return replace(
        failed("retries_exhausted", hours=minutes / 60, is_same=True, confirmed=6.2),
        id=f"{number:05}",
        partition_key=f"{number:05}",
    )


class Day:
    """A day of ticks, at each of which what is planned is synced at once.

    Attributes:
        runs: How many, by tick.
        covered: How many accounts were in them, by tick.
    """

    def __init__(
        self,
        *,
        count: int,
        failing: int,
        error_kind: str = "retries_exhausted",
        hours: float | None = None,
    ) -> None:
        chance = Random(count)
        self.keys = [f"{n:05}" for n in range(count)]
        self.paces: dict[str, Pace] = {}
        self.runs: list[int] = []
        self.covered: list[int] = []
        self._failing = set(self.keys[failing // 2 :: failing])
        self._error_kind = error_kind
        self._waits: dict[str, timedelta] = {}
        self._accounts = [account(key, hours=hours or chance.random() * 6) for key in self.keys]

    def live(self, *, is_spreading: bool = False, takes: timedelta = timedelta()) -> None:
        for tick in range(144):
            self._sync(NOW + tick * TICK, is_spreading=is_spreading, takes=takes)

    @property
    def longest_wait(self) -> timedelta:
        return self.longest_wait_of(self.keys)

    def longest_wait_of(self, keys: Sequence[str]) -> timedelta:
        """Between two syncs of a healthy account; the day's first half lets things settle."""
        return max(self._waits.get(key, timedelta()) for key in set(keys) - self._failing)

    def _sync(self, now: datetime, *, is_spreading: bool, takes: timedelta) -> None:
        plan = plan_due(
            self._accounts,
            partition_keys=self.keys,
            in_flight=(),
            pace_of=lambda one: self.paces.get(one.id, PACE),
            now=now,
            next_tick=TICK,
            is_spreading=is_spreading,
        )
        positions = [
            index for one in plan.ranges for index in range(int(one.first), int(one.last) + 1)
        ]
        positions += [int(key) for keys in plan.again for key in keys]
        self.runs.append(len(plan.ranges) + len(plan.again))
        self.covered.append(len(positions))
        for index in positions:
            self._accounts[index] = self._try(self._accounts[index], now + takes)
        if now - NOW < timedelta(hours=12):
            return
        for one in self._accounts:
            waited = now - (one.last_confirmed_at or NOW)
            self._waits[one.id] = max(self._waits.get(one.id, timedelta()), waited)

    def _try(self, one: KnownAccount, now: datetime) -> KnownAccount:
        if one.id not in self._failing:
            return replace(one, attempted_at=now, last_confirmed_at=now)
        tried = replace(one, attempted_at=now, outcome="failed", error_kind=self._error_kind)
        return replace(tried, attempted_conditions=tried.conditions("settings"))


def test_a_new_account_and_one_connected_again_are_requested_with_what_lies_between() -> None:
    accounts = [
        account("a", wanted_at=NOW),
        account("b", status="needs_reauth"),
        account("c", hours=2, wanted_at=NOW),
        account("d", hours=2),
        account("e", wanted_at=NOW, status="needs_reauth"),
        account("f", wanted_at=NOW),
    ]
    ranges = plan_wanted_ranges(
        accounts, partition_keys=list("abcdef"), in_flight={"f"}, pace_of=lambda _: PACE
    )
    assert ranges == [PartitionRange("a", "c")]


def test_many_new_accounts_apart_are_requested_in_four_runs_that_bridge_the_smallest_gaps() -> None:
    accounts = [
        account(f"{n:05}", wanted_at=NOW) if n % 2 == 0 else account(f"{n:05}", hours=1)
        for n in range(21)
    ]
    ranges = plan_wanted_ranges(
        accounts,
        partition_keys=[one.id for one in accounts],
        in_flight=(),
        pace_of=lambda _: PACE,
    )
    assert len(ranges) == 4
    assert sum(int(one.last) - int(one.first) + 1 for one in ranges) == 11 + 7
