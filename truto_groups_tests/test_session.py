"""The clock of a session, and a process that lives in the past."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from truto_groups.session import living_at, read_clock

SOON = timedelta(seconds=30)


def test_the_clock_goes_on_from_the_instant_until_the_block_ends() -> None:
    then = datetime.now(UTC) - timedelta(days=3)
    with living_at(then):
        first, second = read_clock(), read_clock()
    assert then <= first <= second < then + SOON
    assert datetime.now(UTC) - read_clock() < SOON


def test_threads_of_the_process_live_in_the_past_too() -> None:
    read: list[datetime] = []
    then = datetime.now(UTC) - timedelta(days=3)
    with living_at(then):
        thread = threading.Thread(target=lambda: read.append(read_clock()))
        thread.start()
        thread.join()
    assert then <= read[0] < then + SOON


def test_a_block_inside_of_another_ends_with_the_time_of_the_outer_one() -> None:
    now = datetime.now(UTC)
    with living_at(now - timedelta(days=6)):
        with living_at(now - timedelta(days=2)):
            assert now - read_clock() < timedelta(days=2, seconds=1)
        assert read_clock() < now - timedelta(days=5)


def test_the_present_is_back_when_the_block_raises() -> None:
    with pytest.raises(KeyError), living_at(datetime.now(UTC) - timedelta(days=3)):
        raise KeyError
    assert datetime.now(UTC) - read_clock() < SOON


@pytest.mark.parametrize(
    "instant",
    [datetime.now(UTC) + timedelta(days=1), datetime(2026, 3, 1)],  # noqa: DTZ001
    ids=["to come", "naive"],
)
def test_nobody_lives_in_the_future_or_at_an_unknown_instant(instant: datetime) -> None:
    with pytest.raises(ValueError, match=r"still to come|aware"), living_at(instant):
        pass
    assert datetime.now(UTC) - read_clock() < SOON
