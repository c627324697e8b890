"""Sessions with Postgres: who gets in, what is told of who does not, and what is made there."""

import sys
import threading
import time
import traceback
from pathlib import Path

import psycopg2
import pytest

from truto_groups.coordination.choice import choose_coordination
from truto_groups.coordination.postgres.conninfo import bound_timeout
from truto_groups.coordination.postgres.postgres_coordination import PostgresCoordination
from truto_groups.coordination.postgres.sessions import PostgresSession, Server
from truto_groups.errors import DatabaseError, MissingPackageError
from truto_groups.warehouse.database import Database
from truto_groups_tests.postgres import PostgresCluster

SECRET = "open-sesame-42"


def count_up(coordination: PostgresCoordination) -> int:
    return coordination.advance_count(at_least=0, after_loss=lambda: 0)


@pytest.mark.parametrize("prefix", ["ducklake:postgres:", "DuckLake:Postgres:"])
def test_a_catalogue_in_postgres_is_coordinated_there(prefix: str, postgres_database: str) -> None:
    database = Database(f"{prefix}{postgres_database}")
    assert isinstance(database.coordination, PostgresCoordination)
    assert database.coordination.advance_count(at_least=0, after_loss=lambda: 0) == 1
    assert count_up(PostgresCoordination(postgres_database)) == 2


@pytest.mark.parametrize("location", ["x.duckdb", "ducklake:x.ducklake", "md:postgres", "postgres"])
def test_everything_else_is_coordinated_through_files(location: str) -> None:
    assert not isinstance(Database(location).coordination, PostgresCoordination)


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("truto_groups.coordination.post")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(MissingPackageError, match="psycopg2") as caught:
        choose_coordination(Path("unused"), postgres="host=nowhere")
    assert "pip install 'truto-groups[cluster]'" in caught.value.advice


@pytest.mark.parametrize(
    "conninfo",
    [
        f"host=127.0.0.1 port=1 user=u password={SECRET} dbname=d",
        f"postgres://u:{SECRET}@127.0.0.1:1/d",
        f"postgres://u:with@{SECRET}@127.0.0.1:1/d",
        f"password={SECRET} nonsense",
        f"host=127.0.0.1 passwrd={SECRET}",
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_its_secret(conninfo: str) -> None:
    database = Database(f"ducklake:postgres:{conninfo}", patience_seconds=0)
    with pytest.raises(DatabaseError) as caught:
        database.coordination.is_alive("run")
    told = str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "TRUTO_GROUPS_DATABASE" in told
    assert "\n" not in told


@pytest.mark.long
def test_a_server_that_is_away_when_it_is_first_needed_is_waited_for(
    postgres_database: str, postgres_cluster: PostgresCluster, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres_cluster.away_until_told():
        assert count_up(PostgresCoordination(postgres_database)) == 1
    (line,) = caplog.messages
    assert line.startswith("Postgres, through which runs are coordinated, is away (connection to")
    assert line.endswith("It is waited for, for up to 60 s.")


@pytest.mark.parametrize("wrong", ["user=nobody", "dbname=none"])
def test_a_server_that_lets_nobody_in_is_not_waited_for(
    wrong: str, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        count_up(PostgresCoordination(f"{postgres_database} {wrong}"))
    assert not caplog.messages


@pytest.mark.parametrize(
    "wrong",
    ["connect_timeout=5s", "connect_timeout=", "port=54a3", "port=99999", "sslmode=on"],
)
@pytest.mark.parametrize("within_seconds", [None, 3.0])
def test_what_libpq_cannot_use_is_told_at_once_and_not_waited_for(
    wrong: str,
    within_seconds: float | None,
    postgres_database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A slip of the pen was waited for for a minute, as a server that is away."""
    coordination = PostgresCoordination(f"{postgres_database} {wrong}")
    with (
        pytest.raises(DatabaseError, match=r"invalid (integer|port|sslmode)"),
        coordination.turn(is_alone=True, within_seconds=within_seconds),
    ):
        pass
    assert not caplog.messages


@pytest.mark.parametrize("told", ["0", "-1", "30"])
def test_a_timeout_of_ones_own_is_no_longer_than_who_asks_has_time(told: str) -> None:
    assert bound_timeout(told, within_seconds=3.0) == "3"
    assert bound_timeout("1", within_seconds=3.0) == "1"


def test_first_starts_at_once_all_succeed(postgres_database: str) -> None:
    numbers: list[int] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        coordination = PostgresCoordination(postgres_database)
        barrier.wait()
        numbers.append(count_up(coordination))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(numbers) == list(range(1, 9))


def test_who_may_make_no_schema_uses_the_one_that_is_there(postgres_database: str) -> None:
    count_up(PostgresCoordination(postgres_database))
    user = f"user_{postgres_database[-32:]}"
    connection = psycopg2.connect(postgres_database)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE USER {user}; GRANT USAGE ON SCHEMA truto_groups_coordination TO {user};"
            "GRANT SELECT, INSERT, UPDATE, DELETE "
            f"ON ALL TABLES IN SCHEMA truto_groups_coordination TO {user}"
        )
    connection.close()
    assert count_up(PostgresCoordination(f"{postgres_database} user={user}")) == 2


def test_a_refusal_is_told_and_not_tried_again(postgres_database: str) -> None:
    count_up(PostgresCoordination(postgres_database))
    session = PostgresSession(Server(postgres_database))
    session.run("SELECT 1", {})
    began = time.monotonic()
    with pytest.raises(DatabaseError, match=r"SQL|division"):
        session.run("SELECT 1 / 0", {})
    assert time.monotonic() - began < 2
    assert session.run("SELECT 2", {}) == [(2,)]
    session.close()


@pytest.mark.long
def test_a_server_that_stays_away_is_told_after_a_while(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    session = PostgresSession(Server(postgres_database, patience_seconds=0.5))
    session.run("SELECT 1", {})
    postgres_cluster.stop()
    try:
        began = time.monotonic()
        with pytest.raises(DatabaseError, match="coordinated"):
            session.run("SELECT 1", {})
        assert 0.4 < time.monotonic() - began < 10
    finally:
        postgres_cluster.start()
    assert session.run("SELECT 1", {}) == [(1,)]
    session.close()


@pytest.mark.long
def test_closing_a_session_ends_the_waiting_for_a_server(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    session = PostgresSession(Server(postgres_database))
    session.run("SELECT 1", {})
    errors: list[DatabaseError] = []

    def ask() -> None:
        try:
            session.run("SELECT 1", {})
        except DatabaseError as error:
            errors.append(error)

    postgres_cluster.stop()
    try:
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.5)
        session.close()
        thread.join(10)
        assert len(errors) == 1
    finally:
        postgres_cluster.start()
