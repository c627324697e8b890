"""A lake with its catalogue in Postgres: first starts, readers, lost connections, object stores.

Real: Postgres, an object store where there is one, DuckLake, DuckDB.
"""

import logging
import re
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_postgres_scanner
import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from truto_groups import read
from truto_groups.coordination.seam import Turn
from truto_groups.errors import DatabaseError, LostTransactionError
from truto_groups.settings import read_environment, read_object_store
from truto_groups.sync.settle import AccountResult
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse import lake as lake_module
from truto_groups.warehouse.connections import connect
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.duckdb_errors import is_lost
from truto_groups.warehouse.lake import Lake
from truto_groups.warehouse.ledger_table import end_killed_attempts
from truto_groups.warehouse.location import read_location
from truto_groups.warehouse.upkeep import maintain_lake
from truto_groups_tests.lake_values import read_lake
from truto_groups_tests.object_store import (
    DATA_PATH,
    ObjectStoreServer,
    name_variables,
    run_object_store,
)
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import python
from truto_groups_tests.stand import (
    A,
    B,
    Stand,
    groups_of,
    lose_once,
    open_stand,
    read_rows,
    use_ducklake,
)
from truto_groups_tests.ways import Way, way_to

pytestmark = pytest.mark.long

# Of an extension, its last bytes.
_SIGNATURE_SIZE = 256


@pytest.fixture(name="new_lake")
def provide_new_lake(postgres_database: str, tmp_path: Path) -> Database:
    """A lake that nobody has made yet."""
    return Database(f"ducklake:postgres:{postgres_database}", data_path=f"{tmp_path / 'lake'}/")


@dataclass(frozen=True)
class MadeLake:
    """Where a lake is that was made already.

    Attributes:
        conninfo: Of its catalogue.
        data_path: Where its files lie.
    """

    conninfo: str
    data_path: str

    def open(self) -> Database:
        return Database(f"ducklake:postgres:{self.conninfo}", data_path=self.data_path)


@pytest.fixture(name="made", scope="module")
def provide_made(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> MadeLake:
    return MadeLake(postgres_cluster.make_database(), f"{tmp_path_factory.mktemp('lake')}/")


@pytest.fixture(name="lake")
def provide_lake(made: MadeLake) -> Database:
    """A lake in which "one" was put, and nothing else, whoever had it before."""
    with made.open().writing() as connection:
        connection.execute("DELETE FROM database_properties WHERE value = 'x'").fetchall()
        connection.execute("INSERT INTO database_properties VALUES ('one', 'x')").fetchall()
    return made.open()


@pytest.fixture(name="listed_once", scope="module")
def provide_listed_once(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stand, str]]:
    conninfo = postgres_cluster.make_database()
    with open_stand(tmp_path_factory.mktemp("listed")) as stand:
        use_ducklake(stand, conninfo)
        for account in ACCOUNTS:
            stand.put(account, groups_of(3))
        stand.discover()
        yield stand, conninfo


@pytest.fixture(name="listed")
def provide_listed(listed_once: tuple[Stand, str]) -> Stand:
    """A stand on a lake in which accounts of three groups each are listed, one for each test.

    All have the same, of which making takes a second, and look at nothing but their own account.
    """
    stand, conninfo = listed_once
    use_ducklake(stand, conninfo)  # another `Database`, of which nothing is patched
    return stand


ACCOUNTS = [f"{number:08x}-0000-4000-8000-000000000001" for number in range(1, 7)]
(
    CUT_OFF,
    ANSWER_LOST,
    CALLED_KILLED,
    REPLAYED,
    ROLLED_BACK,
    ANSWER_OF_LISTING_LOST,
) = ACCOUNTS


def put(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO database_properties VALUES ($name, 'x')", {"name": name}
        ).fetchall()


def names_in(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM database_properties WHERE value = 'x' ORDER BY name"
    ).fetchall()
    return [row[0] for row in rows]


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return names_in(connection)


def test_a_first_start_without_a_place_for_the_files_says_what_to_set(
    postgres_database: str,
) -> None:
    with pytest.raises(DatabaseError, match="set TRUTO_GROUPS_DATA_PATH to where its files"):
        put(Database(f"ducklake:postgres:{postgres_database}"), "one")


