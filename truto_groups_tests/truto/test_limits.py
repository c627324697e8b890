"""The ceilings, with real SQLite files, a real Postgres, real processes and short windows.

Which instant was counted is asked of the clock that the limits read, or of what the log wrote down:
a busy machine delays what comes after it.
"""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.coordination.postgres.sessions import PostgresSession, Server
from truto_groups.coordination.postgres.start_log import PostgresStartLog
from truto_groups.coordination.seam import WINDOW_SECONDS, Ceiling
from truto_groups.errors import DatabaseError
from truto_groups.truto.limits import PausedTooLongError, RequestLimits
from truto_groups_tests.places import Place
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import other_process

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


class Log:
    """A log that processes share, in each way that there is, and the time that passes for it.

    Files are read with a clock of their own. A server has none but its own: there time passes by
    putting back all that is written down.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._passed = 0.0

    def clock(self) -> float:
        return time.monotonic() + self._passed

    def open_limits(self, *, window_seconds: float = WINDOW_SECONDS) -> RequestLimits:
        """Share the log as one more process would."""
        if self._place.postgres is None:
            file_log = FileStartLog(
                self._place.companion, window_seconds=window_seconds, clock=self.clock
            )
            return RequestLimits(file_log, clock=self.clock)
        session = PostgresSession(Server(self._place.postgres))
        log = PostgresStartLog(session, window_seconds=window_seconds)
        return RequestLimits(log, clock=self.clock)

    def find_starts(self, key: str) -> list[float]:
        """The instants that were counted under a key."""
        if self._place.postgres is None:
            with closing(sqlite3.connect(self._place.companion)) as database:
                rows = database.execute("select at from starts where key = ?", [key]).fetchall()
        else:
            rows = self._ask(
                "SELECT extract(epoch FROM at) FROM truto_groups_coordination.starts "
                "WHERE key = %(key)s",
                key=key,
            )
        return [float(at) for (at,) in rows]

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds
        if self._place.postgres is not None:
            self._ask(
                "UPDATE truto_groups_coordination.starts "
                "SET at = at - make_interval(secs => %(s)s);"
                "UPDATE truto_groups_coordination.slowdowns SET "
                "at = at - make_interval(secs => %(s)s), "
                "paused_until = paused_until - make_interval(secs => %(s)s)",
                s=seconds,
            )

    def _ask(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        assert self._place.postgres is not None
        session = PostgresSession(Server(self._place.postgres))
        rows = session.run(sql, values)
        session.close()
        return rows


@pytest.fixture(name="log")
def provide_log(place: Place) -> Log:
    return Log(place)


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


@pytest.mark.long
@pytest.mark.parametrize("is_shared", [True, False], ids=["file", "memory"])
def test_no_window_sees_more_starts_than_the_ceiling(tmp_path: Path, is_shared: bool) -> None:
    path = tmp_path / "limits" if is_shared else None
    clock = NotedClock()
    with open_limits(path, window_seconds=WINDOW, clock=clock) as limits:
        starts = asyncio.run(
            start_many(limits, 25, account=None, token=Ceiling("token", 10), clock=clock)
        )
    assert len(starts) == 25
    assert find_busiest_window(starts) == 10


@pytest.mark.long
def test_no_window_of_a_shared_log_sees_more_starts_than_the_ceiling(log: Log) -> None:
    with log.open_limits(window_seconds=WINDOW) as limits:
        asyncio.run(start_many(limits, 25, account=None, token=Ceiling("token", 10)))
    assert len(log.find_starts("token")) == 25
    assert find_busiest_window(log.find_starts("token")) == 10


@pytest.mark.long
def test_the_account_and_the_token_both_hold(log: Log) -> None:
    async def run() -> None:
        limits = log.open_limits(window_seconds=WINDOW)
        token = Ceiling("token", 12)
        await asyncio.gather(
            start_many(limits, 10, account=Ceiling("a", 5), token=token),
            start_many(limits, 16, account=Ceiling("b", 8), token=token),
        )
        limits.close()

    asyncio.run(run())
    first, second = log.find_starts("a"), log.find_starts("b")
    assert sorted(log.find_starts("token")) == sorted([*first, *second])
    assert find_busiest_window(first) == 5
    assert find_busiest_window(second) <= 8
    assert find_busiest_window([*first, *second]) == 12


def test_an_account_that_waits_holds_up_no_other(log: Log) -> None:
    async def run() -> list[str]:
        order: list[str] = []
        limits = log.open_limits(window_seconds=30)
        token = Ceiling("token", 1000)

        async def start(name: str, ceiling: int) -> None:
            await limits.wait_for(Ceiling(name, ceiling), token)
            order.append(name)

        tasks = [asyncio.create_task(start("slow", 1)) for _ in range(3)]
        while len(order) < 1:
            await asyncio.sleep(0.01)
        await asyncio.gather(*(start("quick", 100) for _ in range(50)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        limits.close()
        return order

    order = asyncio.run(run())
    assert order.count("quick") == 50
    assert order.count("slow") == 1


@pytest.mark.long
def test_who_waits_for_the_token_is_served_in_the_order_of_asking(log: Log) -> None:
    async def run() -> list[int]:
        order: list[int] = []
        limits = log.open_limits(window_seconds=0.1)

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


@pytest.mark.long
def test_two_processes_share_one_ceiling(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "limits"), str(WINDOW), "15"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [child.communicate(timeout=30)[0] for child in children]
    starts = [float(line) for one in told for line in one.split()]
    assert len(starts) == 30
    assert find_busiest_window(starts) == 10


@pytest.mark.long
def test_a_slowed_key_starts_nothing_until_its_pause_is_over(log: Log) -> None:
    async def run() -> None:
        first = log.open_limits(window_seconds=WINDOW)
        second = log.open_limits(window_seconds=WINDOW)
        token = Ceiling("token", 100)
        await first.wait_for(None, token)
        until = time.monotonic() + 0.3
        await first.slow_down(token, seconds=0.3)
        for limits in (first, second):
            began = time.monotonic()
            throttled = await limits.wait_for(Ceiling("a", 10), token)
            assert time.monotonic() >= until
            assert throttled <= time.monotonic() - began
        first.close()
        second.close()

    asyncio.run(run())


@pytest.mark.long
def test_waiting_out_a_pause_counts_as_throttled_and_a_ceiling_does_not(log: Log) -> None:
    async def run() -> tuple[float, list[float], float]:
        limits = log.open_limits(window_seconds=0.1)
        token = Ceiling("token", 2)
        ordinary = [await limits.wait_for(None, token) for _ in range(4)]
        await limits.slow_down(token, seconds=0.6)
        began = time.monotonic()
        told = await asyncio.gather(*(limits.wait_for(None, token) for _ in range(2)))
        waited = time.monotonic() - began
        limits.close()
        return sum(ordinary), told, waited

    ordinary, throttled, waited = asyncio.run(run())
    assert ordinary == 0.0
    assert 0.1 < min(throttled) <= max(throttled) <= waited


async def count_immediate_starts(limits: RequestLimits, ceiling: Ceiling) -> int:
    """Count how many requests may start before one has to wait."""
    count = 0
    while True:
        start = asyncio.ensure_future(limits.wait_for(None, ceiling))
        await asyncio.wait([start], timeout=0.5)
        if not start.done():
            start.cancel()
            return count
        count += 1


@pytest.mark.long
def test_after_a_pause_the_ceiling_is_halved_and_recovers_within_a_minute(log: Log) -> None:
    async def run() -> list[int]:
        limits = log.open_limits()
        token = Ceiling("token", 40)
        counts: list[int] = []
        await limits.slow_down(token, seconds=10)
        await limits.slow_down(token, seconds=10)  # the same message, told twice
        with pytest.raises(PausedTooLongError):
            await limits.wait_for(None, token, longest_pause=9)
        for seconds in (10, 30, 40):
            log.pass_time(seconds)
            counts.append(await count_immediate_starts(limits, token))
        limits.close()
        return counts

    assert asyncio.run(run()) == [20, 30, 40]


def test_slowing_one_account_leaves_the_others_alone(log: Log) -> None:
    async def run() -> None:
        limits = log.open_limits()
        await limits.slow_down(Ceiling("a", 10), seconds=100)
        token = Ceiling("token", 100)
        assert await asyncio.wait_for(limits.wait_for(Ceiling("b", 10), token), 1) == 0.0
        with pytest.raises(PausedTooLongError, match="100 s"):
            await limits.wait_for(Ceiling("a", 10), token, longest_pause=99)
        limits.close()

    asyncio.run(run())


def test_a_pause_that_another_process_was_told_of_is_not_waited_out_beyond_patience(
    log: Log,
) -> None:
    async def run() -> None:
        first = log.open_limits(window_seconds=WINDOW)
        token = Ceiling("token", 100)
        await first.slow_down(token, seconds=3600)
        await first.slow_down(Ceiling("a", 10), seconds=3600)
        second = log.open_limits(window_seconds=WINDOW)
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


def test_a_shorter_pause_does_not_end_a_longer_one(log: Log) -> None:
    async def run() -> None:
        token = Ceiling("token", 100)
        told = log.open_limits()
        await told.slow_down(token, seconds=60)
        await told.slow_down(token, seconds=1)
        told.close()
        log.pass_time(40)
        other = log.open_limits()
        with pytest.raises(PausedTooLongError, match=r"(19|20) s"):
            await asyncio.wait_for(other.wait_for(None, token, longest_pause=5), 1)
        other.close()

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [3600.1, 1e15, float("inf")])
def test_nobody_pauses_a_key_for_longer_than_an_hour(log: Log, seconds: float) -> None:
    async def run(ceiling: Ceiling) -> list[float]:
        pauses: list[float] = []
        for _ in range(2):  # here, and in a later process
            limits = log.open_limits()
            if not pauses:
                await limits.slow_down(ceiling, seconds=seconds, told="Retry-After: 1")
                await limits.slow_down(ceiling, seconds=seconds, told="Retry-After: 2")
            if ceiling.requests or not pauses:
                with pytest.raises(PausedTooLongError) as caught:
                    await asyncio.wait_for(limits.wait_for(None, ceiling, longest_pause=1), 5)
                pauses.append(caught.value.seconds)
                assert (caught.value.key, caught.value.told) == ("token", "Retry-After: 2")
            limits.close()
        return pauses

    for ceiling, count in ((Ceiling("token", 100), 2), (FREE, 1)):
        pauses = asyncio.run(run(ceiling))
        assert len(pauses) == count
        assert all(3595 < pause <= 3600 for pause in pauses)


def test_a_negative_pause_is_none(log: Log) -> None:
    async def run() -> None:
        limits = log.open_limits()
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


@pytest.mark.long
def test_a_cancelled_wait_takes_no_room(log: Log) -> None:
    async def run() -> list[float]:
        limits = log.open_limits(window_seconds=0.5)
        token = Ceiling("token", 3)
        await start_many(limits, 3, account=None, token=token)
        waiting = [asyncio.create_task(limits.wait_for(None, token)) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await start_many(limits, 3, account=None, token=token)
        limits.close()
        return sorted(log.find_starts("token"))[3:]

    starts = asyncio.run(run())
    assert len(starts) == 3
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


_CLAIMING = """
import asyncio, sys, time
from truto_groups.coordination.postgres.sessions import Server, PostgresSession
from truto_groups.coordination.postgres.start_log import PostgresStartLog
from truto_groups.coordination.seam import Ceiling
from truto_groups.truto.limits import RequestLimits

