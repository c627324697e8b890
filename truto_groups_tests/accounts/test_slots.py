"""When in its pace an account's turn is. Pure."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truto_groups.accounts.slots import Place, find_slot

# At noon and at midnight, six hours begin anew.
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(minutes=10)
PACE = timedelta(hours=6)


def slot(index: int, count: int, *, pace: timedelta = PACE, after: datetime = NOW) -> datetime:
    found = find_slot(Place(index, count), refresh_every=pace, tick=TICK, after=after)
    assert found is not None
    return found


@given(
    count=st.integers(200, 30_000),
    share=st.floats(0, 0.999),
    pace=st.integers(20, 10_000).map(lambda minutes: timedelta(minutes=minutes)),
    after=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001
        lambda instant: instant.replace(tzinfo=UTC)
    ),
)
def test_a_slot_comes_once_in_every_pace(
    count: int, share: float, pace: timedelta, after: datetime
) -> None:
    index = int(share * count)
    first = slot(index, count, pace=pace, after=after)
    assert after <= first < after + pace
    moment = timedelta(microseconds=1)
    assert slot(index, count, pace=pace, after=first) == first
    assert slot(index, count, pace=pace, after=first + moment) == first + pace


@pytest.mark.parametrize(("count", "slots"), [(25_000, 36), (2_500, 18), (250, 2)])
def test_slots_are_as_full_as_one_another_and_neighbours_share_one(count: int, slots: int) -> None:
    found = [slot(index, count) for index in range(count)]
    sizes = Counter(found)
    assert len(sizes) == slots
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert found == sorted(found)


def test_due_times_move_where_the_accounts_have_doubled_and_not_with_each_hundredth() -> None:
    numbers = [
        len({slot(index, count) for index in range(count)}) for count in range(200, 4_000, 50)
    ]
    assert list(dict.fromkeys(numbers)) == [2, 3, 5, 9, 18, 36]


def test_one_account_more_moves_hardly_any_other_to_another_slot() -> None:
    moved = sum(slot(index, 25_000) != slot(index, 25_001) for index in range(25_000))
    assert moved < 25_000 / 500


@pytest.mark.parametrize(
    ("count", "pace"), [(199, PACE), (0, PACE), (25_000, TICK)], ids=["few", "none", "fast"]
)
def test_so_few_accounts_or_so_fast_a_pace_are_not_spread(count: int, pace: timedelta) -> None:
    assert find_slot(Place(0, count), refresh_every=pace, tick=TICK, after=NOW) is None
