"""Where a database lies: odd names, and secrets that are never told.

Real: files, DuckDB, and its own errors for places that cannot be reached. Nothing is faked.
"""

import traceback
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from truto_groups import read
from truto_groups.cli import main
from truto_groups.errors import DatabaseError
from truto_groups.text.secrecy import redact
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.location import read_location
from truto_groups_tests.processes import other_process
from truto_groups_tests.stand import Stand, use_ducklake

pytestmark = pytest.mark.long

KILLED = """
import os, sys
from truto_groups.warehouse.database import Database
blocks = []
for location in sys.argv[1:]:
    blocks.append(Database(location).writing())
    connection = blocks[-1].__enter__()
    connection.execute("INSERT INTO database_properties VALUES ('kept', 'x')").fetchall()
    connection.execute("COMMIT").fetchall()
print("ready", flush=True)
os._exit(0)
"""

ODD_NAMES = (
    "it's.duckdb",
    ' a "b" c.duckdb ',
    "äöü u\u0308 \u00df \U0001f600.duckdb",
    "50%3F#x&y=z+1.duckdb",
    "a*[b]{c}.duckdb",
    "a\\\\b;c:d,e|f<g>`h`$i@j!~^.duckdb",
    "-x",
    ".hidden",
    "key=7.parquet",
    "n" * 233 + ".duckdb",
)


@pytest.fixture(name="odd_folder", scope="module")
def provide_odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases with odd names, all left by a process that was killed after it had committed."""
    folder = tmp_path_factory.mktemp("odd")
    with other_process(KILLED, *(folder / name for name in ODD_NAMES)) as process:
        process.wait()
    return folder


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_works_also_when_a_writer_was_killed(odd_folder: Path, name: str) -> None:
    database = Database(str(odd_folder / name))
    assert Path(f"{database.location}.wal").exists()
    question = "SELECT name FROM database_properties WHERE value = 'x'"
    with read.connect(database.location) as connection:
        assert connection.execute(question).fetchall() == [("kept",)]
    with database.reading() as connection:
        assert connection.execute(question).fetchall() == [("kept",)]
    with database.writing() as connection:
        assert connection.execute(question).fetchall() == [("kept",)]
    assert all(file.name.startswith(ODD_NAMES) for file in odd_folder.iterdir())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a?b.duckdb", "the character ?"),
        ("a\nb.duckdb", "the character U+000A"),
        ("a\tb.duckdb", "the character U+0009"),
        ("a\x1b[31mb.duckdb", "the character U+001B"),
        ("a\x9bb.duckdb", "the character U+009B"),
        ("n" * 250, "a name of 250 bytes"),
        ("ä" * 125, "a name of 250 bytes"),
        ("\udcff.duckdb", "bytes that are not UTF-8"),
    ],
    ids=ascii,
)
def test_a_name_that_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, told: str
) -> None:
    folder = tmp_path / "folder"
    database = Database(str(folder / name))
    for refused in (database.writing, database.reading):
        with pytest.raises(DatabaseError) as caught, refused():
            pass
        assert told in str(caught.value)
        assert str(caught.value).isprintable()
        assert "TRUTO_GROUPS_DATABASE" in caught.value.advice
    with pytest.raises(DatabaseError):
        read.connect(database.location)
    assert not folder.exists()


MISTAKEN = [
    "ducklake:postgresql://u:hunter22x@127.0.0.1:1/x",
    "ducklake:postgres://u:hunter22x@127.0.0.1:1/x",
    "ducklake:postgres:POSTGRESQL://u:hunter22x@127.0.0.1:1/x",
    "ducklake:postgres: postgresql://127.0.0.1:1/x",
    "ducklake:postgresql:host=127.0.0.1 port=1 dbname=x",
    "ducklake:PG:host=127.0.0.1 port=1 dbname=x",
    "ducklake: postgres:host=127.0.0.1 port=1 dbname=x",
    "ducklake:host=127.0.0.1 port=1 dbname=x",
    "postgres:dbname=x host=127.0.0.1",
]


@pytest.mark.parametrize("location", MISTAKEN)
def test_a_form_of_postgres_that_ducklake_does_not_take_is_refused_with_the_form_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    """Some it takes for the name of a file, and would make a lake for this machine alone."""
    monkeypatch.chdir(tmp_path)
    database = Database(location, data_path=f"{tmp_path / 'lake'}/")
    for use in (database.writing, database.reading, lambda: read.connect(location)):
        with pytest.raises(DatabaseError, match="the forms are ducklake:postgres:host=") as caught:
            use().__enter__()
        assert "hunter22x" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "location",
    [
        "ducklake:mysql:db=x",
        "ducklake:md:x",
        "ducklake:s3://b/x.db",
        "ducklake:a_secret",
        "ducklake:",
    ],
)
def test_a_catalogue_that_machines_could_not_agree_about_is_refused(location: str) -> None:
    assert "neither in Postgres nor in a file" in (read_location(location).fault or "")


@pytest.mark.parametrize("location", ["ducklake:a.ducklake", "ducklake:duckdb:a", "ducklake:./a"])
def test_a_catalogue_in_a_file_is_taken(location: str) -> None:
    assert read_location(location).fault is None


@pytest.mark.parametrize(
    "location",
    [
        "ducklake:postgres:host=h dbname=x",
        "DUCKLAKE:Postgres:host=h dbname=x",
        "ducklake:POSTGRES_SCANNER:host=h dbname=x",
        "ducklake:postgres:postgresql://u@h/x",
        "ducklake:postgres:postgres://u@h/x",
        "ducklake:postgres: host=h dbname=x password='a://b'",
        "ducklake:postgres:",
    ],
)
def test_each_form_of_postgres_that_ducklake_takes_is_known_as_served(location: str) -> None:
    found = read_location(location)
    assert found.fault is None
    assert found.postgres == location.split(":", 2)[2]


@pytest.mark.parametrize(
    "location", [":memory:", "postgresql://u:hunter22x@h/d", "s3://b/x.duckdb"]
)
def test_what_is_no_file_and_no_database_that_we_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseError) as caught, Database(location).writing():
        pass
    assert "hunter22x" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_work_ends_the_command_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(tmp_path / "a?b.duckdb"))
    assert main(["status"]) == 2
    assert "the character ?" in capsys.readouterr().err


@pytest.mark.parametrize("location", ["md:", "MotherDuck:", "md:?motherduck_token=hunter22x"])
def test_motherduck_without_a_database_is_refused(
    location: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it was attached, and what followed failed at the name of none."""
    with (
        pytest.raises(DatabaseError, match="names no database of MotherDuck"),
        Database(location).writing(),
    ):
        pass
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", location)
    assert main(["status"]) == 2
    told = capsys.readouterr().err
    assert "names no database of MotherDuck" in told
    assert "hunter22x" not in told