def test_who_reads_before_the_first_start_is_told_so_and_makes_no_lake(new_lake: Database) -> None:
    for read_it in (names, Database.open_remote):
        with pytest.raises(DatabaseError, match="There is no database at"):
            read_it(new_lake)
    assert not new_lake.exists
    put(new_lake, "one")
    assert new_lake.exists
    assert Database(new_lake.location).exists
    assert names(new_lake) == ["one"]


def test_a_lake_of_which_nobody_can_tell_is_there_so_that_who_opens_it_says_why() -> None:
    away = Database(
        "ducklake:postgres:host=127.0.0.1 port=1 dbname=none",
        data_path="/nowhere/",
        patience_seconds=0,
    )
    assert away.exists
    with pytest.raises(DatabaseError, match="cannot be used"):
        names(away)


def test_once_it_is_made_it_is_found_without_the_place_of_its_files(lake: Database) -> None:
    again = Database(lake.location)
    put(again, "two")
    assert names(again) == ["one", "two"]


def test_another_place_for_the_files_than_it_was_made_with_is_refused(
    lake: Database, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseError, match="Set TRUTO_GROUPS_DATA_PATH to where its files lie"):
        put(Database(lake.location, data_path=f"{tmp_path / 'other'}/"), "two")


def test_an_extension_that_is_not_installed_is_named_with_what_installs_it(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "duckdb_extension_postgres_scanner", None)
    with pytest.raises(DatabaseError, match=r"pip install 'truto-groups\[cluster\]'"):
        put(Database(f"ducklake:postgres:{postgres_database} application_name=a"), "one")


