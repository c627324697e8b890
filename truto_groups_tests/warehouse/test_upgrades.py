"""The layout of a database: brought forward, refused, and left alone where it is somebody else's.

Real: DuckDB and DuckLake, processes that are killed, and the layout that earlier versions made,
kept in schema_<version>.sql.
"""

import logging
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from truto_groups import read
from truto_groups.errors import DatabaseError
from truto_groups.schema import SCHEMA_VERSION, TABLES
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.check_queries import read_last_audits, read_standing
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.properties_table import take_instant
from truto_groups.warehouse.run_queries import read_failures, read_outcomes
from truto_groups.warehouse.snapshot import open_snapshot
from truto_groups_tests.processes import python
from truto_groups_tests.stand import START, A, B, Stand, group, read_rows

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
OLDER = sorted(HERE.glob("schema_*.sql"))
OPTIONS = "(ROW_GROUP_SIZE 8192, STORAGE_VERSION 'v1.4.0')"
ROWS = 5
NEWER = rf"are of version 99, .* up to version {SCHEMA_VERSION}"

Rows = dict[str, list[dict[str, Any]]]


def on_both_stores(fixture: str) -> pytest.MarkDecorator:
    """Let a test have a database of a DuckDB file, and one of a lake."""
    stores = ["file", pytest.param("lake", marks=pytest.mark.slow)]
    return pytest.mark.parametrize(fixture, stores, indirect=True)


@contextmanager
def opened(location: str, *, options: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """A database as others open it, but that DuckLake's signature is not checked each time."""
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{location}' AS old {options}")
        connection.execute("USE old")
        yield connection
        connection.execute("USE memory; DETACH old")


def list_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'")
    return [name for (name,) in rows.fetchall()]


def make_tables(location: str, schema: Path, *, most: int | None = None) -> None:
    is_lake = location.startswith("ducklake:")
    text = schema.read_text(encoding="utf-8")
    if is_lake:
        text = text.replace(" USING COMPRESSION zstd", "")
    with opened(location, options="" if is_lake else OPTIONS) as connection:
        connection.execute("BEGIN")
        for part in text.split(";\n")[:most]:
            connection.execute(part)
        connection.execute("COMMIT")


def make_older(database: Database, schema: Path = OLDER[0]) -> None:
    """Make a database as an earlier version did, with rows in every table."""
    make_copy(database, make_older_once(schema, is_file=database.is_file))


def make_new(database: Database) -> None:
    """Make a database as this version does, without rows."""
    make_copy(database, make_new_once(is_file=database.is_file))


def make_copy(database: Database, content: bytes) -> None:
    """Let a database hold this: a file, or a lake with all of its rows in its catalogue."""
    path = Path(database.location.removeprefix("ducklake:"))
    path.write_bytes(content)
    if not database.is_file:
        with duckdb.connect(path) as connection:
            connection.execute(
                "UPDATE ducklake_metadata SET value = $path WHERE key = 'data_path'",
                {"path": f"{path}.files/"},
            )


@cache
def make_older_once(schema: Path, *, is_file: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder), is_file=is_file)
        make_older_anew(database.location, schema)
        return read_bytes(database)


@cache
def make_new_once(*, is_file: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder), is_file=is_file)
        write(database)
        return read_bytes(database)


def read_bytes(database: Database) -> bytes:
    return Path(database.location.removeprefix("ducklake:")).read_bytes()


def make_older_anew(location: str, schema: Path) -> None:
    make_tables(location, schema)
    with opened(location) as connection:
        connection.execute("BEGIN")
        for name in list_tables(connection):
            fill(connection, name)
        if (version := version_of(schema)) > 1:
            connection.execute(
                "INSERT INTO database_properties VALUES ('schema_version', $version)",
                {"version": str(version)},
            )
        connection.execute("COMMIT")


def version_of(schema: Path) -> int:
    return int(schema.stem.removeprefix("schema_"))


def fill(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    columns = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = 'old' AND table_name = $name",
        {"name": table},
    ).fetchall()
    values = {
        f"{name}_{number}": make_value(name, kind, number)
        for number in range(ROWS)
        for name, kind in columns
    }
    names = [name for name, _ in columns]
    rows = ", ".join(
        f"({', '.join(f'${name}_{number}' for name in names)})" for number in range(ROWS)
    )
    connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES {rows}", values)  # noqa: S608


