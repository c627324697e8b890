"""The way into the database: turns between processes, and errors that say what to do.

Real: files, locks, other processes and DuckDB. Nothing is faked.
"""

import contextlib
import fcntl
import json
import subprocess
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import duckdb
import pytest

from truto_groups.errors import DatabaseError
from truto_groups.schema import TABLES
from truto_groups.warehouse import connections
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.connections import connect
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.properties_table import claim_base_url
from truto_groups_tests.processes import as_another_user, other_process, python
from truto_groups_tests.stand import A, Stand, group, groups_of, read_rows

pytestmark = pytest.mark.long


@pytest.fixture(name="database")
def provide_database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "groups.duckdb"))


def put_property(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO database_properties VALUES ($n, 'x')", {"n": name})


def read_properties(database: Database) -> list[str]:
    rows = read_rows(database, "SELECT name FROM database_properties WHERE value = 'x'")
    return [row[0] for row in rows]


def test_a_database_in_which_another_program_has_a_table_of_our_name_is_left_alone(
    database: Database,
) -> None:
    with duckdb.connect(database.location) as other:
        other.execute("CREATE TABLE groups (id INTEGER, members INTEGER)")

    with pytest.raises(DatabaseError, match="holds a table groups that is not ours") as caught:
        put_property(database, "a")

    with pytest.raises(DatabaseError, match="holds a table groups that is not ours"):
        read_properties(database)
    assert caught.value.advice == "Set TRUTO_GROUPS_DATABASE to another file."
    with duckdb.connect(database.location) as other:
        assert other.execute("SHOW TABLES").fetchall() == [("groups",)]


WRITER = """
import sys, time
from truto_groups.warehouse.database import Database
with Database(sys.argv[1]).writing() as connection:
    connection.execute("INSERT INTO database_properties VALUES ('theirs', 'x')").fetchall()
    print("ready", flush=True)
    time.sleep(float(sys.argv[2]))
"""

COUNTER = """
import sys
from truto_groups.warehouse.database import Database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    with database.writing() as connection:
        (count,), = connection.execute("SELECT count(*) FROM database_properties "
            "WHERE value = 'x'").fetchall()
        connection.execute(
            "INSERT INTO database_properties VALUES ($name, 'x')", {"name": str(count)}
        ).fetchall()
"""

STRANGER = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


def test_whoever_writes_first_makes_every_table(database: Database) -> None:
    with database.writing():
        pass
    with database.reading() as connection:
        for table in TABLES:
            rows = connection.execute(f"SELECT * FROM {table.name}")  # noqa: S608
            assert [column[0] for column in rows.description or []] == list(table.column_names)
        connection.execute("SELECT * FROM groups_as_of(now())").fetchall()


def test_what_a_block_wrote_is_committed_when_it_ends(database: Database) -> None:
    put_property(database, "kept")
    assert read_properties(database) == ["kept"]


def test_what_a_block_wrote_is_rolled_back_when_it_raises(database: Database) -> None:
    put_property(database, "kept")
    statements = "INSERT INTO database_properties VALUES ('lost', 'x'); SELECT error('broken')"
    with pytest.raises(duckdb.Error, match="broken"), database.writing() as connection:
        connection.execute(statements)
    assert read_properties(database) == ["kept"]
    put_property(database, "later")
    assert sorted(read_properties(database)) == ["kept", "later"]


def test_a_writer_of_another_process_is_waited_for_by_writers_and_readers(
    database: Database,
) -> None:
    put_property(database, "ours")
    with other_process(WRITER, database.location, 0.8):
        before = time.monotonic()
        found = read_properties(database)
        waited = time.monotonic() - before
    assert sorted(found) == ["ours", "theirs"]
    assert waited > 0.3


def test_a_writer_holds_our_lock_alone_and_readers_share_it(database: Database) -> None:
    """DuckDB's own lock fails at once, and whoever polls for it starves."""

    def can_lock(how: int) -> bool:
        with Path(f"{database.location}.lock").open("r+") as file:
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    with database.writing():
        assert (can_lock(fcntl.LOCK_SH), can_lock(fcntl.LOCK_EX)) == (False, False)
    with database.reading():
        assert (can_lock(fcntl.LOCK_SH), can_lock(fcntl.LOCK_EX)) == (True, False)
    assert can_lock(fcntl.LOCK_EX)


def test_many_processes_that_write_at_once_lose_nothing(database: Database) -> None:
    with database.writing():
        pass
    with (
        other_process(COUNTER, database.location, 6) as one,
        other_process(COUNTER, database.location, 6) as two,
    ):
        for process in (one, two):
            process.communicate("go\n", timeout=30)
    assert sorted(map(int, read_properties(database))) == list(range(12))


def test_a_reader_writes_nothing(database: Database) -> None:
    put_property(database, "kept")
    with (
        pytest.raises(duckdb.Error, match="read-only"),
        database.reading() as connection,
    ):
        connection.execute("DELETE FROM database_properties")
    assert read_properties(database) == ["kept"]


def test_readers_read_side_by_side(database: Database) -> None:
    put_property(database, "kept")
    with database.reading() as one, database.reading() as two:
        counts = [
            connection.execute("SELECT name FROM database_properties ORDER BY 1").fetchall()
            for connection in (one, two)
        ]
    assert counts == [[("kept",), ("schema_version",)]] * 2


def test_readers_that_overlap_keep_no_writer_out(database: Database) -> None:
    put_property(database, "kept")
    is_over = threading.Event()

    def read_again_and_again() -> None:
        while not is_over.is_set():
            with database.reading():
                time.sleep(0.4)

    readers = [threading.Thread(target=read_again_and_again) for _ in range(4)]
    for reader in readers:
        reader.start()
        time.sleep(0.1)
    try:
        with database.writing(within_seconds=8):
            pass
    finally:
        is_over.set()
        for reader in readers:
            reader.join()


def test_a_turn_that_does_not_come_is_given_up_and_a_killed_writers_comes_without_its_rows(
    database: Database,
) -> None:
    put_property(database, "kept")
    with other_process(WRITER, database.location, 60) as process:
        for _ in range(2):
            before = time.monotonic()
            with (
                pytest.raises(DatabaseError, match="held by another run of ours") as caught,
                database.writing(within_seconds=0.3),
            ):
                pass
            assert time.monotonic() - before < 3
            assert "within 0.3 s" in str(caught.value)
        process.kill()
        process.wait()
        with database.writing(within_seconds=20):
            pass
    put_property(database, "later")
    assert sorted(read_properties(database)) == ["kept", "later"]


def test_a_connection_with_tables_of_its_own_may_read_and_then_write(database: Database) -> None:
    put_property(database, "kept")
    with connect() as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 'mine' AS name")
        with database.reading(connection) as reading:
            assert reading is connection
            (count,) = connection.execute("SELECT count(*) FROM database_properties").fetchall()[0]
        with database.writing(connection):
            connection.execute("INSERT INTO database_properties SELECT name, 'x' FROM mine")
        assert count == 2
        assert connection.execute("SELECT name FROM mine").fetchall() == [("mine",)]
    assert sorted(read_properties(database)) == ["kept", "mine"]


class _StoppedBehindAttach:
    """A connection to which a signal comes right behind its first ATTACH."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._is_stopped = False

    def execute(self, text: str, *arguments: object) -> duckdb.DuckDBPyConnection:
        result = self._connection.execute(text, *arguments)
        if text.startswith("ATTACH") and not self._is_stopped:
            self._is_stopped = True
            raise KeyboardInterrupt
        return result


def test_what_a_block_leaves_in_its_connection_is_not_there_for_the_next(
    database: Database,
) -> None:
    zone = "SELECT current_setting('TimeZone'), getvariable('x'), count(*) FROM duckdb_tables()"
    put_property(database, "a")
    with database.reading() as connection:
        expected = connection.execute(zone).fetchall()
    with database.writing() as connection:
        connection.execute("CREATE TEMP TABLE groups AS SELECT 1 AS a")
        connection.execute("CREATE TEMP MACRO same_json(a, b) AS true")
        connection.execute("SET TimeZone = 'Asia/Tokyo'; SET VARIABLE x = 1")
    for _ in range(2):
        with database.reading() as connection:
            assert connection.execute(zone).fetchall() == expected
            assert connection.execute("SELECT same_json('1', '2')").fetchall() == [(False,)]
            assert connection.execute("SELECT count(id) FROM groups").fetchall() == [(0,)]


def test_a_connection_is_opened_once_for_blocks_that_follow_each_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[duckdb.DuckDBPyConnection] = []

    def count() -> duckdb.DuckDBPyConnection:
        opened.append(connect())
        return opened[-1]

    connections._find_idle.cache_clear()
    monkeypatch.setattr(connections, "connect", count)
    put_property(database, "a")
    assert read_properties(database) == ["a"]
    assert len(opened) == 1
    with database.reading() as one, database.reading() as other:  # each for itself
        assert one.execute("SHOW TABLES").fetchall() == other.execute("SHOW TABLES").fetchall()
    assert len(opened) == 2
    with pytest.raises(duckdb.Error), database.writing() as connection:
        connection.execute("CREATE TABLE memory.main.left_behind AS SELECT error('it fails')")
    # Of what failed nobody knows what it has left.
    closed = [one for one in opened if is_closed(one)]
    assert len(closed) == 1


def is_closed(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        connection.execute("SELECT 1")
    except duckdb.ConnectionException:
        return True
    return False


def test_a_process_uses_no_connection_that_was_opened_before_it_was_forked(
    database: Database,
) -> None:
    code = """
import os, sys
from truto_groups.warehouse import connections
from truto_groups.warehouse.database import Database
connect = connections.connect
def count():
    print(os.getpid(), flush=True)
    return connect()
connections.connect = count
database = Database(sys.argv[1])
for name in ("parent", "child"):
    if name == "child" and os.fork():
        os.wait()
        break
    with database.writing() as connection:
        connection.execute("INSERT INTO database_properties VALUES ($n, 'x')", {"n": name})
os._exit(0)
"""
    done = subprocess.run(
        python(code, database.location), capture_output=True, text=True, timeout=60, check=True
    )
    assert len(set(done.stdout.split())) == 2
    assert read_properties(database) == ["parent", "child"]


@pytest.mark.parametrize("kind", ["writing", "reading", "a copy"])
def test_a_signal_right_behind_attach_leaves_the_database_to_the_next_block(
    database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_property(database, "kept")
    with contextlib.closing(connect()) as real:
        connection = cast("duckdb.DuckDBPyConnection", _StoppedBehindAttach(real))
        block = database.writing if kind == "writing" else database.reading
        with monkeypatch.context() as patch:
            if kind == "a copy":
                patch.setattr(Database, "_attach_in_place", lambda *_, **__: False)
            with pytest.raises(KeyboardInterrupt), block(connection):
                pass
        # What says what became of the attempts that are under way uses a connection of its own.
        with database.writing(within_seconds=1) as other:
            other.execute("INSERT INTO database_properties VALUES ('later', 'x')")
        with database.reading(connection) as again:
            found = again.execute("SELECT name FROM database_properties WHERE value = 'x'")
            assert sorted(found.fetchall()) == [("kept",), ("later",)]


def test_a_program_that_holds_the_database_is_named_with_the_remedy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_OPEN_WAIT_SECONDS", 0.3)
    put_property(database, "kept")
    with other_process(STRANGER, database.location) as process:
        for block in (database.reading(), database.writing()):
            with pytest.raises(DatabaseError) as caught, block:
                pass
            assert database.location in str(caught.value)
            assert f"PID {process.pid}" in str(caught.value)
            assert "Close that program" in caught.value.advice
    assert read_properties(database) == ["kept"]


def test_a_program_that_holds_the_database_for_a_moment_is_waited_for(database: Database) -> None:
    put_property(database, "kept")
    with other_process(STRANGER, database.location) as process:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert read_properties(database) == ["kept"]


def test_a_database_that_does_not_exist_is_not_made_by_a_reader(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no database at") as caught, database.reading():
        pass
    assert "truto-groups sync" in caught.value.advice
    assert not Path(database.location).exists()


@pytest.mark.parametrize("kind", ["below a file", "a folder", "below nothing writable"])
def test_a_path_that_cannot_be_written_is_told_in_one_paragraph(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("x")
    location = {
        "below a file": str(tmp_path / "file" / "groups.duckdb"),
        "a folder": str(tmp_path),
        "below nothing writable": "/proc/groups.duckdb",
    }[kind]
    with pytest.raises(DatabaseError) as caught, Database(location).writing():
        pass
    assert location in str(caught.value)
    assert "TRUTO_GROUPS_DATABASE" in caught.value.advice
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1000)
    for block in (Database(str(path)).reading(), Database(str(path)).writing()):
        with pytest.raises(DatabaseError, match="cannot be used") as caught, block:
            pass
        assert str(path) in str(caught.value)
        assert "TRUTO_GROUPS_DATABASE" in caught.value.advice
    assert path.read_text() == "my notes\n" * 1000


def test_a_database_of_somebody_else_is_told_by_readers(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")
    with (
        pytest.raises(DatabaseError, match="not a database of truto-groups"),
        Database(str(path)).reading() as connection,
    ):
        connection.execute("SELECT * FROM groups").fetchall()


def test_a_disk_that_is_full_is_told_and_the_rows_published_before_stay(stand: Stand) -> None:
    """A full disk is played by a limit on the size of files, which DuckDB meets the same way.

    Once at the commit, and once before it.
    """
    stand.put(A, groups_of(3))
    stand.discover()
    stand.sync(A, run_id="r1")
    before = stand.data()
    size = Path(stand.database.location).stat().st_size
    code = """
import resource, signal, sys
from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
for count in (6_000, 300_000):
    try:
        with Database(sys.argv[1]).writing() as connection:
            connection.execute(
                "INSERT INTO raw_groups SELECT 'x', i::VARCHAR, "
                "to_json(repeat(md5(i::VARCHAR), 30)), now() "
                f"FROM range({count}) AS t(i)"
            ).fetchall()
    except DatabaseError as error:
        print(error)
"""
    done = subprocess.run(
        python(code, stand.database.location, size),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count("disk has room") == 2, done
    assert "Traceback" not in done.stderr
    assert stand.data() == before
    assert stand.outcomes(A, run_id="r2") == {A: "unchanged"}


def test_the_first_base_url_claims_the_database_and_another_is_refused(
    database: Database,
) -> None:
    with database.writing() as connection:
        claim_base_url(connection, "https://api.truto.one")
        claim_base_url(connection, "https://api.truto.one")
    with (
        pytest.raises(DatabaseError) as caught,
        database.writing() as connection,
    ):
        claim_base_url(connection, "http://127.0.0.1:8790")
    for word in ("https://api.truto.one", "http://127.0.0.1:8790"):
        assert word in str(caught.value)
    assert "TRUTO_GROUPS_DATABASE" in caught.value.advice


def test_a_sync_against_another_truto_changes_nothing(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    stand.sync(A, run_id="r1")
    before = stand.data(), stand.table("account_syncs"), stand.table("integrated_accounts")
    stand.write(
        "UPDATE database_properties SET value = 'https://api.truto.one' "
        "WHERE name = 'truto_base_url'"
    )
    stand.server.forget_requests()
    for attempt in (lambda: stand.sync(A, run_id="r2"), stand.discover):
        with pytest.raises(DatabaseError, match=r"https://api\.truto\.one"):
            attempt()
    after = stand.data(), stand.table("account_syncs"), stand.table("integrated_accounts")
    assert after == before
    assert not [r for r in stand.server.requests if r.path.startswith("/unified")]


def test_a_run_of_another_user_is_told_from_a_dead_one_or_named_when_it_cannot_be() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = Database(str(folder / "groups.duckdb"))
        with database.coordination.mark_alive("run/1"):
            (file,) = folder.glob("*.runs/*")
            file.chmod(0o444)
            with as_another_user():
                assert database.coordination.is_alive("run/1")
            file.chmod(0o000)
            with as_another_user(), pytest.raises(DatabaseError, match="run/1 is alive") as caught:
                database.coordination.is_alive("run/1")
            assert str(file) in str(caught.value)


def test_a_run_is_present_as_long_as_its_process_lives(database: Database) -> None:
    with database.writing():
        pass
    code = """
import sys, time
from truto_groups.warehouse.database import Database
with Database(sys.argv[1]).coordination.mark_alive("run/1"):
    print("ready", flush=True)
    time.sleep(60)
"""
    assert not database.coordination.is_alive("run/1")
    with other_process(code, database.location):
        assert database.coordination.is_alive("run/1")
        assert not database.coordination.is_alive("run/2")
    assert not database.coordination.is_alive("run/1")
    with database.coordination.mark_alive("run/2"):
        assert database.coordination.is_alive("run/2")
    assert not database.coordination.is_alive("run/2")


def read_compression(database: Database, table: str, column: str) -> set[str]:
    segments = read_rows(
        database,
        f"SELECT compression FROM pragma_storage_info('{table}') "  # noqa: S608
        "WHERE column_name = $column AND segment_type <> 'VALIDITY'",
        column=column,
    )
    return {compression for (compression,) in segments}


def test_long_texts_are_compressed_as_such_and_read_back_letter_by_letter(stand: Stand) -> None:
    remote_data = [
        "x" * 3_000_000,
        {"size": 1.50, "name": "", "emoji": "\U0001f468\u200d\U0001f469"},
        "",
    ]
    groups = [group(number, remote_data=value) for number, value in enumerate(remote_data)]
    groups += groups_of(20_000)[3:]
    stand.knobs["page_size"] = 1000  # more than 50 pages of 10 s, the ceiling would let wait
    stand.put(A, groups)
    stand.discover()
    assert stand.outcomes() == {A: "published"}
    assert read_compression(stand.database, "groups", "remote_data") == {"ZSTD"}
    assert read_compression(stand.database, "raw_groups", "record") == {"ZSTD"}
    rows = stand.rows("SELECT id, record FROM raw_groups")
    assert {row[0]: json.loads(row[1]) for row in rows} == {one["id"]: one for one in groups}


def test_a_file_of_an_older_format_is_taken_on(stand: Stand) -> None:
    with duckdb.connect(stand.database.location) as older:
        older.execute("CREATE TABLE notes AS SELECT 'kept' AS note").fetchall()
    stand.put(A, groups_of(3))
    stand.discover()
    assert stand.outcomes() == {A: "published"}
    assert stand.rows("SELECT note FROM notes") == [("kept",)]
    assert len(stand.table("groups")) == 3