SECRET = "hunter22x"
SECRETIVE = [
    f"ducklake:postgres:dbname=x host=127.0.0.1 port=1 user=u password={SECRET}",
    f"ducklake:postgres:dbname=x user=u password = {SECRET} host=127.0.0.1 port=1",
    f"ducklake:postgres:dbname=x user=u password='{SECRET}' host=127.0.0.1 port=1",
    f"ducklake:postgres:host=127.0.0.1 PASSWORD={SECRET}&x;y port=1",
    f"ducklake:postgres:postgresql://u:{SECRET}@127.0.0.1:1/x?sslmode=disable",
    "ducklake:postgres:postgresql://u:%68unter22x@127.0.0.1:1/x",
    f"ducklake:postgres:postgresql://u:a@{SECRET}@127.0.0.1:1/x",
    f"ducklake:postgresql://127.0.0.1:1/x?user=u&sslpassword={SECRET}&password={SECRET}",
    f"ducklake:mysql:host=127.0.0.1 user=u passwd={SECRET} db=x",
    f"ducklake:/nowhere/at/all.ducklake?api_key={SECRET}",
    f"ducklake:/nowhere/at/all.ducklake?{SECRET}",
    f"md:groups?motherduck_token={SECRET}",
    f"md:groups?saas_mode=true&motherduck_token={SECRET}",
    f"motherduck:groups?token={SECRET}",
    f"MD:groups?motherduck_token={SECRET}",
    f"/nowhere/at/all?motherduck_token={SECRET}",
    f"ducklake:postgres:host=127.0.0.1 port=1 password=a\\ {SECRET} dbname=x",
    f"ducklake:postgres:host=127.0.0.1 port=1 password=a b {SECRET} dbname=x",
    f"ducklake:postgres:host=127.0.0.1 port=1 password='a b {SECRET} dbname=x",
    f"ducklake:postgres:host=127.0.0.1 port=1 password='a's {SECRET}' dbname=x",
    f"ducklake:postgres:postgresql://u:a {SECRET}@127.0.0.1:1/x",
    f"ducklake:postgres:postgresql://u@127.0.0.1:1/x?password=a {SECRET}&user=u",
    f"postgres:dbname=x password={SECRET}",
]


