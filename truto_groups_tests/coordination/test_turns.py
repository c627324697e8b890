"""Turns, between threads and processes that are killed, stopped and cut off.

Real: files, Postgres, processes. Nothing is faked.
"""

import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from truto_groups.coordination.postgres import turns
from truto_groups.coordination.postgres.postgres_coordination import PostgresCoordination
from truto_groups.coordination.postgres.sessions import Server
from truto_groups.errors import DatabaseError, TurnLostError
from truto_groups.warehouse.database import Database
from truto_groups_tests.places import OPEN, Place
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import other_process
from truto_groups_tests.stand import read_rows

pytestmark = pytest.mark.long

HOLDER = f"""{OPEN}
import time
with coordination.turn(is_alone=True):
    print("ready", flush=True)
    time.sleep(float(sys.argv[3]))
"""

COUNTER = f"""{OPEN}
path = Path(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with coordination.turn(is_alone=True):
        path.write_text(str(int(path.read_text()) + 1))
"""

WAITER = f"""{OPEN}
print("ready", flush=True)
try:
    with coordination.turn(is_alone=True):
        print("taken", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_turn_is_waited_for(place: Place) -> None:
    with other_process(HOLDER, *place.arguments, 0.8):
        before = time.monotonic()
        with place.join().turn(is_alone=True) as turn:
            turn.require()
            assert time.monotonic() - before > 0.3


def test_who_is_killed_leaves_its_turn_to_the_next_at_once(place: Place) -> None:
    with other_process(HOLDER, *place.arguments, 60) as process:
        process.kill()
        before = time.monotonic()
        with place.join().turn(is_alone=True, within_seconds=10):
            assert time.monotonic() - before < 3


def test_processes_that_take_turns_lose_nothing(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    with (
        other_process(COUNTER, *place.arguments, path) as one,
        other_process(COUNTER, *place.arguments, path) as two,
    ):
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in (one, two):
            assert process.wait(30) == 0
    assert path.read_text() == "40"


def test_a_turn_that_does_not_come_in_time_is_given_up(place: Place) -> None:
    with place.join().turn(is_alone=True):
        before = time.monotonic()
        with pytest.raises(TimeoutError), place.join().turn(is_alone=True, within_seconds=0.3):
            pass
        assert 0.2 < time.monotonic() - before < 5
    with place.join().turn(is_alone=True, within_seconds=5):
        pass


def test_who_has_a_turn_may_read_in_it(place: Place) -> None:
    coordination = place.join()
    with coordination.turn(is_alone=True), coordination.turn(is_alone=False) as reading:
        reading.require()
        assert not coordination.is_alive("nobody")


def test_turns_come_in_the_order_of_asking(place: Place) -> None:
    order: list[int] = []

    def wait(number: int) -> None:
        with place.join().turn(is_alone=True):
            order.append(number)

    with place.join().turn(is_alone=True):
        threads = [threading.Thread(target=wait, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
            time.sleep(0.15)
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3]


def test_who_waits_can_be_interrupted(place: Place) -> None:
    with (
        place.join().turn(is_alone=True),
        other_process(WAITER, *place.arguments) as process,
    ):
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == "interrupted\n"
    with place.join().turn(is_alone=True, within_seconds=5):
        pass


def test_who_reads_waits_for_no_turn_where_there_are_snapshots(postgres_database: str) -> None:
    one, other = PostgresCoordination(postgres_database), PostgresCoordination("host=nowhere")
    with one.turn(is_alone=True), one.turn(is_alone=False), other.turn(is_alone=False):
        pass


def test_a_turn_whose_session_was_lost_says_so(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    coordination = PostgresCoordination(postgres_database)
    with coordination.turn(is_alone=True) as turn:
        turn.require()
        postgres_cluster.restart()
        with coordination.turn(is_alone=True, within_seconds=5) as another:
            another.require()
            with pytest.raises(TurnLostError, match="was lost") as caught:
                turn.require()
    assert "again" in caught.value.advice


def test_what_was_written_in_a_turn_that_was_lost_is_not_committed(
    tmp_path: Path, postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    database = Database(str(tmp_path / "groups.duckdb"))
    database.coordination = PostgresCoordination(postgres_database)

    def write(name: str, *, is_cut_off: bool) -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO database_properties VALUES ($n, 'x')", {"n": name})
            if is_cut_off:
                postgres_cluster.restart()

    write("before", is_cut_off=False)
    with pytest.raises(TurnLostError):
        write("lost", is_cut_off=True)
    write("after", is_cut_off=False)
    found = read_rows(database, "SELECT name FROM database_properties WHERE value = 'x'")
    assert sorted(found) == [("after",), ("before",)]


@pytest.mark.parametrize("is_crash", [False, True], ids=["restart", "crash"])
def test_who_waits_goes_on_waiting_when_postgres_was_away(
    postgres_database: str, postgres_cluster: PostgresCluster, is_crash: bool
) -> None:
    place = Place(Path("unused"), postgres_database)
    with (
        place.join().turn(is_alone=True),
        other_process(WAITER, *place.arguments) as process,
    ):
        time.sleep(0.5)
        postgres_cluster.restart(is_crash=is_crash)
        assert process.communicate(timeout=20)[0] == "taken\n"


@pytest.mark.slow
def test_who_waits_for_a_while_waits_no_longer_when_the_way_to_postgres_is_cut(
    postgres_database: str,
) -> None:
    """Cut off while it waits: no answer comes, and nothing tells of it."""
    coordination = PostgresCoordination(postgres_database)
    waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    stopped: list[int] = []

    def cut_off() -> None:
        with closing(psycopg2.connect(postgres_database)) as other, other.cursor() as cursor:
            while not stopped:
                cursor.execute(waits)
                stopped.extend(pid for (pid,) in cursor.fetchall())
        os.kill(stopped[0], signal.SIGSTOP)

    with coordination.turn(is_alone=True):
        began = time.monotonic()
        thread = threading.Thread(target=cut_off)
        thread.start()
        try:
            with (
                pytest.raises(DatabaseError, match="it does not answer"),
                PostgresCoordination(postgres_database).turn(is_alone=True, within_seconds=3),
            ):
                pass
            assert time.monotonic() - began < 10
        finally:
            thread.join(10)
            os.kill(stopped[0], signal.SIGCONT)
    with coordination.turn(is_alone=True, within_seconds=10):
        pass


def test_who_falls_silent_loses_its_turn(postgres_database: str) -> None:
    silent = f"""{OPEN}
