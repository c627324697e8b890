"""Looks at a database that somebody may be writing: whole, at once, and without holding anybody up.

Real: files, DuckDB, other processes that write, users without rights. Nothing is faked.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from truto_groups import read
from truto_groups.cli import main
from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database
from truto_groups_tests.processes import as_another_user, other_process, python
from truto_groups_tests.stand import read_rows

pytestmark = pytest.mark.long

PUT = "INSERT INTO account_syncs BY NAME SELECT 'a' AS integrated_account_id, $run AS run_id, "
PUT += "now() AS started_at, 'published' AS outcome"

HOLDER = """
import sys
from truto_groups.warehouse.database import Database
with Database(sys.argv[1]).writing() as connection:
    connection.execute("DELETE FROM account_syncs").fetchall()
    print("ready", flush=True)
    sys.stdin.readline()
"""

STRANGER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("UPDATE account_syncs SET outcome = 'by a stranger'")
print("ready", flush=True)
sys.stdin.readline()
"""

LEFT_IN_THE_JOURNAL = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("UPDATE account_syncs SET outcome = 'in the journal'")
print("ready", flush=True)
os._exit(0)
"""

# Each publication makes every row say the same number, and some thousand other rows.
PUBLISHER = """
import sys, time
from truto_groups.warehouse.database import Database
database = Database(sys.argv[1])
with database.writing() as connection:
    connection.execute("SELECT $n", {"n": 0}).fetchall()
print("ready", flush=True)
number = 0
while True:
    number += 1
    with database.writing() as connection:
        connection.execute("DELETE FROM raw_groups").fetchall()
        connection.execute(
            "INSERT INTO raw_groups SELECT $n::VARCHAR, i::VARCHAR, "
            "to_json(md5((i + $n)::VARCHAR)), now() FROM range(3000) AS t(i)", {"n": number}
        ).fetchall()
        connection.execute("DELETE FROM database_properties WHERE name = 'number'").fetchall()
        connection.execute(
            "INSERT INTO database_properties VALUES ('number', $n)", {"n": str(number)}
        ).fetchall()
"""


@pytest.fixture(name="database")
def provide_database(tmp_path: Path) -> Database:
    database = Database(str(tmp_path / "groups.duckdb"))
    put(database, "first")
    return database


def put(database: Database, run: str) -> None:
    with database.writing() as connection:
        connection.execute(PUT, {"run": run}).fetchall()


def look(database: Database) -> list[str]:
    """The runs of the ledger, as people read it."""
    with read.connect(database.location) as connection:
        return sorted(read.account_syncs(connection)["run_id"])


def look_at_outcomes(database: Database) -> set[str]:
    with read.connect(database.location) as connection:
        return set(read.account_syncs(connection)["outcome"])


@contextlib.contextmanager
def counting_copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many bytes each copy took."""
    sizes: list[int] = []
    copy = os.copy_file_range

    def count(*arguments: int) -> int:
        sizes.append(copy(*arguments))
        return sizes[-1]

    monkeypatch.setattr(os, "copy_file_range", count)
    yield sizes
    monkeypatch.undo()


def test_a_reader_waits_for_no_publication_and_sees_nothing_of_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", database.location)
    look(database)
    with other_process(HOLDER, database.location) as process:
        assert look(database) == ["first"]
        assert main(["status", "--json"]) == 0
        assert process.poll() is None
    assert capsys.readouterr().out.strip() == "[]"


def test_a_program_that_writes_and_does_not_know_us_is_read_up_to_its_last_commit(
    database: Database,
) -> None:
    with other_process(STRANGER, database.location):
        assert Path(f"{database.location}.wal").stat().st_size > 0
        assert look_at_outcomes(database) == {"by a stranger"}
        content = Path(f"{database.location}.wal").read_bytes()
    assert Path(f"{database.location}.wal").read_bytes() == content