def make_value(name: str, kind: str, number: int) -> object:
    by_name: dict[str, list[object]] = {
        "outcome": ["published", "failed", "failed", "running", "held_back"],
        "error_kind": [None, "killed", "forbidden", None, "contract_broken"],
        # The third attempt began last, and the last one first.
        "started_at": [START + timedelta(hours=hours) for hours in (1, 2, 9, 3, 0)],
        "changed_at": [START + timedelta(days=days) for days in (0, 1, 90, 3, 4)],
    }
    if name in by_name:
        return by_name[name][number]
    return {
        "BOOLEAN": number % 2 == 0,
        "BIGINT": number,
        "INTEGER": number,
        "DOUBLE": number / 7,
        "JSON": f'{{"a": ["ü\\n", {number}, null]}}',
        "TIMESTAMP WITH TIME ZONE": START + timedelta(days=number),
    }.get(kind, f"{name} {number} 'ß\n")


def read_all(location: str) -> Rows:
    with opened(location, options="(READ_ONLY)") as connection:
        tables: Rows = {}
        for name in list_tables(connection):
            cursor = connection.execute(f"SELECT * FROM {name} ORDER BY ALL")  # noqa: S608
            names = [column[0] for column in cursor.description or []]
            tables[name] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return tables


def read_layout_of(location: str) -> list[tuple[Any, ...]]:
    with opened(location, options="(READ_ONLY)") as connection:
        return connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE database_name = 'old' ORDER BY table_name, column_name"
        ).fetchall()


def read_macros_of(location: str) -> list[tuple[Any, ...]]:
    with opened(location, options="(READ_ONLY)") as connection:
        return connection.execute(
            "SELECT function_name, parameters, macro_definition FROM duckdb_functions() "
            "WHERE database_name = 'old' ORDER BY ALL"
        ).fetchall()


def write(database: Database) -> None:
    with database.writing():
        pass


@pytest.fixture(name="database")
def provide_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """One that nobody has made yet."""
    return open_database(tmp_path, is_file=getattr(request, "param", "file") == "file")


@pytest.fixture(name="new")
def provide_new(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """One that this version has made, without rows."""
    database = open_database(tmp_path, is_file=getattr(request, "param", "file") == "file")
    make_new(database)
    return database


@dataclass(frozen=True)
class Upgraded:
    """A database that was brought forward from an earlier version.

    Attributes:
        before: Its tables, and
        after: as they are now.
        told: What was said.
    """

    database: Database
    before: Rows
    after: Rows
    told: Sequence[str]


@pytest.fixture(name="upgraded", scope="module")
def provide_upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Path, Upgraded]:
    """One of each earlier version, by its layout."""
    found: dict[Path, Upgraded] = {}
    for schema in OLDER:
        database = open_database(
            tmp_path_factory.mktemp(schema.stem), is_file=request.param == "file"
        )
        make_older(database, schema)
        if version_of(schema) == 2:
            add_sharing(database)
        before = read_all(database.location)
        told = Heard()
        with told:
            write(database)
            write(Database(database.location))
        found[schema] = Upgraded(database, before, read_all(database.location), told.messages)
    return found


class Heard(logging.Handler):
    """What is said by a warning in its block; for what lives longer than a test."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger("truto_groups").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("truto_groups").removeHandler(self)


def open_database(folder: Path, *, is_file: bool) -> Database:
    return Database(str(folder / "groups.duckdb")) if is_file else open_lake(folder)


def open_lake(folder: Path) -> Database:
    extensions = pytest.importorskip("duckdb_extensions", reason="DuckLake comes as a wheel")
    extensions.import_extension("ducklake")
    return Database(f"ducklake:{folder / 'catalog.ducklake'}")


def read_version_of(database: Database) -> str:
    ((version,),) = read_rows(
        database, "SELECT value FROM database_properties WHERE name = 'schema_version'"
    )
    return version


@on_both_stores("upgraded")
@pytest.mark.parametrize("schema", OLDER, ids=lambda path: path.stem)
def test_an_earlier_version_is_brought_forward_with_every_row(
    upgraded: Mapping[Path, Upgraded], schema: Path
) -> None:
    one = upgraded[schema]

    (told,) = one.told
    assert f"from version {version_of(schema)} of its tables to version {SCHEMA_VERSION}" in told
    for table, rows in one.before.items():
        kept = {"outcome"} if table == "account_syncs" else set[str]()
        names = [name for name in rows[0] if name not in kept]
        extra = {"schema_version", "last_published_at"}
        found = [row for row in one.after[table] if row.get("name") not in extra]
        found = [{name: row[name] for name in names} for row in found]
        expected = [row for row in rows if row.get("name") not in extra]
        expected = [{name: row[name] for name in names} for row in expected]
        assert sorted(found, key=str) == sorted(expected, key=str), table
    layout, macros = read_new(is_file=one.database.is_file)
    assert read_layout_of(one.database.location) == layout
    assert read_macros_of(one.database.location) == macros != []


@cache
def read_new(*, is_file: bool) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The layout and the macros of a database that this version made."""
    with tempfile.TemporaryDirectory() as folder:
        new = open_database(Path(folder), is_file=is_file)
        make_new(new)
        return read_layout_of(new.location), read_macros_of(new.location)