async def run():
    session = PostgresSession(Server(sys.argv[1]))
    limits = RequestLimits(PostgresStartLog(session, window_seconds=float(sys.argv[2])))
    until = time.monotonic() + float(sys.argv[4])
    while time.monotonic() < until:
        account, token = Ceiling(f"account {sys.argv[5]}", 1000), Ceiling("token", int(sys.argv[3]))
        await limits.wait_for(account, token)
    limits.close()

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(run())
"""


@pytest.mark.slow
def test_eight_processes_keep_one_ceiling_by_the_clock_of_a_server_that_is_restarted(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    window, ceiling, seconds = 1.0, 40, 5.0
    # Somebody may want another isolation of transactions, in which a claim would not see those
    # that it had waited for.
    name = postgres_database.rpartition("=")[2]
    session = PostgresSession(Server(postgres_database))
    session.run(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'", {})
    session.close()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                other_process(_CLAIMING, postgres_database, window, ceiling, seconds, number)
            )
            for number in range(8)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        time.sleep(2.5)
        postgres_cluster.restart()
        for process in processes:
            assert process.wait(60) == 0
    log = Log(Place(Path("unused"), postgres_database))
    starts = log.find_starts("token")
    assert find_busiest_window(starts, window=window) <= ceiling
    # Of what the ceiling lets through in that time, less what a restart takes.
    assert len(starts) > 0.5 * ceiling * seconds / window
    assert all(log.find_starts(f"account {number}") for number in range(8))


@pytest.mark.long
def test_a_claim_that_waits_for_postgres_does_not_hold_up_the_loop(
    postgres_database: str,
) -> None:
    log = Log(Place(Path("unused"), postgres_database))

    async def run() -> float:
        limits = log.open_limits()
        await limits.wait_for(None, Ceiling("token", 100))
        blocker = psycopg2.connect(postgres_database)
        blocker.cursor().execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.starts', 0))"
        )
        waiting = asyncio.create_task(limits.wait_for(None, Ceiling("token", 100)))
        longest, before = 0.0, time.monotonic()
        for _ in range(50):
            await asyncio.sleep(0.01)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        assert not waiting.done()
        blocker.close()
        await asyncio.wait_for(waiting, 5)
        limits.close()
        return longest

    assert asyncio.run(run()) < 0.3


@pytest.mark.long
def test_claims_go_on_through_a_restart_of_postgres(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    log = Log(Place(Path("unused"), postgres_database))

    async def run() -> None:
        limits = log.open_limits(window_seconds=WINDOW)
        token = Ceiling("token", 10)
        await limits.wait_for(None, token)
        restart = asyncio.create_task(asyncio.to_thread(postgres_cluster.restart))
        await start_many(limits, 30, account=None, token=token)
        await restart
        await start_many(limits, 5, account=None, token=token)
        limits.close()

    asyncio.run(run())
    assert len(log.find_starts("token")) >= 36
    assert find_busiest_window(log.find_starts("token")) <= 10


@pytest.mark.long
def test_a_pause_outlives_a_crash_of_postgres(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    log = Log(Place(Path("unused"), postgres_database))

    async def run() -> None:
        limits = log.open_limits()
        token = Ceiling("token", 10)
        await limits.slow_down(token, seconds=600, told="Retry-After: 600")
        postgres_cluster.restart(is_crash=True)
        with pytest.raises(PausedTooLongError):
            await limits.wait_for(None, token, longest_pause=5)
        limits.close()

    asyncio.run(run())


def test_the_server_keeps_no_more_starts_than_the_ceilings_need(postgres_database: str) -> None:
    log = Log(Place(Path("unused"), postgres_database))
    with log.open_limits() as limits:
        asyncio.run(start_many(limits, 50, account=None, token=Ceiling("token", 100)))
    log.pass_time(60)
    with log.open_limits() as limits:
        asyncio.run(start_many(limits, 1, account=None, token=Ceiling("token", 100)))
    assert len(log.find_starts("token")) == 1


def test_a_clock_of_the_server_that_is_put_back_keeps_nobody_waiting_for_long(
    postgres_database: str,
) -> None:
    log = Log(Place(Path("unused"), postgres_database))
    token = Ceiling("token", 2)

    async def run() -> None:
        limits = log.open_limits()
        await start_many(limits, 2, account=None, token=token)
        await limits.slow_down(token, seconds=600)
        log.pass_time(-90_000)
        later = log.open_limits()
        for _ in range(2):
            await asyncio.wait_for(later.wait_for(None, token), 5)
        limits.close()
        later.close()

    asyncio.run(run())


def test_forgetting_leaves_nothing_of_an_account_in_the_log(place: Place) -> None:
    coordination = place.join()

    async def run() -> None:
        limits = RequestLimits(coordination.open_start_log())
        for name in ("account a", "account b"):
            await limits.wait_for(Ceiling(name, 10), Ceiling("token", 10))
            await limits.slow_down(Ceiling(name, 10), seconds=60)
        limits.close()

    asyncio.run(run())
    coordination.forget_starts("account a")
    path = place.companion.with_name(place.companion.name + ".limits")
    log = Log(Place(path, place.postgres))
    assert log.find_starts("account a") == []
    assert len(log.find_starts("account b")) == 1

    async def ask(name: str) -> None:
        limits = RequestLimits(place.join().open_start_log())
        try:
            await limits.wait_for(Ceiling(name, 10), Ceiling("token", 10), longest_pause=1)
        finally:
            limits.close()

    asyncio.run(ask("account a"))
    with pytest.raises(PausedTooLongError):
        asyncio.run(ask("account b"))


def test_a_server_that_cannot_be_used_is_told(postgres_database: str) -> None:
    log = Log(Place(Path("unused"), f"{postgres_database} user=nobody"))
    with (
        log.open_limits() as limits,
        pytest.raises(DatabaseError, match="cannot be used") as caught,
    ):
        asyncio.run(limits.wait_for(None, Ceiling("token", 5)))
    assert "TRUTO_GROUPS_DATABASE" in caught.value.advice


def test_without_a_ceiling_no_server_is_asked() -> None:
    log = Log(Place(Path("unused"), "host=127.0.0.1 port=1 dbname=none"))
    with log.open_limits() as limits:
        asyncio.run(start_many(limits, 50, account=Ceiling("a", 0), token=FREE))