def test_what_was_committed_once_is_read_also_while_the_next_one_writes(
    database: Database,
) -> None:
    """A writer was killed before it moved what it had committed out of the journal."""
    with other_process(LEFT_IN_THE_JOURNAL, database.location) as process:
        process.wait()
    assert look_at_outcomes(database) == {"in the journal"}
    with other_process(HOLDER, database.location):
        assert look_at_outcomes(database) == {"in the journal"}


def test_a_reader_leaves_no_lock_and_takes_none_away(database: Database) -> None:
    """Closing any descriptor of a file takes away the locks of its process on it."""
    probe = "import duckdb, sys; duckdb.connect(sys.argv[1]); print('opened')"
    command = python(probe, database.location)

    def can_open() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "opened\n" or "lock" in done.stderr
        return done.returncode == 0

    with database.writing():
        for _ in range(2):
            with read.connect(database.location):
                pass
        assert not can_open()
    with read.connect(database.location):
        assert can_open()


def test_what_did_not_change_is_copied_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting_copies(monkeypatch) as sizes:
        assert [look(database) for _ in range(3)] == [["first"]] * 3
        assert sum(sizes) == Path(database.location).stat().st_size
        put(database, "second")
        assert [look(database) for _ in range(3)] == [["first", "second"]] * 3
        assert len(sizes) == 2


def test_connections_on_one_copy_have_nothing_in_common(database: Database) -> None:
    one, two = (read.connect(database.location) for _ in range(2))
    one.execute("SET memory_limit = '100MB'; CREATE TEMP TABLE mine AS SELECT 1")
    limits = [c.execute("SELECT current_setting('memory_limit')").fetchone() for c in (one, two)]
    assert limits[0] != limits[1]
    one.close()
    assert two.execute("SELECT count(*) FROM account_syncs").fetchone() == (1,)
    assert two.execute("SELECT current_database()").fetchone() == ("groups",)


def test_a_file_that_was_put_back_is_not_taken_for_what_it_was_since(
    database: Database, tmp_path: Path
) -> None:
    """Both histories have as many checkpoints, in the same blocks."""
    shutil.copy(database.location, tmp_path / "backup")
    put(database, "one")
    assert look(database) == ["first", "one"]
    shutil.copy(tmp_path / "backup", database.location)
    put(database, "two")
    assert look(database) == ["first", "two"]