@on_both_stores("upgraded")
def test_attempts_of_version_1_are_counted_and_the_killed_ones_are_interrupted(
    upgraded: Mapping[Path, Upgraded],
) -> None:
    one = upgraded[OLDER[0]]

    syncs = {row["run_id"]: row for row in one.after["account_syncs"]}
    was = {row["run_id"]: row for row in one.before["account_syncs"]}
    ranks = [row["answer_order"] for row in syncs.values()]
    assert sorted(syncs, key=lambda run: syncs[run]["answer_order"]) == sorted(
        was, key=lambda run: was[run]["started_at"]
    )
    assert sorted(ranks) == [1, 2, 3, 4, 5]
    assert [row["outcome"] for _, row in sorted(syncs.items())] == [
        "published",
        "interrupted",
        "failed",
        "running",
        "held_back",
    ]


SHARING = [("acme", A, 0), ("Ä cme", B, 1), ("acme", A, 2)]
"""Accounts of version 2, which knew no keys: tenant, id and how many days ago each was listed."""


def add_sharing(database: Database) -> None:
    with opened(database.location) as connection:
        for tenant, account_id, days in SHARING:
            connection.execute(
                "INSERT INTO integrated_accounts BY NAME SELECT $id AS id, "
                "'okta' AS integration, $tenant AS tenant_id, 'active' AS status, "
                "$at AS first_listed_at, $at AS listed_at",
                {
                    "id": f"{account_id[:8]}-{days}{account_id[8:]}",
                    "tenant": tenant,
                    "at": START - timedelta(days=days),
                },
            )


@on_both_stores("upgraded")
def test_accounts_of_version_2_get_their_keys_and_a_shared_one_more_digits(
    upgraded: Mapping[Path, Upgraded],
) -> None:
    rows = upgraded[HERE / "schema_2.sql"].after["integrated_accounts"]
    keys = {row["listed_at"]: row["partition_key"] for row in rows if row["integration"] == "okta"}
    assert [key for _, key in sorted(keys.items())] == [
        "acme.okta.aaaaaaaa",
        "cme.okta.bbbbbbbb",
        "acme.okta.aaaaaaaa0",
    ]


@on_both_stores("upgraded")
def test_a_publication_comes_after_all_those_of_before_the_upgrade(
    upgraded: Mapping[Path, Upgraded],
) -> None:
    with upgraded[OLDER[0]].database.writing() as connection:
        instant = take_instant(connection, lambda: START)
    assert instant > START + timedelta(days=90)


@on_both_stores("database")
def test_what_a_first_start_that_was_killed_has_made_is_completed(database: Database) -> None:
    """Version 1 made its tables one by one."""
    make_tables(database.location, OLDER[0], most=3)
    write(database)
    assert read_version_of(database) == str(SCHEMA_VERSION)
    assert read_rows(database, "SELECT count(*) FROM account_syncs") == [(0,)]