def test_an_extension_that_is_damaged_is_named(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "ducklake.duckdb_extension"
    damaged.write_bytes(b"half of it")
    monkeypatch.setattr(lake_module, "_find_extension", lambda _: damaged)
    lake = Database(f"ducklake:postgres:{postgres_database} application_name=c")
    with pytest.raises(DatabaseError, match=r"extension ducklake, .* is not a DuckDB"):
        put(lake, "one")


def read_extension(package: ModuleType) -> bytes:
    """What a wheel brought."""
    (path,) = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
    return path.read_bytes()


def without_signature(extension: bytes) -> bytes:
    return extension[:-_SIGNATURE_SIZE] + bytes(_SIGNATURE_SIZE)


def test_the_signature_of_an_extension_is_checked_once_and_of_what_takes_its_place_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []

    def note(*, may_load_unsigned: bool, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(may_load_unsigned)
        return connect(may_load_unsigned=may_load_unsigned, **options)

    extension = read_extension(duckdb_extension_ducklake)
    path = tmp_path / "ducklake.duckdb_extension"
    path.write_bytes(extension)
    monkeypatch.setattr(lake_module, "_find_extension", lambda _: path)
    monkeypatch.setattr(lake_module, "connect", note)
    lake = Lake(read_location(f"ducklake:{tmp_path / 'catalog.ducklake'}"), None, None)
    lake.connect().close()
    lake.connect().close()
    assert opened == [False, True]
    replacement = tmp_path / "replacement"
    replacement.write_bytes(without_signature(extension))
    replacement.replace(path)
    with pytest.raises(DatabaseError, match="signature is either missing or invalid"):
        lake.connect()


def test_the_signature_of_an_extension_that_no_wheel_brought_is_checked(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect() as connection:
        version, platform = connection.execute(
            "SELECT library_version, platform FROM pragma_version(), pragma_platform()"
        ).fetchall()[0]
    name = "postgres_scanner.duckdb_extension"
    placed = tmp_path / ".duckdb" / "extensions" / version / platform / name
    placed.parent.mkdir(parents=True)
    placed.write_bytes(without_signature(read_extension(duckdb_extension_postgres_scanner)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "duckdb_extension_postgres_scanner", None)
    with pytest.raises(DatabaseError, match="signature is either missing or invalid"):
        put(Database(f"ducklake:postgres:{postgres_database} application_name=b"), "one")


def test_no_connection_to_a_lake_may_load_more_extensions_unsigned(lake: Database) -> None:
    with (
        lake.reading() as kept,
        lake.catalogue() as catalogue,
        closing(lake.connect()) as own,
        closing(lake.open_remote()) as handed_out,
    ):
        for connection in (kept, catalogue, own, handed_out):
            assert connection is not None
            allowed = connection.execute("SELECT current_setting('allow_unsigned_extensions')")
            assert allowed.fetchall() == [(False,)]
            with pytest.raises(duckdb.InvalidInputException, match="while database is running"):
                connection.execute("SET allow_unsigned_extensions = true")


def test_blocks_share_a_connection_that_stays_open(lake: Database) -> None:
    """What it has attached, it need not attach again."""
    with lake.reading() as connection:
        connection.execute("CREATE OR REPLACE TABLE memory.main.mark (a INTEGER)").fetchall()
    with Database(lake.location, data_path=lake_path(lake)).writing() as connection:
        assert connection.execute("FROM memory.main.mark").fetchall() == []


def lake_path(lake: Database) -> str:
    return read_rows(lake, "SELECT value FROM ducklake_options(current_database()) "
                     "WHERE option_name = 'data_path'")[0][0]  # fmt: skip


def test_a_connection_that_was_handed_in_keeps_its_own_tables_from_block_to_block(
    lake: Database,
) -> None:
    connection = connect()
    connection.execute("CREATE TABLE mine AS SELECT 'own' AS name").fetchall()
    for number in ("1", "2"):
        with lake.writing(connection):
            connection.execute(
                "INSERT INTO database_properties SELECT name || $n, 'x' FROM memory.mine",
                {"n": number},
            ).fetchall()
        assert connection.execute("FROM mine").fetchall() == [("own",)]
    assert names(lake) == ["one", "own1", "own2"]


def test_who_reads_sees_one_state_while_others_write(lake: Database) -> None:
    with lake.reading() as connection:
        assert names_in(connection) == ["one"]
        put(Database(lake.location), "two")
        assert names_in(connection) == ["one"]
    assert names(lake) == ["one", "two"]


def test_a_look_stays_as_it_was_taken_and_cannot_write(
    lake: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with read.connect(lake.location) as connection:
        put(lake, "two")
        assert names_in(connection) == ["one"]
        with pytest.raises(duckdb.Error):
            connection.execute("DELETE FROM database_properties").fetchall()
    assert names(lake) == ["one", "two"]


def test_a_connection_that_was_lost_between_blocks_is_opened_anew(
    lake: Database, postgres_cluster: PostgresCluster
) -> None:
    postgres_cluster.restart()
    put(lake, "two")
    postgres_cluster.restart()
    assert names(lake) == ["one", "two"]


def test_a_server_that_goes_away_under_a_notebook_is_told_without_the_password(
    listed: Stand, postgres_cluster: PostgresCluster
) -> None:
    location = f"{listed.database.location} password='hunter 22x'"
    with read.connect(location) as one, read.connect(location) as other:
        for connection, account in ((one, None), (other, CUT_OFF)):
            with postgres_cluster.away(is_gone=True), pytest.raises(duckdb.Error) as caught:
                read.groups(connection, account=account)
            assert "connection to server" in str(caught.value)
            assert "hunter" not in "".join(traceback.format_exception(caught.value))


def test_a_server_that_is_away_is_told_with_what_to_check(
    lake: Database, postgres_cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truto_groups.warehouse.database._RETRY_SECONDS", (0.0,))
    postgres_cluster.stop()
    try:
        for read_it in (names, Database.open_remote):
            with pytest.raises(DatabaseError, match="Check the address and the credentials"):
                read_it(lake)
    finally:
        postgres_cluster.start()
    assert names(lake) == ["one"]


def test_a_server_that_is_away_when_a_process_first_reads_is_waited_for(
    lake: Database, postgres_cluster: PostgresCluster, caplog: pytest.LogCaptureFixture
) -> None:
    with postgres_cluster.away_until_told():
        assert names(Database(lake.location)) == ["one"]
    assert "Connection refused" in caplog.messages[0]
    assert "It is done again in" in caplog.messages[0]


def test_a_server_that_lets_nobody_in_is_not_waited_for(
    lake: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseError, match='role "nobody" does not exist'):
        names(Database(lake.location.replace("user=truto_groups", "user=nobody")))
    assert not caplog.messages


def test_a_slip_of_the_pen_in_the_location_is_not_waited_for(
    lake: Database, caplog: pytest.LogCaptureFixture
) -> None:
    put(lake, "one")
    with pytest.raises(DatabaseError, match="invalid sslmode value"):
        names(Database(f"{lake.location} sslmode=on"))
    assert not caplog.messages


def test_threads_use_the_connection_side_by_side(lake: Database) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(names(lake))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["one"]] * 8


def test_a_start_that_finds_everything_makes_no_snapshot(lake: Database) -> None:
    def snapshots() -> Sequence[object]:
        sql = "SELECT max(snapshot_id) FROM ducklake_snapshots(current_database())"
        return read_rows(lake, sql)

    before = snapshots()
    with Database(lake.location).writing():
        pass
    assert snapshots() == before


@pytest.fixture(name="store", scope="module")
def provide_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    with run_object_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@dataclass
class InStore:
    """A lake in an object store, with what its first publication was told.

    Attributes:
        variables: Those that lead to it.
        outcomes: Of the publication, in the middle of which the store was away.
        losses: How often it was, and that nothing was there then.
        messages: What was logged meanwhile.
        counts: Of groups and of raw records then.
    """

    stand: Stand
    variables: dict[str, str]
    outcomes: dict[str, str]
    losses: list[str]
    messages: list[str]
    counts: tuple[int, int]


@pytest.fixture(name="in_store", scope="module")
def provide_in_store(
    store: ObjectStoreServer,
    postgres_cluster: PostgresCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InStore]:
    folder = tmp_path_factory.mktemp("in_store")
    with open_stand(folder) as stand, way_to(find_port(store)) as way:
        variables = {
            **store.variables,
            "TRUTO_GROUPS_DATABASE": f"ducklake:postgres:{postgres_cluster.make_database()}",
            "TRUTO_GROUPS_DATA_PATH": f"{store.data_path}/in_store",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{way.port}",
        }
        stand.database = Database.of(read_environment(variables, cwd=stand.folder))
        stand.knobs["page_size"] = 1000
        stand.put(A, groups_of(1500))
        stand.put(B, groups_of(1500))
        stand.discover()
        losses = be_away_once(stand, way)
        logged = Recorder()
        with logged.listening():
            outcomes = stand.outcomes(A)
        del stand.database.writing
        counts = len(stand.table("groups")), len(stand.table("raw_groups"))
        yield InStore(stand, variables, outcomes, losses, logged.messages, counts)


def find_port(store: ObjectStoreServer) -> int:
    port = urlsplit(store.variables["AWS_ENDPOINT_URL"]).port
    assert port is not None
    return port


def be_away_once(stand: Stand, way: Way) -> list[str]:
    """Let the store be away from when the groups are written until the transaction is lost."""
    ask, seen = stand.database.writing, []

    @contextmanager
    def writing(*args: Any, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        if seen == ["away"]:
            way.mend()
            seen.append(f"{len(stand.table('groups'))} rows")
        with ask(*args, **options) as connection:
            yield connection
            written = connection.execute("SELECT count(*) FROM groups").fetchall()[0][0]
            if written == 1500 and not seen:
                way.cut()
                seen.append("away")
                connection.execute(
                    "INSERT INTO database_properties SELECT i, 'x' FROM range(1500) t(i)"
                ).fetchall()

    stand.database.writing = writing
    return seen


class Recorder(logging.Handler):
    """What is logged of ours while it listens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    @contextmanager
    def listening(self) -> Iterator[None]:
        ours = logging.getLogger("truto_groups")
        ours.addHandler(self)
        try:
            yield
        finally:
            ours.removeHandler(self)


@pytest.mark.slow
def test_a_publication_outlives_an_object_store_that_is_away_in_the_middle_of_it(
    in_store: InStore,
) -> None:
    assert in_store.outcomes == {A: "published"}
    assert in_store.losses == ["away", "0 rows"]
    assert "It is done again in" in "".join(in_store.messages)
    assert in_store.counts == (1500, 1500)
    assert names(in_store.stand.database) == []


@pytest.mark.slow
def test_files_lie_in_an_object_store_that_the_variables_of_aws_lead_to(
    in_store: InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And hold nothing of what was deleted, when the lake is written anew."""
    stand = in_store.stand
    files = stand.rows(
        "SELECT DISTINCT data_file FROM ducklake_list_files(current_database(), 'groups')"
    )
    assert files
    assert all(path.startswith("s3://lake/groups/in_store/") for (path,) in files)
    assert list(stand.folder.rglob("*.parquet")) == []

    monkeypatch.chdir(stand.folder)
    for name, value in in_store.variables.items():
        monkeypatch.setenv(name, value)
    assert len(read.groups()) == 1500
    with read.connect(in_store.variables["TRUTO_GROUPS_DATABASE"]) as connection:
        assert connection.execute("SELECT count(*) FROM groups").fetchall() == [(1500,)]

    stand.write("DELETE FROM groups WHERE id = 'g1499'")
    assert re.search(r"\bGroup 1499\b", read_lake(stand.database, only_known=True)["files"])
    for table in ("raw_groups", "group_changes", "account_shapes"):
        stand.write(f"DELETE FROM {table}")  # noqa: S608
    assert stand.database.rewrite()
    left = read_lake(stand.database, only_known=True).values()
    assert not re.search(r"\bGroup 1499\b", "".join(left))
    assert len(stand.table("groups")) == 1499


@pytest.mark.slow
def test_an_object_store_that_hangs_is_not_waited_for_longer_than_was_asked(
    in_store: InStore, store: ObjectStoreServer
) -> None:
    """A cancelled run and a probe were held up for two minutes."""
    with way_to(find_port(store)) as way:
        variables = {**in_store.variables, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{way.port}"}
        lake = Database.of(read_environment(variables, cwd=in_store.stand.folder))
        way.is_silent = True
        began = time.monotonic()
        with (
            pytest.raises(LostTransactionError, match="Timeout was reached"),
            lake.writing(within_seconds=1) as connection,
        ):
            connection.execute("SELECT sum(length(name)) FROM groups").fetchall()
        assert time.monotonic() - began < 20
        assert lake.exists
        way.is_silent = False
        with lake.writing() as connection:
            setting = connection.execute("SELECT current_setting('http_retries')").fetchall()
        assert setting == [(3,)]


def test_files_in_an_object_store_without_a_key_are_told_with_what_to_set(
    postgres_database: str,
) -> None:
    location = f"ducklake:postgres:{postgres_database}"
    store = read_object_store(name_variables("http://127.0.0.1:1"))
    put(Database(location, data_path=DATA_PATH, object_store=store), "one")
    with (
        pytest.raises(DatabaseError, match="AWS_ACCESS_KEY_ID is not set"),
        Database(location).writing() as connection,
    ):
        connection.execute(
            "INSERT INTO database_properties SELECT 'row ' || range, 'x' FROM range(2000)"
        ).fetchall()


@pytest.mark.slow
def test_a_key_that_the_object_store_refuses_is_told_at_once_without_its_secret(
    in_store: InStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a file is read, of which DuckDB tells a refusal in other words."""
    variables = {**in_store.variables, "AWS_SECRET_ACCESS_KEY": "wrong-hunter22"}
    stand = replace(in_store.stand)
    stand.database = Database.of(read_environment(variables, cwd=stand.folder))
    sql = "SELECT sum(length(name)) FROM groups"
    for use in (lambda: stand.database.retried(lambda: stand.rows(sql)), lambda: stand.sync(B)):
        with pytest.raises(DatabaseError, match="those of the object store") as caught:
            use()
        assert "hunter22" not in str(caught.value)
    assert "It is done again" not in caplog.text


@contextmanager
def spoiling(database: Database, times: int) -> Iterator[Callable[[], None]]:
    """What somebody does who takes no turns: writes the tables in the middle of a transaction."""
    left = [times]
    lake = Lake(read_location(database.location), None, None)

    with connect() as other:
        lake.attach(other, may_create=False)
        other.execute(f"USE {lake.catalog}").fetchall()

        def spoil() -> None:
            if left[0]:
                left[0] -= 1
                other.execute(
                    "UPDATE database_properties SET value = 'x' WHERE name = 'one'"
                ).fetchall()

        yield spoil


def test_a_transaction_that_another_writer_spoiled_is_done_again(
    lake: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with spoiling(lake, 2) as spoil:

        def work() -> str:
            with lake.writing() as connection:
                connection.execute(
                    "UPDATE database_properties SET value = 'x' WHERE name = 'one'"
                ).fetchall()
                spoil()
            return "done"

        assert lake.retried(work) == "done"
    assert caplog.text.count("Failed to commit DuckLake transaction") == 2
    assert caplog.text.count("It is done again in") == 2


def test_a_transaction_that_is_spoiled_each_time_ends_with_advice(
    lake: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truto_groups.warehouse.database._RETRY_SECONDS", (0.0, 0.0))
    with spoiling(lake, 9) as spoil:

        def work() -> None:
            with lake.writing() as connection:
                connection.execute(
                    "UPDATE database_properties SET value = 'y' WHERE name = 'one'"
                ).fetchall()
                spoil()

        with pytest.raises(DatabaseError, match=r"tried 3 times.*take turns"):
            lake.retried(work)
    assert names(lake) == ["one"]


@pytest.mark.slow
def test_a_publication_outlives_a_server_that_is_started_anew_in_the_middle_of_it(
    listed: Stand, postgres_cluster: PostgresCluster
) -> None:
    sql = "SELECT count(*) FROM groups WHERE integrated_account_id = $id"
    ask, restarts = listed.database.writing, []

    @contextmanager
    def writing(*args: Any, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        with ask(*args, **options) as connection:
            yield connection
            written = connection.execute(sql, {"id": CUT_OFF}).fetchall()[0][0]
            if written == 3 and not restarts:
                restarts.append(postgres_cluster.restart())

    listed.database.writing = writing
    assert listed.outcomes(CUT_OFF, run_id="cut off") == {CUT_OFF: "published"}
    assert restarts
    assert len(listed.table("groups", account=CUT_OFF)) == 3
    assert listed.table("group_changes", account=CUT_OFF) == []


@pytest.mark.parametrize("block", [1, 2], ids=["its place is taken", "it is kept"])
def test_a_listing_outlives_a_server_that_is_started_anew_in_the_middle_of_it(
    listed: Stand, postgres_cluster: PostgresCluster, block: int
) -> None:
    new = str(uuid.uuid4())
    listed.put(new, groups_of(2))
    ask, begun = listed.database.writing, []

    @contextmanager
    def writing(*args: Any, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        with ask(*args, **options) as connection:
            begun.append(1)
            yield connection
            if len(begun) == block:
                postgres_cluster.restart()

    listed.database.writing = writing
    assert new in {account.id for account in listed.discover().accounts}
    assert len(begun) > block
    known = [row["id"] for row in listed.table("integrated_accounts")]
    assert len(known) == len(set(known))
    assert {*listed.keys} <= {*known}


def take_out(conninfo: str, file: str) -> None:
    """What docs/operate.md says to do about a file that is gone for good."""
    guide = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    (recipe,) = re.findall(r"(UPDATE ducklake_data_file.*?;)", guide, flags=re.DOTALL)
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(recipe.replace("%FILE", f"%{file}"))
        assert cursor.rowcount == 1
        connection.commit()


@pytest.mark.slow
def test_a_file_that_is_gone_is_told_once_and_what_to_do_about_it_helps(
    stand: Stand, postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And not, that a transaction has ended, which cannot read it."""
    use_ducklake(stand, postgres_database)
    stand.knobs["page_size"] = 1000
    stand.put(A, groups_of(1200))
    stand.put(B, groups_of(3))
    stand.discover()
    stand.sync()
    (file,) = (stand.folder / "lake").rglob("groups/*.parquet")
    kept = {path: path.read_bytes() for path in (stand.folder / "lake").rglob("*.parquet")}
    for path in kept:
        path.unlink()
    with (
        pytest.raises(DatabaseError, match=r"\.parquet"),
        stand.database.reading() as connection,
    ):
        read_pending(connection)
    for path, content in kept.items():
        if path != file:
            path.write_bytes(content)
    with pytest.raises(DatabaseError, match=rf"is gone: {file}. Restore it there"):
        stand.sync(run_id="later")
    assert caplog.text.count("It is done again") == 1

    file.write_bytes(kept[file])
    assert len(stand.table("groups")) == 1203
    file.unlink()
    take_out(postgres_database, file.name)
    stand.pass_time(days=1)
    assert stand.outcomes(run_id="taken out") == {A: "published", B: "published"}
    maintain_lake(stand.database, before=stand.now)
    assert len(stand.table("groups")) == len(stand.table("raw_groups")) == 1203


@pytest.mark.slow
def test_a_file_that_is_gone_from_an_object_store_is_told_once(
    postgres_database: str, store: ObjectStoreServer, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {
        "TRUTO_GROUPS_DATABASE": f"ducklake:postgres:{postgres_database}",
        "TRUTO_GROUPS_DATA_PATH": store.data_path,
        **store.variables,
    }
    database = Database.of(read_environment(variables, cwd=Path("/")))
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO database_properties SELECT i, 'x' FROM range(1500) t(i)"
        ).fetchall()
    ((file,),) = read_rows(
        database,
        "SELECT data_file FROM ducklake_list_files(current_database(), 'database_properties')",
    )
    store.delete(file)
    # As another process does: what this one has written, its DuckDB still has in its cache.
    lake_module._open_kept.cache_clear()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(DatabaseError, match=r"is gone: http:.*\.parquet. Restore it there"):
        database.retried(lambda: names(database))
    assert caplog.text.count("It is done again") == 1


def is_written(account: str) -> str:
    """A query that says whether the account's groups are there."""
    return f"SELECT count(*) = 3 FROM groups WHERE integrated_account_id = '{account}'"  # noqa: S608


def test_a_publication_of_whose_commit_the_answer_is_lost_is_told_as_it_was(
    listed: Stand,
) -> None:
    losses = lose_once(listed, is_written(ANSWER_LOST), is_committed=True)
    result = listed.sync(ANSWER_LOST, run_id="answer lost")[ANSWER_LOST]
    assert losses
    assert isinstance(result, AccountResult)
    assert result.attempt.outcome == "published"
    assert [row["outcome"] for row in listed.ledger(ANSWER_LOST)] == ["published"]


@pytest.mark.slow
def test_a_replay_of_whose_commit_the_answer_is_lost_tells_what_it_changed(
    listed: Stand,
) -> None:
    listed.sync(REPLAYED, run_id="replayed")
    listed.write(
        "UPDATE groups SET name = 'Earlier' WHERE id = 'g0' AND integrated_account_id = $id",
        id=REPLAYED,
    )
    ask, replays = listed.database.owning, []

    @contextmanager
    def owning(*args: Any, **options: Any) -> Iterator[Turn]:
        with ask(*args, **options) as turn:
            yield turn
        replays.append(1)
        if len(replays) == 1:
            raise LostTransactionError("The answer is lost.")

    listed.database.owning = owning
    result = listed.replay(REPLAYED)[REPLAYED]
    assert len(replays) == 2
    assert isinstance(result, AccountResult)
    assert result.replacement.changed == 1
    assert len(listed.table("group_changes", account=REPLAYED)) == 1


FIRST = """
import sys
from truto_groups.warehouse.database import Database

with Database(sys.argv[1], data_path=sys.argv[2]).writing() as connection:
    connection.execute("INSERT INTO database_properties VALUES ($n, 'x')", {"n": sys.argv[3]})
"""


@pytest.mark.slow
def test_processes_that_start_a_lake_at_once_all_find_it(
    new_lake: Database, tmp_path: Path
) -> None:
    starts = [
        subprocess.Popen(python(FIRST, new_lake.location, f"{tmp_path / 'lake'}/", number))
        for number in range(2)
    ]
    assert [one.wait(timeout=60) for one in starts] == [0, 0]
    assert names(new_lake) == ["0", "1"]


def duckdbs_connections(conninfo: str) -> set[str]:
    """What the connections are called that are not the coordination's."""
    connection = psycopg2.connect(conninfo)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND query NOT LIKE '%truto_groups%'"
            )
            return {name for (name,) in cursor.fetchall()}
    finally:
        connection.close()


@pytest.mark.parametrize("form", ["DuckLake:Postgres:{0}", "ducklake:postgres:{1}"])
def test_a_lake_is_found_by_each_form_of_its_location(
    lake: Database, made: MadeLake, form: str
) -> None:
    told = parse_dsn(made.conninfo)
    uri = f"postgresql://{told['user']}@{told['host']}:{told['port']}/{told['dbname']}"
    other = Database(form.format(made.conninfo, uri))
    put(other, "two")
    assert "truto-groups" in duckdbs_connections(made.conninfo)
    assert names(lake) == names(other) == ["one", "two"]
    with read.connect(other.location) as connection:
        assert names_in(connection) == ["one", "two"]


def test_what_postgres_refuses_is_told_at_once(
    lake: Database, made: MadeLake, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"role_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(made.conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE ROLE {role} LOGIN; "
            f"GRANT USAGE ON SCHEMA public, truto_groups_coordination TO {role}; "
            f"GRANT ALL ON ALL TABLES IN SCHEMA public, truto_groups_coordination TO {role}; "
            f"REVOKE INSERT ON ducklake_snapshot FROM {role}"
        )
        connection.commit()
    other = Database(lake.location.replace("user=truto_groups", f"user={role}"))
    assert names(other) == ["one"]
    with pytest.raises(DatabaseError, match="permission denied for table ducklake_snapshot"):
        other.retried(lambda: put(other, "two"))
    assert "It is done again" not in caplog.text
    assert names(lake) == ["one"]


@pytest.mark.parametrize(
    "text", ["Failed to execute query: ERROR:  relation does not exist", "Something of DuckDB's"]
)
@pytest.mark.parametrize("kind", [duckdb.Error, duckdb.BinderException])
def test_an_error_of_no_class_is_lost_only_where_it_says_so(
    kind: type[duckdb.Error], text: str
) -> None:
    assert not is_lost(kind(text))
    assert is_lost(kind("Failed to prepare COPY: server closed the connection"))


@pytest.mark.parametrize(
    ("is_committed", "gone"),
    [(False, ROLLED_BACK), (True, ANSWER_OF_LISTING_LOST)],
    ids=["rolled back", "answer lost"],
)
def test_a_listing_of_which_a_transaction_is_lost_is_written_as_it_was(
    listed: Stand, *, is_committed: bool, gone: str
) -> None:
    new = str(uuid.uuid4())
    listed.server.remove_account(gone)
    listed.put(new, groups_of(1))
    is_marked = f"SELECT count(gone_at) = 1 FROM integrated_accounts WHERE id = '{gone}'"  # noqa: S608
    losses = lose_once(listed, is_marked, is_committed=is_committed)
    found = listed.discover()
    assert losses
    assert found.gone == [gone]
    assert set(found.added_keys) == {f"acme.okta.{key[:8]}" for key in listed.keys}
    states = {row["id"]: row["gone_at"] for row in listed.table("integrated_accounts")}
    assert states[gone] == listed.now
    assert {key: states[key] for key in listed.keys} == dict.fromkeys(listed.keys)


def test_a_publication_that_was_lost_and_called_killed_meanwhile_is_done_again(
    listed: Stand,
) -> None:
    """Cut off for so long that another machine took the run for dead: nothing was written yet."""
    ask = listed.database.writing
    losses = lose_once(listed, is_written(CALLED_KILLED), is_committed=False)

    def call_it_killed(_: float) -> None:
        with ask() as connection:
            end_killed_attempts(connection, is_alive=lambda run_id: False, now=listed.now)

    with pytest.MonkeyPatch.context() as patch:
        waiting = SimpleNamespace(sleep=call_it_killed, monotonic=time.monotonic)
        patch.setattr(database_module, "time", waiting)
        result = listed.sync(CALLED_KILLED, run_id="called killed")[CALLED_KILLED]
    assert losses
    assert isinstance(result, AccountResult)
    assert result.attempt.outcome == "published"
    assert len(listed.table("groups", account=CALLED_KILLED)) == 3
    assert [row["outcome"] for row in listed.ledger(CALLED_KILLED)] == ["published"]
