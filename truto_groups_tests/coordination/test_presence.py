"""Which runs are alive, told of processes that live, leave, are killed and fall silent.

Real: files, Postgres, processes. Only how long silence must last is shortened.
"""

import os
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest

from truto_groups.coordination.postgres import presence
from truto_groups.coordination.postgres.postgres_coordination import PostgresCoordination
from truto_groups.coordination.postgres.sessions import PostgresSession, Server
from truto_groups.coordination.seam import TRACE_DAYS
from truto_groups_tests.places import OPEN, Place
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import as_another_user, other_process

pytestmark = pytest.mark.long

PRESENT = f"""{OPEN}
import time
with coordination.mark_alive("run/1"):
    print("ready", flush=True)
    time.sleep(60)
"""


def execute(conninfo: str, sql: str, **values: object) -> None:
    connection = psycopg2.connect(conninfo)
    try:
        connection.autocommit = True
        connection.cursor().execute(sql, values)
    finally:
        connection.close()


def fall_silent(conninfo: str, *, seconds: float) -> None:
    """Let it be so long ago that any run was heard, while others were heard all the time."""
    execute(
        conninfo,
        "UPDATE truto_groups_coordination.presence SET "
        "began_at = began_at - make_interval(secs => %(seconds)s), seen_at = "
        "seen_at - make_interval(secs => CASE run_id WHEN '' THEN 0 ELSE %(seconds)s END)",
        seconds=seconds,
    )


def cut_off(conninfo: str, *, seconds: float) -> None:
    """Let it be so long ago that anybody reached the server."""
    execute(
        conninfo,
        "UPDATE truto_groups_coordination.presence SET "
        "began_at = began_at - make_interval(secs => 3600), "
        "seen_at = seen_at - make_interval(secs => %(seconds)s)",
        seconds=seconds,
    )


def kill_a_backend(conninfo: str) -> None:
    """Kill one session's process, as the kernel does when memory is out: all sessions end."""
    one, other = psycopg2.connect(conninfo), psycopg2.connect(conninfo)
    os.kill(one.info.backend_pid, signal.SIGKILL)
    with pytest.raises(psycopg2.OperationalError):
        other.cursor().execute("SELECT pg_sleep(30)")
    one.close()
    other.close()
    wait_until_reached(conninfo)