def test_what_is_published_while_a_copy_is_taken_is_in_it_as_a_whole_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of the state whose headers were copied are written over by the one after the next."""
    copy = os.copy_file_range
    runs = ["second", "third", "fourth"]

    def publish_meanwhile(source: int, target: int, count: int, *places: int) -> int:
        if not runs:
            return copy(source, target, count, *places)
        done = copy(source, target, 12288, *places)
        while runs:
            put(database, runs.pop())
        return done

    monkeypatch.setattr(os, "copy_file_range", publish_meanwhile)
    assert look(database) == ["first", "fourth", "second", "third"]


def find_block_that_is_read_late(path: Path) -> int:
    """Where a block of metadata lies that DuckDB does not read when it opens the database."""
    columns = ", ".join(f"{number} AS c{number}" for number in range(1000))
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS one (ROW_GROUP_SIZE 2048)")
        connection.execute(f"CREATE TABLE one.wide AS SELECT {columns} FROM range(10000)")  # noqa: S608
        connection.execute("DETACH one")
    with duckdb.connect(path, read_only=True) as connection:
        blocks = connection.execute("SELECT block_id FROM pragma_metadata_info('groups')")
        places = [12288 + block * 262144 + 200_000 for (block,) in blocks.fetchall()]
    content = path.read_bytes()
    damaged = path.with_name("damaged.duckdb")
    for place in reversed(places):
        damaged.write_bytes(content[:place] + os.urandom(100) + content[place + 100 :])
        with contextlib.suppress(duckdb.IOException), duckdb.connect(damaged, read_only=True):
            return place
    pytest.fail("DuckDB reads all of them")


def test_a_block_that_is_being_rewritten_is_not_copied_half(database: Database) -> None:
    """A checkpoint rewrites blocks of metadata before it changes a header."""
    path = Path(database.location)
    place = find_block_that_is_read_late(path)
    was = path.read_bytes()[place : place + 100]

    def write(content: bytes) -> None:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(content)

    write(os.urandom(100))
    finish = threading.Timer(0.1, write, [was])
    finish.start()
    with read.connect(database.location) as connection:
        connection.execute("SELECT sum(COLUMNS(*)) FROM wide").fetchall()
    finish.join()
    write(os.urandom(100))
    with pytest.raises(DatabaseError, match="cannot be read") as caught:
        look(database)
    assert "backup" in caught.value.advice


def test_readers_beside_a_writer_that_never_rests_see_whole_states_in_order(
    database: Database,
) -> None:
    question = (
        "SELECT (SELECT value FROM database_properties WHERE name = 'number')::INTEGER, "
        "min(integrated_account_id)::INTEGER, max(integrated_account_id)::INTEGER, "
        "count(DISTINCT id), sum(length(record)) FROM raw_groups"
    )
    seen: list[int] = []
    with other_process(PUBLISHER, database.location):
        until = time.monotonic() + 30
        while time.monotonic() < until and len(set(seen)) < 5:
            with read.connect(database.location) as connection:
                ((number, low, high, count, length),) = connection.execute(question).fetchall()
            if number is not None:
                assert (number, number, 3000, 3000 * 34) == (low, high, count, length)
                seen.append(number)
    assert len(set(seen)) == 5
    assert seen == sorted(seen)


def test_who_may_only_read_the_file_reads_it() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name) / "of another"
        folder.mkdir()
        database = Database(str(folder / "groups.duckdb"))
        put(database, "first")
        Path(database.location).chmod(0o444)
        for lock in folder.glob("*.lock"):
            lock.chmod(0o600)
        for lock in folder.glob("*.turn"):
            lock.unlink()
        files = set(folder.iterdir())
        for place in (folder, folder.parent):
            place.chmod(0o555)
        with as_another_user():
            assert look(database) == ["first"]
            assert read_rows(database, "SELECT run_id FROM account_syncs") == [("first",)]
            with pytest.raises(DatabaseError, match="cannot be"), database.writing():
                pass
        assert set(folder.iterdir()) == files
        folder.parent.chmod(0o700)


def test_who_may_not_read_the_file_is_told_so() -> None:
    with TemporaryDirectory() as name:
        database = Database(str(Path(name) / "groups.duckdb"))
        put(database, "first")
        for place, mode in ((Path(database.location), 0o000), (Path(name), 0o600)):
            Path(name).chmod(0o755)
            place.chmod(mode)
            with (
                as_another_user(),
                pytest.raises(DatabaseError, match="Permission denied") as caught,
            ):
                look(database)
            assert "read the file" in caught.value.advice


def test_no_room_for_a_copy_is_told_with_the_variable_that_helps(database: Database) -> None:
    code = """
import resource, signal, sys
from truto_groups import read
from truto_groups.errors import DatabaseError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    read.connect(sys.argv[1])
except DatabaseError as error:
    print(error.advice)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, database.location],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "TMPDIR" in done.stdout, done


def test_no_place_for_temporary_files_is_told_with_the_variable_that_helps(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(DatabaseError) as caught:
        read.connect(database.location)
    assert "TMPDIR" in caught.value.advice


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"my notes", "not a DuckDB database"),
        (b"my notes\n" * 5000, "not a DuckDB database"),
        (b"12345678DUCK" + bytes(20_000), "cannot be"),
        (None, "not a DuckDB database"),
    ],
    ids=["empty", "short", "text", "damaged", "pipe"],
)
def test_what_is_no_database_is_told_at_once(
    tmp_path: Path, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "x.duckdb"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    with pytest.raises(DatabaseError, match=fault):
        read.connect(str(path))


def test_the_database_of_somebody_else_is_told_as_such(tmp_path: Path) -> None:
    path = str(tmp_path / "other.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE notes (x INTEGER)")
    with pytest.raises(DatabaseError, match="is not a database of truto-groups"):
        read.connect(path)
