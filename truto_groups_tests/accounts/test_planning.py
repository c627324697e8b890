"""Which accounts are synced now, and in which ranges of partitions. Pure: no clock, no Dagster."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import (
    MAX_ACCOUNTS_IN_A_RANGE,
    MAX_ACCOUNTS_IN_A_TICK,
    Pace,
    PartitionRange,
    Turn,
    is_due,
    is_syncable,
    is_wanted,
    may_be_early,
    plan_due_ranges,
    plan_ranges,
    plan_wanted_ranges,
)
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
) -> list[tuple[str, str]]:
    ranges = plan_due_ranges(
        accounts,
        partition_keys=[one.id for one in accounts] if keys is None else keys,
        in_flight=in_flight,
        pace_of=lambda one: (paces or {}).get(one.id, PACE),
        now=NOW,
        next_tick=TICK,
    )
    return [(found.first, found.last) for found in ranges]


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


def test_of_too_many_those_that_wait_the_longest_come_first() -> None:
    accounts = [account(f"{n:05}", hours=7 if n < 1_500 else 8) for n in range(2_400)]
    found = plan(accounts)
    covered = [int(key) for first, last in found for key in (first, last)]
    assert covered[-1] == 2_399
    assert sum(int(last) - int(first) + 1 for first, last in found) == MAX_ACCOUNTS_IN_A_TICK
    assert min(covered) < 100
    assert 1_500 in covered


TURNS = st.lists(st.sampled_from([*Turn, None]), max_size=60)


@given(turns=TURNS, max_in_a_range=st.integers(1, 12), max_in_all=st.integers(1, 40))
def test_a_range_never_holds_a_barred_account_and_begins_and_ends_with_a_due_one(
    turns: list[Turn | None], max_in_a_range: int, max_in_all: int
) -> None:
    """Behaviour 2: a healthy account that is not synced is never inside a planned range."""
    keys = [f"k{index}" for index in range(len(turns))]
    known = {key: turn for key, turn in zip(keys, turns, strict=True) if turn is not None}
    ranges = plan_ranges(keys, turns=known, max_in_a_range=max_in_a_range, max_in_all=max_in_all)
    covered: list[str] = []
    for found in ranges:
        first, last = keys.index(found.first), keys.index(found.last)
        inside = keys[first : last + 1]
        assert Turn.DUE is known.get(found.first) is known.get(found.last)
        assert all(known.get(key, Turn.BARRED) is not Turn.BARRED for key in inside)
        assert 1 <= len(inside) <= max_in_a_range
        covered += inside
    assert len(covered) == len(set(covered)) <= max_in_all
    if len(keys) <= min(max_in_a_range, max_in_all):
        assert {key for key, turn in known.items() if turn is Turn.DUE} <= set(covered)


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


def test_the_limits_are_those_that_are_promised() -> None:
    assert (MAX_ACCOUNTS_IN_A_RANGE, MAX_ACCOUNTS_IN_A_TICK) == (500, 1000)