def wait_until_reached(conninfo: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg2.connect(conninfo).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


def is_heard(conninfo: str) -> bool | None:
    """Whether the run is heard, as somebody who just came finds it, with a tenth of the times."""
    session = PostgresSession(Server(conninfo))
    try:
        return presence.is_heard(session, "run", dead_after_seconds=1.2, gap_seconds=0.6)
    finally:
        session.close()


def wait_until_seen(conninfo: str, *, within_seconds: float) -> float:
    """Wait for the next heartbeat; how long that took."""
    began = time.monotonic()
    session = PostgresSession(Server(conninfo))
    try:
        while not presence.is_heard(session, "run", dead_after_seconds=0.3):
            assert time.monotonic() - began < within_seconds
            time.sleep(0.05)
    finally:
        session.close()
    return time.monotonic() - began


def test_a_run_is_present_while_its_process_lives(place: Place) -> None:
    coordination = place.join()
    assert not coordination.is_alive("run/1")
    assert not coordination.is_abandoned("run/1")
    with other_process(PRESENT, *place.arguments):
        assert coordination.is_alive("run/1")
        assert not coordination.is_abandoned("run/1")
        assert not coordination.is_alive("run/2")


def test_a_run_that_takes_leave_is_neither_alive_nor_abandoned(place: Place) -> None:
    coordination = place.join()
    with coordination.mark_alive("run/2"):
        assert place.join().is_alive("run/2")
    assert not place.join().is_alive("run/2")
    assert not place.join().is_abandoned("run/2")


def test_a_run_that_another_process_takes_over_stays_present(place: Place) -> None:
    one, other = place.join(), place.join()
    with one.mark_alive("run"):
        taken_over = other.mark_alive("run")
        taken_over.__enter__()
    assert place.join().is_alive("run")
    taken_over.__exit__(None, None, None)
    assert not place.join().is_alive("run")
    assert not place.join().is_abandoned("run")


def age_traces(place: Place, *, days: float) -> None:
    """Let it be so long ago that what tells of runs was written."""
    if place.postgres:
        fall_silent(place.postgres, seconds=days * 24 * 3600)
        return
    then = time.time() - days * 24 * 3600
    for path in Path(f"{place.companion}.runs").iterdir():
        os.utime(path, (then, then))


def count_traces(place: Place) -> int:
    if not place.postgres:
        return len(list(Path(f"{place.companion}.runs").iterdir()))
    session = PostgresSession(Server(place.postgres))
    rows = session.run(
        "SELECT count(*) FROM truto_groups_coordination.presence WHERE run_id <> ''", {}
    )
    session.close()
    return int(rows[0][0])


def test_what_tells_of_a_killed_run_is_kept_for_as_long_as_dagster_may_ask(place: Place) -> None:
    with other_process(PRESENT, *place.arguments):
        pass
    age_traces(place, days=TRACE_DAYS - 1)
    with place.join().mark_alive("another"):
        assert count_traces(place) == 2
    age_traces(place, days=TRACE_DAYS + 1)
    with place.join().mark_alive("another"):
        assert count_traces(place) == 1


def test_a_run_that_lives_for_months_stays_present(tmp_path: Path) -> None:
    place = Place(tmp_path / "groups.duckdb")
    with place.join().mark_alive("old"):
        age_traces(place, days=TRACE_DAYS + 1)
        with place.join().mark_alive("another"):
            assert place.join().is_alive("old")


def test_a_killed_run_is_abandoned_at_once_where_the_kernel_tells(tmp_path: Path) -> None:
    place = Place(tmp_path / "groups.duckdb")
    with other_process(PRESENT, *place.arguments):
        pass
    assert place.join().is_abandoned("run/1")


def test_a_run_is_abandoned_when_it_was_not_heard_for_a_minute(postgres_database: str) -> None:
    place = Place(Path("unused"), postgres_database)
    coordination = place.join()
    with other_process(PRESENT, *place.arguments):
        pass
    fall_silent(postgres_database, seconds=50)
    assert coordination.is_alive("run/1")
    fall_silent(postgres_database, seconds=15)
    if not coordination.is_abandoned("run/1"):
        # The server of the tests has not been up for a minute itself.
        session = PostgresSession(Server(postgres_database))
        ((uptime,),) = session.run(
            "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())", {}
        )
        assert uptime < presence.DEAD_AFTER_SECONDS
        assert presence.is_heard(session, "run/1", dead_after_seconds=float(uptime) / 2) is False
        session.close()
    assert presence.BEAT_SECONDS + presence.DEAD_AFTER_SECONDS < 120


def test_heartbeats_that_stop_make_a_run_abandoned(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=0.1):
        time.sleep(1)
        assert presence.is_heard(session, "run", dead_after_seconds=0.5) is True
    with presence.mark_alive(session, "run", beat_seconds=60):
        time.sleep(1)
        assert presence.is_heard(session, "run", dead_after_seconds=0.5) is False
    session.close()


@pytest.mark.parametrize("is_crash", [False, True], ids=["restart", "crash"])
def test_the_time_in_which_postgres_was_away_is_nobodys_silence(
    postgres_database: str, postgres_cluster: PostgresCluster, is_crash: bool
) -> None:
    coordination = PostgresCoordination(postgres_database)
    with coordination.mark_alive("run"):
        fall_silent(postgres_database, seconds=3600)
        postgres_cluster.restart(is_crash=is_crash)
        assert PostgresCoordination(postgres_database).is_alive("run")
        assert not coordination.is_abandoned("run")


@pytest.mark.parametrize("is_crash", [False, True], ids=["restart", "crash"])
def test_heartbeats_go_on_after_a_restart_of_postgres(
    postgres_database: str, postgres_cluster: PostgresCluster, is_crash: bool
) -> None:
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=0.1):
        postgres_cluster.stop(is_crash=is_crash)
        time.sleep(1)
        postgres_cluster.start()
        time.sleep(0.5)
        assert wait_until_seen(postgres_database, within_seconds=10) < 5
    session.close()