def tell_of(error: BaseException) -> list[str]:
    """Everything that an error, and whoever keeps its traceback, says."""
    assert error.__traceback__ is not None
    info = serializable_error_info_from_exc_info((type(error), error, error.__traceback__))
    return [
        str(error),
        repr(error),
        "".join(traceback.format_exception(error)),
        info.to_string(),
        dg.serialize_value(info),
    ]


@pytest.mark.parametrize("location", SECRETIVE)
def test_a_secret_in_the_location_is_taken_out_of_what_libraries_say_of_it(location: str) -> None:
    database = read_location(location)
    quoted = location.replace("'", "''")
    rest = location.partition(":")[2] or location
    for text in (location, quoted, f'at "{location}": no', f"cannot open {rest!r}", rest[20:]):
        assert SECRET not in database.redact(text)
    assert SECRET not in database.shown + repr(database)
    assert SECRET not in redact(f"FATAL: no entry for {SECRET}.")


@pytest.mark.parametrize("location", [SECRETIVE[0], SECRETIVE[9], SECRETIVE[-1]])
def test_a_secret_in_the_location_is_told_by_nothing(
    location: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    by_default = {"data_path": None, "object_store": None, "patience_seconds": 0}
    monkeypatch.setattr(Database.__init__, "__kwdefaults__", by_default)
    database = Database(location)
    texts = [repr(database), str(database), database.shown]
    for use in (database.writing, database.reading, lambda: read.connect(location)):
        with pytest.raises(DatabaseError) as caught, use():
            pass
        texts += tell_of(caught.value)
    if not database.is_file:
        texts.append(str(database.companion))
    texts += [caplog.text, *(str(path) for path in tmp_path.rglob("*"))]
    assert [text for text in texts if SECRET in text] == []


def test_a_secret_is_taken_out_of_an_error_that_comes_from_within_a_block(stand: Stand) -> None:
    use_ducklake(stand)
    location = f"{stand.database.location} password={SECRET}"
    question = "SELECT error($text)"
    for block in (Database(location).writing(), Database(location).reading()):
        with pytest.raises(duckdb.Error) as caught, block as connection:
            connection.execute(question, {"text": f"cannot reach {location}"}).fetchall()
        assert [text for text in tell_of(caught.value) if SECRET in text] == []
        assert "password=[secret]" in str(caught.value)


def test_what_is_no_secret_is_shown() -> None:
    shown = {
        f"ducklake:postgres:dbname=x host=h password={SECRET} user=u": (
            "ducklake:postgres:dbname=x host=h password=[secret] user=u"
        ),
        f"md:groups?motherduck_token={SECRET}&saas_mode=true": (
            "md:groups?motherduck_token=[secret]&saas_mode=true"
        ),
        f"ducklake:postgres:postgresql://me:{SECRET}@host:5432/x": (
            "ducklake:postgres:postgresql://me:[secret]@host:5432/x"
        ),
        f"ducklake:postgres:password = a b {SECRET} host = h dbname=x": (
            "ducklake:postgres:password =[secret] host = h dbname=x"
        ),
        f"ducklake:postgres:postgresql://me:a {SECRET}@host/x?sslmode=require": (
            "ducklake:postgres:postgresql://me:[secret]@host/x?sslmode=require"
        ),
        "md:groups": "md:groups",
        "/data/key=7/groups.duckdb": "/data/key=7/groups.duckdb",
        "ducklake:postgres:dbname=x host=h": "ducklake:postgres:dbname=x host=h",
    }
    assert {text: read_location(text).shown for text in shown} == shown


def test_an_error_of_a_library_is_told_without_the_secret_also_when_it_is_too_short_to_hide() -> (
    None
):
    location = read_location("ducklake:postgres:dbname=x password=abc")
    error = duckdb.IOException('Unable to connect to Postgres at "dbname=x password=abc": no')
    assert "abc" not in location.redact(str(error))


def test_another_password_leads_to_the_same_files_beside_the_database() -> None:
    one, two = (Database(f"md:groups?motherduck_token={word}{SECRET}") for word in ("a", "b"))
    assert one.companion == two.companion
    assert one.companion != Database("md:others").companion


def test_a_command_tells_no_secret_of_the_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", SECRETIVE[0])
    assert main(["status"]) == 2
    told = capfd.readouterr()
    assert "password=[secret]" in told.err
    assert SECRET not in told.out + told.err
