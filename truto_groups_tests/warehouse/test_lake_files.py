"""A COMMIT whose answer is lost on its way: no file that the catalogue names is gone.

Real: Postgres, DuckLake, an object store where there is one; the way to Postgres loses answers.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from psycopg2.extensions import make_dsn

from truto_groups.errors import LostTransactionError
from truto_groups.schema import DATABASE_PROPERTIES
from truto_groups.settings import read_object_store
from truto_groups.warehouse import lake_files, upkeep
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups_tests.object_store import (
    DATA_PATH,
    ObjectStoreServer,
    name_variables,
    run_object_store,
)
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import read_rows
from truto_groups_tests.ways import Way, end

pytestmark = pytest.mark.long

_MANY = "INSERT INTO database_properties SELECT 'row ' || range, 'x' FROM range($count)"
# More than are kept in the catalogue.
_DELETE = "DELETE FROM database_properties WHERE right(name, 1) IN ('0', '2', '4', '6', '8')"


class ForgetfulWay(Way):
    """A way to a Postgres that loses the answer to a lake's next COMMIT when it is told to.

    Attributes:
        lost_count: How many answers were lost.
    """

    def __init__(self, port: int) -> None:
        self._is_losing = False
        self.lost_count = 0
        super().__init__(port)

    def lose_the_next(self) -> None:
        """Let the next COMMIT arrive and its answer not."""
        self._is_losing = True

    def carry(self, here: socket.socket, there: socket.socket) -> None:
        muted = threading.Event()
        for work in (self._ask, self._answer):
            threading.Thread(target=work, args=(here, there, muted), daemon=True).start()

    def _ask(self, here: socket.socket, there: socket.socket, muted: threading.Event) -> None:
        has_written = False
        with suppress(OSError):
            while data := here.recv(1 << 16):
                # Others commit as well, such as whoever has the turn.
                has_written |= b"INSERT INTO" in data and b"ducklake_snapshot" in data
                if self._is_losing and has_written and b"COMMIT\0" in data:
                    self._is_losing = False
                    self.lost_count += 1
                    muted.set()
                    there.sendall(data)
                    time.sleep(0.5)  # Postgres commits; what it answers finds nobody
                    break
                there.sendall(data)
        end(here, there)

    def _answer(self, here: socket.socket, there: socket.socket, muted: threading.Event) -> None:
        with suppress(OSError):
            while data := there.recv(1 << 16):
                if not muted.is_set():
                    here.sendall(data)
        end(here, there)


@pytest.fixture(name="way")
def provide_way(postgres_cluster: PostgresCluster) -> Iterator[ForgetfulWay]:
    way = ForgetfulWay(postgres_cluster.port)
    yield way
    way.cut()


@pytest.fixture(name="store", scope="module")
def provide_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    with run_object_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(name="lake")
def provide_lake(way: ForgetfulWay, postgres_database: str, tmp_path: Path) -> Database:
    return Database(locate(way, postgres_database), data_path=f"{tmp_path / 'lake'}/")


@pytest.fixture(name="lake_in_store")
def provide_lake_in_store(
    way: ForgetfulWay, postgres_database: str, store: ObjectStoreServer
) -> Database:
    variables = read_object_store(store.variables)
    location = locate(way, postgres_database)
    return Database(location, data_path=store.data_path, object_store=variables)


def locate(way: ForgetfulWay, conninfo: str) -> str:
    return f"ducklake:postgres:{make_dsn(conninfo, port=way.port)}"


def insert(connection: Connection, count: int) -> None:
    connection.execute(_MANY, {"count": count}).fetchall()


def count_rows(lake: Database) -> int:
    ((count,),) = read_rows(
        lake, "SELECT count(DISTINCT name) FROM database_properties WHERE value = 'x'"
    )
    return count


def write_and_lose(lake: Database, way: ForgetfulWay, sql: str, **values: object) -> None:
    """Write what is committed, and hear nothing of it."""
    with lake.writing() as connection:
        connection.execute(sql, values or None).fetchall()
        way.lose_the_next()


@pytest.mark.parametrize("name", ["lake", pytest.param("lake_in_store", marks=pytest.mark.slow)])
def test_files_and_marks_of_deleted_rows_of_a_commit_whose_answer_was_lost_are_there(
    request: pytest.FixtureRequest, way: ForgetfulWay, name: str
) -> None:
    lake: Database = request.getfixturevalue(name)
    with lake.writing() as connection:
        insert(connection, 10)
    for sql, values, left in ((_MANY, {"count": 5000}, 5000), (_DELETE, {}, 2500)):
        way.lost_count = 0
        with pytest.raises(LostTransactionError):
            write_and_lose(lake, way, sql, **values)
        assert way.lost_count == 1
        assert count_rows(lake) == left


def test_upkeep_goes_on_where_the_answer_to_a_flush_was_lost(
    lake: Database, way: ForgetfulWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lake.writing() as connection:
        insert(connection, 500)
    committing = lake_files.WrittenFiles.kept

    def kept(files: lake_files.WrittenFiles) -> AbstractContextManager[None]:
        if way.lost_count == 0:
            way.lose_the_next()
        return committing(files)

    monkeypatch.setattr(lake_files.WrittenFiles, "kept", kept)
    monkeypatch.setattr(upkeep, "TABLES", [DATABASE_PROPERTIES])  # the others have no rows
    upkeep.maintain_lake(lake, before=datetime.now(UTC))
    assert way.lost_count == 1

    assert count_rows(lake) == 500


def test_what_a_machine_wrote_whose_clock_is_ahead_is_not_copied_again(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Database(f"ducklake:postgres:{postgres_database}", data_path=f"{tmp_path / 'lake'}/")
    with lake.writing() as connection:
        insert(connection, 5000)
    with lake.writing() as connection:
        connection.execute(_DELETE).fetchall()
    before = set((tmp_path / "lake").rglob("*.parquet"))
    monkeypatch.setattr(lake_files, "time", SimpleNamespace(time=lambda: time.time() - 3 * 3600))
    copies: list[str] = []

    def make_folder() -> TemporaryDirectory[str]:
        folder = TemporaryDirectory()
        copies.append(folder.name)
        return folder

    monkeypatch.setattr(lake_files, "make_temporary_folder", make_folder)
    with lake.writing() as connection:
        insert(connection, 3000)

    assert len(set((tmp_path / "lake").rglob("*.parquet")) - before) == 1
    assert len(copies) == 1


def test_what_needs_no_file_is_written_while_the_object_store_is_away(
    postgres_database: str,
) -> None:
    nowhere = read_object_store(name_variables("http://127.0.0.1:1"))
    location = f"ducklake:postgres:{postgres_database}"
    lake = Database(location, data_path=DATA_PATH, object_store=nowhere)
    for count in (10, 20):
        with lake.writing() as connection:
            insert(connection, count)

    assert count_rows(lake) == 20