def test_a_presence_that_a_failover_lost_is_told_anew(postgres_database: str) -> None:
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=0.1):
        execute(postgres_database, "DELETE FROM truto_groups_coordination.presence")
        wait_until_seen(postgres_database, within_seconds=10)
    session.close()


def test_a_recovery_after_a_backend_was_killed_is_nobodys_silence(postgres_database: str) -> None:
    """The time at which the server started stays what it was."""
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=60):
        time.sleep(1.5)  # the server of the tests may have just been started
        cut_off(postgres_database, seconds=90)
        kill_a_backend(postgres_database)
        assert is_heard(postgres_database) is True
    session.close()


@pytest.mark.slow
def test_the_time_in_which_all_were_cut_off_is_nobodys_silence(postgres_database: str) -> None:
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=60, gap_seconds=0.6):
        time.sleep(1.5)
        assert is_heard(postgres_database) is True
        began = time.monotonic()
        while is_heard(postgres_database):
            assert time.monotonic() - began < 10
            time.sleep(0.1)
        assert time.monotonic() - began > 1
    session.close()


def test_a_dead_run_is_told_by_those_who_are_heard_without_it(postgres_database: str) -> None:
    session, other = (
        PostgresSession(Server(postgres_database)),
        PostgresSession(Server(postgres_database)),
    )
    with (
        presence.mark_alive(session, "run", beat_seconds=60, gap_seconds=0.6),
        presence.mark_alive(other, "other", beat_seconds=0.1, gap_seconds=0.6),
    ):
        assert is_heard(postgres_database) is True
        time.sleep(1.5)
        assert is_heard(postgres_database) is False
    session.close()
    other.close()


def test_a_run_that_was_killed_long_ago_is_abandoned_at_the_first_look(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a daemon the next to look is the next sync, and there is one a day."""
    monkeypatch.setattr(presence, "HOPELESS_SECONDS", 0.3)
    session = PostgresSession(Server(postgres_database))
    with presence.mark_alive(session, "run", beat_seconds=60):
        cut_off(postgres_database, seconds=3600)
        time.sleep(0.5)  # the server of the tests may have just been started
        assert PostgresCoordination(postgres_database).is_abandoned("run")
    session.close()


def test_a_leave_is_taken_when_postgres_is_back_and_keeps_nobody_waiting(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    session = PostgresSession(Server(postgres_database, patience_seconds=0.3))
    present = presence.mark_alive(session, "run", beat_seconds=0.1, leave_seconds=0.5)
    present.__enter__()
    postgres_cluster.stop()
    try:
        began = time.monotonic()
        present.__exit__(None, None, None)
        assert time.monotonic() - began < 3
    finally:
        time.sleep(1)  # longer than one attempt to leave lasts
        postgres_cluster.start()
    while is_heard(postgres_database) is not None:
        assert time.monotonic() - began < 20
        time.sleep(0.1)
    session.close()


def test_a_folder_that_may_be_written_and_not_listed_keeps_nobody_from_being_present() -> None:
    with TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        place = Place(Path(home) / "groups.duckdb")
        folder = Path(f"{place.companion}.runs")
        folder.mkdir()
        folder.chmod(0o333)
        try:
            with as_another_user(), place.join().mark_alive("run"):
                assert place.join().is_alive("run")
        finally:
            folder.chmod(0o777)