def upgrade_on_a_full_disk(database: Database, *, limit: int) -> str:
    """Play a full disk by a limit on the size of files; what the program said."""
    code = """
import resource, signal, sys
from truto_groups.warehouse.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
with database.writing():
    print("done")
"""
    done = subprocess.run(
        python(code, database.location, limit),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_upgrade_that_breaks_off_leaves_the_earlier_version(database: Database) -> None:
    make_older(database)
    before = read_all(database.location)
    told = upgrade_on_a_full_disk(database, limit=100)
    assert "DatabaseError" in told
    assert "its disk has room" in told
    assert read_all(database.location) == before
    write(database)
    assert read_version_of(database) == str(SCHEMA_VERSION)


def test_an_upgrade_that_could_not_be_moved_out_of_the_journal_is_done(
    database: Database,
) -> None:
    make_older(database)
    told = upgrade_on_a_full_disk(database, limit=60_000)
    assert "done" in told
    assert "DatabaseError" not in told
    assert "See that the disk has room" in told
    with read.connect(database.location) as connection:
        assert len(read.account_syncs(connection)["answer_order"].dropna()) == ROWS
    assert read_version_of(database) == str(SCHEMA_VERSION)


def test_an_upgrade_that_is_killed_leaves_the_earlier_version(database: Database) -> None:
    make_older(database)
    before = read_all(database.location)
    code = """
import os, signal, sys
from truto_groups.warehouse import upgrades
from truto_groups.warehouse.database import Database
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
made = upgrades.statements
upgrades.statements = lambda name: die() if name == "views/groups_as_of" else made(name)
with Database(sys.argv[1]).writing():
    pass
"""
    done = subprocess.run(python(code, database.location), timeout=60, check=False)
    assert done.returncode == -9
    assert read_all(database.location) == before


@on_both_stores("new")
def test_a_database_of_a_newer_version_is_refused_and_left_alone(new: Database) -> None:
    with opened(new.location) as connection:
        connection.execute(
            "UPDATE database_properties SET value = '99' WHERE name = 'schema_version'"
        )
        connection.execute("DROP TABLE account_state")
    before = read_all(new.location)
    for refused in (write, lambda one: read_rows(one, "SELECT 1"), open_snapshot):
        with pytest.raises(DatabaseError, match=NEWER) as caught:
            refused(Database(new.location))
        assert "Install the truto-groups that wrote it" in caught.value.advice
    assert read_all(new.location) == before


@on_both_stores("new")
def test_who_wrote_before_a_newer_program_did_writes_no_more(new: Database) -> None:
    write(new)
    with opened(new.location) as connection:
        connection.execute(
            "UPDATE database_properties SET value = '99' WHERE name = 'schema_version'"
        )
    for refused in (write, lambda one: read_rows(one, "SELECT 1")):
        with pytest.raises(DatabaseError, match=NEWER):
            refused(new)


def test_who_wrote_before_the_file_was_replaced_does_not_fill_another(database: Database) -> None:
    write(database)
    Path(database.location).unlink()
    with pytest.raises(DatabaseError, match="had the tables, and has them no more"):
        write(database)


def test_an_earlier_version_is_read_and_stays_as_it_is(database: Database) -> None:
    make_older(database)
    content = Path(database.location).read_bytes()
    with read.connect(database.location) as connection:
        assert len(read.account_syncs(connection)["answer_order"].dropna()) == ROWS
        assert len(read.groups_as_of("2030-01-01", connection)) == ROWS
    assert len(read_rows(database, "SELECT answer_order FROM account_syncs")) == ROWS
    assert Path(database.location).read_bytes() == content


@pytest.mark.parametrize("schema", [HERE / "schema_1.sql", HERE / "schema_2.sql"])
def test_a_lake_of_an_earlier_version_that_lacks_what_is_read_says_what_brings_it_forward(
    tmp_path: Path, schema: Path
) -> None:
    """A file is read through a copy, which is brought forward; of a lake there is none."""
    database = open_lake(tmp_path)
    make_older(database, schema)
    told = rf"are of version {version_of(schema)}, .* Run `truto-groups sync`"
    with pytest.raises(DatabaseError, match=told):
        read.connect(database.location)
    for question in (
        "SELECT partition_key FROM integrated_accounts",
        "FROM privileged_group_changes",
    ):
        with pytest.raises(DatabaseError, match=told):
            read_rows(database, question)
    assert len(read_rows(database, "FROM groups")) == ROWS

    write(database)

    assert len(read_rows(database, "SELECT partition_key FROM integrated_accounts")) == ROWS
    read.connect(database.location).close()


def test_a_start_that_finds_everything_writes_nothing(database: Database) -> None:
    write(database)
    before = Path(database.location).read_bytes()
    write(Database(database.location))
    assert Path(database.location).read_bytes() == before


@on_both_stores("new")
def test_a_macro_that_somebody_dropped_is_made_again(new: Database) -> None:
    with opened(new.location) as connection:
        connection.execute("DROP MACRO TABLE groups_as_of")
    write(Database(new.location))
    assert read_rows(new, "SELECT count(*) FROM groups_as_of(now())") == [(0,)]


@on_both_stores("new")
def test_a_table_of_ours_without_a_column_of_ours_is_refused_in_words(new: Database) -> None:
    with opened(new.location) as connection:
        connection.execute("ALTER TABLE groups DROP COLUMN description")
    for refused in (write, lambda one: read_rows(one, "FROM groups"), open_snapshot):
        with pytest.raises(DatabaseError, match=r"table groups of .* lacks the column description"):
            refused(Database(new.location))


@on_both_stores("new")
def test_a_table_that_somebody_dropped_is_not_read_as_an_empty_one(new: Database) -> None:
    with opened(new.location) as connection:
        connection.execute("DROP TABLE groups")
    for refused in (lambda one: read_rows(one, "SELECT 1"), open_snapshot):
        with pytest.raises(DatabaseError, match="lacks the table groups"):
            refused(Database(new.location))


def test_columns_tables_and_views_of_others_are_no_reason_to_fail(stand: Stand) -> None:
    """Every table gets the columns of every other one, so that no name is clear by itself."""

    def run_history() -> dict[str, object]:
        stand.now = START
        stand.put(A, [group(1), group(2), group(3)])
        stand.put(B, [group(1)])
        stand.discover()
        told: list[object] = [stand.outcomes(run_id="r1")]
        stand.pass_time(days=1)
        stand.put(A, [group(1, "New"), group(3, x=1), group(4, group_type="squad")])
        stand.put(B, [{"id": None}])
        told.append(stand.outcomes(run_id="r2"))
        stand.replay(A)
        read_accounts_of(stand)
        ours = {
            table.name: stand.rows(
                f"SELECT {', '.join(table.column_names)} FROM {table.name} ORDER BY ALL"  # noqa: S608
            )
            for table in TABLES
            if table.name in ("groups", "raw_groups", "group_changes", "group_type_breakdown")
        }
        as_of = stand.rows("SELECT * FROM groups_as_of($t) ORDER BY ALL", t=START)
        return {**ours, "outcomes": told, "as_of": as_of, "accounts": read_accounts_of(stand)}

    expected = run_history()
    stand.database = Database(str(stand.folder / "theirs.duckdb"))
    write(stand.database)
    names = sorted({name for table in TABLES for name in (*table.column_names, "n", "position")})
    with duckdb.connect(stand.database.location) as connection:
        connection.execute("BEGIN")  # else each column is written to the disk for itself
        for table in TABLES:
            for name in names:
                if name not in table.column_names:
                    connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {name} VARCHAR")
        for name in ("batch", "listed", "wanted", "differences", "told", "declared", "landed"):
            connection.execute(f"CREATE TABLE {name} (theirs INTEGER)")
        connection.execute("CREATE VIEW account_summary AS SELECT * FROM groups")
        connection.execute("COMMIT")

    assert run_history() == expected
    assert len(read.groups(read.connect(stand.database.location))) == 4


def read_accounts_of(stand: Stand) -> object:
    with stand.database.reading() as connection:
        return (
            [one.id for one in read_known_accounts(connection)],
            [one.integrated_account_id for one in read_pending(connection)],
            [one.integrated_account_id for one in read_failures(connection, run_id="r2")],
            [one.outcome for one in read_outcomes(connection, run_id="r2")],
            [one.run_id for one in read_last_audits(connection)],
            len(read_standing(connection)),
        )


FIRST = """
import sys
from truto_groups.warehouse.database import Database
print("ready", flush=True)
sys.stdin.readline()
with Database(sys.argv[1]).writing() as connection:
    connection.execute("INSERT INTO database_properties VALUES ($n, 'x')", {"n": sys.argv[2]})
"""


def test_processes_that_start_a_database_at_once_all_find_it(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "folder" / "groups.duckdb"))
    processes = [
        subprocess.Popen(
            python(FIRST, database.location, number),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    rows = read_rows(database, "SELECT name FROM database_properties WHERE value = 'x' ORDER BY 1")
    assert rows == [("0",), ("1",), ("2",)]


def test_every_upgrade_has_the_layout_that_it_starts_from_beside_the_tests() -> None:
    upgrades = sorted(
        (HERE.parents[1] / "truto_groups" / "warehouse" / "sql" / "upgrades").glob("*.sql")
    )
    versions = [int(path.stem) for path in upgrades]
    assert versions == list(range(2, SCHEMA_VERSION + 1))
    assert [path.stem for path in OLDER] == [f"schema_{version - 1}" for version in versions]
