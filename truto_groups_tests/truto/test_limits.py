"""The ceilings, with real SQLite files, real processes and short windows.

Which instant was counted is asked of the clock that the limits read: a busy machine delays what
comes after it.
"""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.coordination.seam import WINDOW_SECONDS, Ceiling
from truto_groups.errors import DatabaseError
from truto_groups.truto.limits import PausedTooLongError, RequestLimits

WINDOW = 0.3
FREE = Ceiling("token", 0)


def open_limits(
    path: Path | None = None,
    *,
    window_seconds: float = WINDOW_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> RequestLimits:
    return RequestLimits(
        FileStartLog(path, window_seconds=window_seconds, clock=clock), clock=clock
    )


class NotedClock:
    """The monotonic clock, and what it said last."""

    last = 0.0

    def __call__(self) -> float:
        self.last = time.monotonic()
        return self.last


def find_busiest_window(starts: list[float], *, window: float = WINDOW) -> int:
    """The most starts that any window saw."""
    return max(sum(at <= other < at + window for other in starts) for at in starts)


async def start_many(
    limits: RequestLimits,
    count: int,
    *,
    account: Ceiling | None,
    token: Ceiling,
    clock: NotedClock | None = None,
) -> list[float]:
    """Start at once; the instants that were counted, by the clock of the limits."""
    starts: list[float] = []

    async def start() -> None:
        await limits.wait_for(account, token)
        # Nothing else ran in this loop since it was read.
        starts.append(clock.last if clock is not None else 0.0)

    await asyncio.gather(*(start() for _ in range(count)))
    return starts


@pytest.mark.parametrize("is_shared", [True, False], ids=["file", "memory"])
def test_no_window_sees_more_starts_than_the_ceiling(tmp_path: Path, is_shared: bool) -> None:
    path = tmp_path / "limits" if is_shared else None
    clock = NotedClock()
    with open_limits(path, window_seconds=WINDOW, clock=clock) as limits:
        starts = asyncio.run(
            start_many(limits, 35, account=None, token=Ceiling("token", 10), clock=clock)
        )
    assert len(starts) == 35
    assert find_busiest_window(starts) == 10


def test_the_account_and_the_token_both_hold() -> None:
    async def run() -> tuple[list[float], list[float]]:
        clock = NotedClock()
        limits = open_limits(window_seconds=WINDOW, clock=clock)
        token = Ceiling("token", 12)
        first, second = await asyncio.gather(
            start_many(limits, 16, account=Ceiling("a", 8), token=token, clock=clock),
            start_many(limits, 16, account=Ceiling("b", 8), token=token, clock=clock),
        )
        limits.close()
        return first, second

    first, second = asyncio.run(run())
    assert find_busiest_window(first) == 8
    assert find_busiest_window(second) <= 8
    assert find_busiest_window([*first, *second]) == 12


def test_an_account_that_waits_holds_up_no_other() -> None:
    async def run() -> list[str]:
        order: list[str] = []
        limits = open_limits(window_seconds=30)
        token = Ceiling("token", 1000)

        async def start(name: str, ceiling: int) -> None:
            await limits.wait_for(Ceiling(name, ceiling), token)
            order.append(name)

        tasks = [asyncio.create_task(start("slow", 1)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.gather(*(start("quick", 100) for _ in range(50)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        limits.close()
        return order

    order = asyncio.run(run())
    assert order.count("quick") == 50
    assert order.count("slow") == 1


def test_who_waits_for_the_token_is_served_in_the_order_of_asking() -> None:
    async def run() -> list[int]:
        order: list[int] = []
        limits = open_limits(window_seconds=0.1)

        async def start(number: int) -> None:
            await limits.wait_for(Ceiling(f"account {number}", 100), Ceiling("token", 4))
            order.append(number)

        await asyncio.gather(*(start(number) for number in range(20)))
        limits.close()
        return order

    assert asyncio.run(run()) == list(range(20))


_CHILD = """
import asyncio, sys, time
from pathlib import Path
from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.coordination.seam import Ceiling
from truto_groups.truto.limits import RequestLimits

async def run():
    counted = []
    clock = lambda: counted.append(time.monotonic()) or counted[-1]
    limits = RequestLimits(
        FileStartLog(Path(sys.argv[1]), window_seconds=float(sys.argv[2]), clock=clock)
    )
    for _ in range(int(sys.argv[3])):
        await limits.wait_for(None, Ceiling("token", 10))
        print(counted[-1])
    limits.close()

asyncio.run(run())
"""


def test_two_processes_share_one_ceiling(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "limits"), str(WINDOW), "25"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [child.communicate(timeout=30)[0] for child in children]
    starts = [float(line) for one in told for line in one.split()]
    assert len(starts) == 50
    assert find_busiest_window(starts) == 10


def test_a_slowed_key_starts_nothing_until_its_pause_is_over(tmp_path: Path) -> None:
    async def run() -> None:
        first = open_limits(tmp_path / "limits", window_seconds=WINDOW)
        second = open_limits(tmp_path / "limits", window_seconds=WINDOW)
        token = Ceiling("token", 100)
        await first.wait_for(None, token)
        until = time.monotonic() + 0.3
        await first.slow_down(token, seconds=0.3)
        for limits in (first, second):
            throttled = await limits.wait_for(Ceiling("a", 10), token)
            assert time.monotonic() >= until
            assert throttled <= 0.31
        first.close()
        second.close()

    asyncio.run(run())


def test_waiting_out_a_pause_counts_as_throttled_and_a_ceiling_does_not() -> None:
    async def run() -> tuple[float, float]:
        limits = open_limits(window_seconds=0.1)
        token = Ceiling("token", 2)
        ordinary = [await limits.wait_for(None, token) for _ in range(4)]
        await limits.slow_down(token, seconds=0.6)
        told = await asyncio.gather(*(limits.wait_for(None, token) for _ in range(2)))
        limits.close()
        return sum(ordinary), min(told)

    ordinary, throttled = asyncio.run(run())
    assert ordinary == 0.0
    assert 0.1 < throttled <= 0.6


def build_stepped_limits() -> tuple[RequestLimits, list[float]]:
    now = [1000.0]
    return open_limits(window_seconds=10, clock=lambda: now[0]), now


async def count_immediate_starts(limits: RequestLimits, ceiling: Ceiling) -> int:
    """Count how many requests may start before one has to wait."""
    count = 0
    while True:
        start = asyncio.ensure_future(limits.wait_for(None, ceiling))
        await asyncio.sleep(0)
        if not start.done():
            start.cancel()
            return count
        count += 1


def test_after_a_pause_the_ceiling_is_halved_and_recovers_within_a_minute() -> None:
    async def run() -> list[int]:
        limits, now = build_stepped_limits()
        token = Ceiling("token", 40)
        counts: list[int] = []
        await limits.slow_down(token, seconds=10)
        await limits.slow_down(token, seconds=10)  # the same message, told twice
        for seconds in (0, 10, 30, 40):
            now[0] += seconds
            counts.append(await count_immediate_starts(limits, token))
        limits.close()
        return counts

    assert asyncio.run(run()) == [0, 20, 30, 40]


def test_slowing_one_account_leaves_the_others_alone() -> None:
    async def run() -> None:
        limits, _ = build_stepped_limits()
        await limits.slow_down(Ceiling("a", 10), seconds=100)
        token = Ceiling("token", 100)
        assert await asyncio.wait_for(limits.wait_for(Ceiling("b", 10), token), 1) == 0.0
        with pytest.raises(PausedTooLongError, match="100 s"):
            await limits.wait_for(Ceiling("a", 10), token, longest_pause=99)
        limits.close()

    asyncio.run(run())


def test_a_pause_that_another_process_was_told_of_is_not_waited_out_beyond_patience(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        first = open_limits(tmp_path / "limits", window_seconds=WINDOW)
        token = Ceiling("token", 100)
        await first.slow_down(token, seconds=3600)
        await first.slow_down(Ceiling("a", 10), seconds=3600)
        second = open_limits(tmp_path / "limits", window_seconds=WINDOW)
        for account in (None, Ceiling("a", 10), Ceiling("b", 10)):
            with pytest.raises(PausedTooLongError):
                await asyncio.wait_for(second.wait_for(account, token, longest_pause=60), 5)
        first.close()
        second.close()

    asyncio.run(run())


def test_without_a_ceiling_no_file_is_touched_and_pauses_still_hold(tmp_path: Path) -> None:
    async def run() -> None:
        limits = open_limits(tmp_path / "limits", window_seconds=WINDOW)
        await start_many(limits, 50, account=Ceiling("a", 0), token=FREE)
        until = time.monotonic() + 0.2
        await limits.slow_down(FREE, seconds=0.2)
        await limits.wait_for(Ceiling("a", 0), FREE)
        assert time.monotonic() >= until
        limits.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_instants_from_before_a_restart_of_the_machine_do_not_count(tmp_path: Path) -> None:
    async def run() -> None:
        token = Ceiling("token", 2)
        before = open_limits(tmp_path / "limits", clock=lambda: 90_000.0)
        await start_many(before, 2, account=None, token=token)
        await before.slow_down(token, seconds=600)
        before.close()
        after = open_limits(tmp_path / "limits", clock=lambda: 5.0)
        for _ in range(2):
            await asyncio.wait_for(after.wait_for(None, token), 1)
        after.close()

    asyncio.run(run())


def test_a_shorter_pause_does_not_end_a_longer_one(tmp_path: Path) -> None:
    async def run() -> None:
        token = Ceiling("token", 100)
        told = open_limits(tmp_path / "limits", clock=lambda: 10.0)
        await told.slow_down(token, seconds=60)
        await told.slow_down(token, seconds=1)
        told.close()
        other = open_limits(tmp_path / "limits", clock=lambda: 50.0)
        with pytest.raises(PausedTooLongError, match="20 s"):
            await asyncio.wait_for(other.wait_for(None, token, longest_pause=5), 1)
        other.close()

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [3600.1, 1e15, float("inf")])
def test_nobody_pauses_a_key_for_longer_than_an_hour(tmp_path: Path, seconds: float) -> None:
    async def run(ceiling: Ceiling) -> list[float]:
        pauses: list[float] = []
        now = 10.0
        for _ in range(2):  # here, and in a later process
            limits = open_limits(tmp_path / "limits", clock=lambda: now)
            if not pauses:
                await limits.slow_down(ceiling, seconds=seconds, told="Retry-After: 1")
                await limits.slow_down(ceiling, seconds=seconds, told="Retry-After: 2")
            if ceiling.requests or not pauses:
                with pytest.raises(PausedTooLongError) as caught:
                    await asyncio.wait_for(limits.wait_for(None, ceiling, longest_pause=1), 1)
                pauses.append(caught.value.seconds)
                assert (caught.value.key, caught.value.told) == ("token", "Retry-After: 2")
            limits.close()
        return pauses

    assert asyncio.run(run(Ceiling("token", 100))) == [3600, 3600]
    assert asyncio.run(run(FREE)) == [3600]


def test_a_negative_pause_is_none() -> None:
    async def run() -> None:
        limits, _ = build_stepped_limits()
        for seconds in (-5.0, float("nan")):
            await limits.slow_down(Ceiling("token", 100), seconds=seconds)
            await asyncio.wait_for(limits.wait_for(None, Ceiling("token", 100)), 1)
        limits.close()

    asyncio.run(run())


def write_slowdown(path: Path, *row: object) -> None:
    """Write a pause as an earlier version, or somebody else, did; the file then knows no reason."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(
            "create table slowdowns (key text not null primary key, at real not null, "
            "paused_until real not null, share real not null) without rowid"
        )
        database.execute("insert into slowdowns values ('token', ?, ?, ?)", row)


def test_a_pause_of_thousands_of_years_in_the_file_is_an_hour_however_often_it_is_repeated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "limits"
    write_slowdown(path, 10.0, 1.8e12, 0.5)
    token = Ceiling("token", 100)

    async def run() -> None:
        now = 20.0
        limits = open_limits(path, clock=lambda: now)
        with pytest.raises(PausedTooLongError, match="3590 s"):
            await limits.wait_for(None, token, longest_pause=1)
        await limits.slow_down(token, seconds=5)
        limits.close()
        now = 3611.0
        limits = open_limits(path, clock=lambda: now)
        assert await asyncio.wait_for(limits.wait_for(None, token, longest_pause=1), 1) == 0
        limits.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "row", [("x", "y", "z"), (1.0, 9e999, 9e999), (-9e999, 9e999, -1.0), (1.0, b"x", 0.0)]
)
def test_a_pause_in_the_file_without_sense_keeps_nobody_waiting(
    tmp_path: Path, row: tuple[object, ...]
) -> None:
    path = tmp_path / "limits"
    write_slowdown(path, *row)

    async def run() -> None:
        limits = open_limits(path, clock=lambda: 5000.0)
        await asyncio.wait_for(limits.wait_for(None, Ceiling("token", 100)), 1)
        limits.close()

    asyncio.run(run())


def test_a_turn_without_sense_in_the_file_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    token = Ceiling("token", 5)
    with open_limits(path) as limits:
        asyncio.run(start_many(limits, 1, account=None, token=token))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("update starts set turn = 9223372036854775807")
    with (
        open_limits(path) as limits,
        pytest.raises(DatabaseError, match="limits, cannot be used"),
    ):
        asyncio.run(limits.wait_for(None, token))


def test_a_pause_from_before_a_restart_never_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    write_slowdown(path, 90_000.0, 90_500.0, 0.5)
    token = Ceiling("token", 100)

    async def run() -> None:
        for now in (5.0, 90_100.0):
            limits = open_limits(path, clock=lambda now=now: now)
            assert await asyncio.wait_for(limits.wait_for(None, token, longest_pause=1), 1) == 0
            limits.close()

    asyncio.run(run())


def test_the_file_keeps_no_more_starts_than_the_ceilings_need(tmp_path: Path) -> None:
    now = 0.0

    async def run() -> None:
        nonlocal now
        limits = open_limits(tmp_path / "limits", clock=lambda: now)
        for _ in range(3001):
            await limits.wait_for(None, Ceiling("token", 10))
            now += 1.1
        limits.close()

    asyncio.run(run())
    with closing(sqlite3.connect(tmp_path / "limits")) as database:
        ((count,),) = database.execute("select count(*) from starts").fetchall()
    assert count < 100


def test_a_cancelled_wait_takes_no_room() -> None:
    async def run() -> list[float]:
        clock = NotedClock()
        limits = open_limits(window_seconds=0.5, clock=clock)
        token = Ceiling("token", 3)
        await start_many(limits, 3, account=None, token=token)
        waiting = [asyncio.create_task(limits.wait_for(None, token)) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        starts = await start_many(limits, 3, account=None, token=token, clock=clock)
        limits.close()
        return starts

    starts = asyncio.run(run())
    assert max(starts) - min(starts) < 0.5


def test_a_file_that_cannot_be_used_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    path.write_text("this is no database, but somebody's letter " * 50)
    limits = open_limits(path)
    with pytest.raises(DatabaseError, match="limits, cannot be used"):
        asyncio.run(limits.wait_for(None, Ceiling("token", 5)))
    limits.close()
    with pytest.raises(DatabaseError, match="limits/below, cannot be used"):
        asyncio.run(open_limits(path / "below").wait_for(None, Ceiling("t", 5)))