from truto_groups.coordination.postgres import turns
from truto_groups.coordination.postgres.sessions import Server
with turns.turn(Server(sys.argv[2]), idle_seconds=0.5) as turn:
    print("ready", flush=True)
    sys.stdin.readline()
    turn.require()
"""
    place = Place(Path("unused"), postgres_database)
    with other_process(silent, *place.arguments) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with place.join().turn(is_alone=True, within_seconds=10):
            os.kill(process.pid, signal.SIGCONT)
            process.communicate("go\n", timeout=10)
    assert process.returncode != 0


def test_who_works_for_long_keeps_its_turn(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "KEEP_SECONDS", 0.1)
    with turns.turn(Server(postgres_database), idle_seconds=0.5) as turn:
        time.sleep(1.5)
        turn.require()


def test_a_server_that_stays_away_ends_the_waiting(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    server = Server(postgres_database, patience_seconds=0.5)
    with turns.turn(server):
        pass
    postgres_cluster.stop()
    try:
        with pytest.raises(DatabaseError, match="coordinated") as caught, turns.turn(server):
            pass
    finally:
        postgres_cluster.start()
    assert "TRUTO_GROUPS_DATABASE" in caught.value.advice


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "silent"])
def test_who_waits_for_a_while_waits_no_longer_when_postgres_is_away(
    postgres_database: str, postgres_cluster: PostgresCluster, is_gone: bool
) -> None:
    """A run that is cancelled has ten seconds in all."""
    coordination = PostgresCoordination(postgres_database)
    with coordination.turn(is_alone=True):
        pass
    with postgres_cluster.away(is_gone=is_gone):
        began = time.monotonic()
        with (
            pytest.raises(DatabaseError, match="coordinated"),
            coordination.turn(is_alone=True, within_seconds=1),
        ):
            pass
        assert 0.9 < time.monotonic() - began < 5
