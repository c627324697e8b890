"""Forgetting accounts: gone from tables, from Dagster's history and from the bytes of every file.

The sandbox, the database and the Dagster instance are real. What is searched for is found before.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from truto_groups import schema
from truto_groups.cli import main
from truto_groups.coordination.files.file_coordination import FileCoordination
from truto_groups.definitions import build_definitions
from truto_groups.defs import dagster_internals
from truto_groups.defs.history import CHECKS, PARTITIONED
from truto_groups.defs.partitions import read_partition_keys
from truto_groups.runner import forget_accounts
from truto_groups.runner.local_runs import open_instance
from truto_groups.settings import read_environment
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.lake_search import iterate_values, list_lake_places
from truto_groups_tests.defs.project import history_in_postgres
from truto_groups_tests.object_store import run_object_store
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import (
    A,
    B,
    C,
    Stand,
    enter_project,
    go_on_in_project,
    group,
    groups_of,
    open_stand,
)

pytestmark = pytest.mark.long

SECRET = [
    group(
        number,
        f"Ganymede {word}",
        id=f"ganymede-{word.lower()}-{number}",
        description=f"Callisto {word}",
    )
    for number, word in enumerate(["Board", "Payroll", "Ünïts", 'Quo"ted', "Legal"])
]
LATER = [SECRET[0] | {"name": "Amalthea Board"}, *SECRET[1:4]]
ODD = [one | {"id": number, "remote_data": {"x": "Himalia"}} for number, one in enumerate(SECRET)]
MARKERS = ("Ganymede", "ganymede-", "Callisto", "Amalthea", "tenant-of-jupiter", A, A[:8])
GOES = {A, C}
KEY_OF_A, KEY_OF_B = "tenant-of-jupiter.okta.aaaaaaaa", "globex.jira.bbbbbbbb"


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stand, Path]:
    """Three accounts, of which one is held back and one has changed; the third is another's."""
    folder = tmp_path_factory.mktemp("origin")
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        project = enter_project(stand, folder, patch)
        connect(stand)
        assert main(["sync"]) == 0
        assert main(["sync", "--all"]) == 0
        assert main(["sync", "--account", A]) == 1
        print_in_a_step(project)
    return stand, project


def connect(stand: Stand) -> None:
    stand.put(A, SECRET, LATER, ODD, integration="okta", tenant_id="tenant-of-jupiter")
    stand.put(B, groups_of(30), [*groups_of(29), group(99)], integration="jira", tenant_id="globex")
    stand.put(C, [SECRET[4]], integration="slack", tenant_id="tenant-of-jupiter")


def print_in_a_step(project: Path) -> None:
    """What code printed in a step is a file of text."""
    (log,) = list((project / ".dagster" / "storage").rglob("*.out"))[:1]
    log.write_text(f"before {A} Ganymede Board after\n")


@pytest.fixture(name="stand")
def provide_stand(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: tuple[Stand, Path]
) -> Stand:
    go_on(stand, tmp_path, monkeypatch, origin)
    return stand


def go_on(
    stand: Stand, folder: Path, patch: pytest.MonkeyPatch, origin: tuple[Stand, Path]
) -> None:
    """Go on from there in a project, and with a temporary folder, of the stand's own."""
    temporary = folder / "temporary"
    temporary.mkdir()
    patch.setattr("tempfile.tempdir", str(temporary))
    project = enter_project(stand, folder, patch)
    other, other_project = origin
    go_on_in_project(stand, project, other=other, other_project=other_project)
    connect(stand)


@dataclass
class Outcome:
    """How forgetting A and C ended, and what is left in the stand."""

    stand: Stand
    code: int
    certificate: dict[str, Any]


@pytest.fixture(name="forgotten", scope="module")
def provide_forgotten(
    tmp_path_factory: pytest.TempPathFactory, origin: tuple[Stand, Path]
) -> Outcome:
    """Of two that the settings skip, in a database that holds other things besides."""
    folder = tmp_path_factory.mktemp("forgotten")
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        go_on(stand, folder, patch, origin)
        label = {"label": "Ganymede of all"}
        theirs = [*groups_of(29), group(7, "Ganymede Payroll")]
        stand.put(B, theirs, integration="jira", tenant_id="globex", context=label)
        stand.put(A, ODD, integration="okta", tenant_id="tenant-of-jupiter", context=label)
        assert main(["sync", "--account", B]) == 0
        stand.write("CREATE VIEW mine AS SELECT count(*) AS n FROM groups")
        stand.write("CREATE TABLE theirs AS SELECT id, name FROM groups")
        Path(stand.database.location).chmod(0o640)
        stand.write_settings(f"accounts:\n  {A}: {{skip: true}}\n  {C}: {{skip: true}}\n")
        code = forget("--account", A, C, "--certificate", "certificate.json")
        certificate = json.loads(Path("certificate.json").read_text())
    return Outcome(stand, code, certificate)


def forget(*arguments: str) -> int:
    return main(["forget", "--reason", "they left", *arguments])


def find(folder: Path, markers: Sequence[str] = MARKERS) -> dict[str, int]:
    """In which files a marker stands, byte by byte; and in which values of which databases."""
    found: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "certificate.json":
            content = path.read_bytes()
            count = sum(content.count(marker.encode()) for marker in markers)
            found |= {str(path.relative_to(folder)): count} if count else {}
            if content.startswith(b"SQLite format 3"):
                found |= find_in_sqlite(path, markers)
    return found


def find_in_sqlite(path: Path, markers: Sequence[str]) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        text = "\n".join(connection.iterdump())
    count = sum(text.count(marker) for marker in markers)
    return {f"values of {path.name}": count} if count else {}


def read_all(database: Database) -> str:
    """Every value of every table, in one text."""
    with database.reading() as connection:
        return "\n".join(
            str(connection.execute(f"SELECT * FROM {table.name}").fetchall())  # noqa: S608
            for table in schema.TABLES
        )


@pytest.mark.slow
def test_a_tenant_is_gone_from_every_table_file_and_event(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = find(tmp_path)
    assert any(name.endswith("index.db") for name in before)
    assert any(name.startswith("values of ") for name in before)
    assert stand.table("held_back_groups", account=A)
    assert stand.table("group_changes", account=A)
    kept = {
        name: stand.table(name, account=B) for name in ("groups", "raw_groups", "account_shapes")
    }
    where = tmp_path / "certificate.json"

    code = forget(
        "--tenant", "tenant-of-jupiter", "--yes", "--certificate", str(where), "--by", "Ann"
    )

    assert code == 0, where.read_text()
    assert find(tmp_path) == {}
    assert not any(marker in read_all(stand.database) for marker in MARKERS)
    for name, rows in kept.items():
        assert stand.table(name, account=B) == rows
    certificate = json.loads(where.read_text())
    assert {one["id"] for one in certificate["accounts"]} == GOES
    assert certificate["is_clean"] is True
    assert (certificate["reason"], certificate["requested_by"]) == ("they left", "Ann")
    assert certificate["rows"]["groups"] == 5
    assert certificate["rows"]["held_back_groups"] == 5
    assert certificate["history_deleted"]["event_logs"] > 0
    assert certificate["deleted_runs"] == 1
    assert stand.database.location in certificate["searched"]
    told = where.read_text()
    assert not any(name in told for name in ("Ganymede", "Callisto", "Amalthea"))
    assert "the next discovery brings them back" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.slow
def test_what_others_have_in_dagster_stays_and_verdicts_stay_in_sight(
    stand: Stand, tmp_path: Path
) -> None:
    project = Path.cwd()
    with open_instance(cwd=project) as instance:
        runs = {record.dagster_run.run_id for record in instance.get_run_records()}
    assert forget("--account", A, C, "--yes") == 0
    with open_instance(cwd=project) as instance:
        assert list(read_partition_keys(instance)) == [KEY_OF_B]
        for asset in PARTITIONED:
            assert instance.get_materialized_partitions(asset) == {KEY_OF_B}
            newest = instance.get_latest_materialization_event(asset)
            assert newest is not None
            assert newest.asset_materialization is not None
            assert newest.asset_materialization.partition == KEY_OF_B
        # The one that covered A alone is gone, and the checks were evaluated.
        left = {record.dagster_run.run_id for record in instance.get_run_records()}
        assert len(runs - left) == 1
        for run_id in left:
            assert instance.all_logs(run_id)
        for check in CHECKS:
            record = instance.get_latest_asset_check_evaluation_record(check)
            assert record is not None
            assert record.status.value in ("SUCCEEDED", "FAILED")
    assert main(["sync", "--account", B]) == 0


def test_an_account_that_is_still_listed_is_refused_without_a_confirmation(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stand.data()
    assert forget("--account", A) == 1
    assert "Truto still lists them" in capsys.readouterr().err.replace("\n", " ")
    assert stand.data() == before


def test_accounts_that_are_still_listed_and_skipped_are_forgotten_without_a_confirmation(
    forgotten: Outcome,
) -> None:
    assert forgotten.code == 0
    assert any("Your settings file" in one["note"] for one in forgotten.certificate["yours"])
    assert {row["integrated_account_id"] for row in forgotten.stand.table("groups")} == {B}


def test_those_that_are_gone_or_removed_long_ago_are_forgotten_without_more_ado(
    stand: Stand,
) -> None:
    stand.write("UPDATE integrated_accounts SET gone_at = now() WHERE id = $id", id=C)
    stand.write("DELETE FROM integrated_accounts WHERE id = $id", id=A)
    assert forget("--account", C, A[:8]) == 0
    assert not any(marker in read_all(stand.database) for marker in MARKERS)


def test_what_cannot_be_meant_changes_nothing(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = stand.data()
    for code, arguments in (
        (1, ["--account", "deadbeef", A, "--yes"]),
        (1, ["--tenant", "tenant-of-jupitr", "--yes"]),
        (2, []),
        (2, ["--account", A, "--tenant", "globex"]),
        (2, ["--account", A, "--reason", " "]),
        # The certificate could not hold them, when all is forgotten.
        (2, ["--account", A, "--yes", "--reason", "\udcff"]),
        (2, ["--account", A, "--yes", "--by", "\udcff"]),
        (2, ["--account", A, "--yes", "--certificate", "nowhere/certificate.md"]),
    ):
        assert forget(*arguments) == code
    assert main(["forget", "--account", A]) == 2
    err = capsys.readouterr().err
    assert "deadbeef: no such account" in err
    assert "tenant-of-jupiter" in err
    assert stand.data() == before


def test_a_certificate_in_the_place_of_the_database_is_refused_before_anything_is_forgotten(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    location = stand.database.location
    command = ["forget", "--account", A, "--reason", "r", "--yes", "--certificate", location]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "The certificate would replace the database itself." in told
    assert stand.table("groups", account=A)


def test_an_account_in_flight_is_refused(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    before = stand.data()
    job = build_definitions().resolve_job_def("refresh_groups")
    with open_instance(cwd=Path.cwd()) as instance:
        instance.create_run_for_job(job, tags={"dagster/partition": KEY_OF_A})
    assert forget("--account", A, "--yes") == 1
    assert "a run covers them now" in capsys.readouterr().err.replace("\n", " ")
    assert stand.data() == before


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (forget_accounts, "forget_in_history"),
        (FileCoordination, "forget_starts"),
        (forget_accounts, "write_certificate"),
    ],
    ids=["history", "ceilings", "certificate"],
)
def test_killed_at_any_step_the_same_command_completes_it(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    where = tmp_path / "certificate.json"
    arguments = ["--tenant", "tenant-of-jupiter", "--yes", "--certificate", str(where)]

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        assert forget(*arguments) == 130
    assert not where.exists()
    assert find(tmp_path) != {}

    assert forget(*arguments) == 0
    assert find(tmp_path) == {}
    assert json.loads(where.read_text())["rows"]["groups"] == 5


def test_what_only_others_may_change_is_told_and_what_is_left_is_not_hidden(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write("CREATE TABLE theirs AS SELECT id, name FROM groups")
    kept = tmp_path / "temporary" / "truto-groups-99999999-abc" / "spill"
    kept.parent.mkdir()
    kept.write_bytes(b"\0\1Ganymede Payroll\2")
    copied = Path(shutil.copy(stand.database.location, f"{stand.database.location}.bak"))
    assert forget("--account", A, "--yes") == 1
    out = capsys.readouterr().out
    assert "table theirs" in out
    assert copied.name in out
    assert "truto-groups-99999999-abc" in out


def test_a_history_that_somebody_holds_is_told_and_the_same_command_goes_on(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index = Path.cwd() / ".dagster" / "history" / "runs" / ".db"
    monkeypatch.setattr(dagster_internals, "_BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(index)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert forget("--account", A, C, "--yes") == 2
    assert "goes on with it" in capsys.readouterr().err.replace("\n", " ")
    assert forget("--account", A, C, "--yes") == 0
    assert find(tmp_path) == {}


@pytest.mark.slow
def test_a_history_in_postgres_forgets_them_too(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    stand.database = Database(str(place / "groups.duckdb"))
    project = enter_project(stand, place, monkeypatch)
    with (project / "dagster.yaml").open("a", encoding="utf-8") as file:
        file.write(json.dumps(history_in_postgres(postgres_database))[1:-1])
    assert main(["sync"]) == 0
    assert main(["sync", "--account", A]) == 0
    before = dump(postgres_database)
    assert [key for key in (KEY_OF_A, KEY_OF_B) if key not in before] == []

    assert forget("--account", A, C, "--yes") == 0

    after = dump(postgres_database)
    assert [marker for marker in MARKERS if marker in after] == []
    assert after.count(KEY_OF_B) > 10
    with open_instance(cwd=project) as instance:
        assert list(read_partition_keys(instance)) == [KEY_OF_B]
        for check in CHECKS:
            assert instance.get_latest_asset_check_evaluation_record(check) is not None
    assert main(["sync", "--account", B]) == 0


def dump(conninfo: str) -> str:
    """Every value of every table of a database in Postgres, in one text."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        lines: list[str] = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT one::text FROM "{table}" one')  # noqa: S608
            lines += [line for (line,) in cursor.fetchall()]
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "object store"])
def test_a_lake_keeps_nothing_in_its_files_its_catalogue_and_its_statistics(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres_database: str,
    place: str,
) -> None:
    with ExitStack() as stack:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        variables = {"TRUTO_GROUPS_DATA_PATH": f"{folder / 'lake'}/"}
        if place == "object store":
            store = stack.enter_context(run_object_store(folder))
            variables = {"TRUTO_GROUPS_DATA_PATH": store.data_path, **store.variables}
        variables["TRUTO_GROUPS_DATABASE"] = f"ducklake:postgres:{postgres_database}"
        stand.database = Database.of(read_environment(variables, cwd=folder))
        enter_project(stand, folder, monkeypatch)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stand.put(C, [group(n, f"Ganymede {n}", id=f"ganymede-{n}") for n in range(1200)],
                  integration="slack", tenant_id="tenant-of-jupiter")  # fmt: skip
        assert main(["sync"]) == 0
        assert main(["sync", "--account", A]) == 0
        stand.database.rewrite()
        before = read_lake(stand.database)
        assert [one for one in MARKERS if one in before["files"]] == ["Ganymede", "ganymede-",
               "Callisto", "Amalthea", "tenant-of-jupiter", A, A[:8]]  # fmt: skip
        assert A in before["ducklake_table_column_stats"]
        kept = stand.table("groups", account=B)
        where = folder / "certificate.json"

        code = forget("--account", A, C, "--yes", "--certificate", str(where))

        assert code == 0, where.read_text()
        for name, text in read_lake(stand.database).items():
            assert [one for one in MARKERS if one in text] == [], name
        assert [one for one in MARKERS if one in dump(postgres_database)] == []
        certificate = json.loads(where.read_text())
        assert any(name.endswith(".parquet") for name in certificate["searched_lake"])
        assert any("ducklake_table_column_stats" in one for one in certificate["searched_lake"])
        assert any("VACUUM FULL" in one for one in certificate["beyond"])
        assert stand.table("groups", account=B) == kept
        assert main(["sync", "--account", B]) == 0


def read_lake(database: Database) -> dict[str, str]:
    """Every value of a lake's files, and of each table of its catalogue."""
    found: dict[str, str] = {"files": ""}
    with database.catalogue() as connection:
        assert connection is not None
        for place in list_lake_places(connection):
            text = b"\n".join(iterate_values(connection, place)).decode()
            if place.where.endswith(".parquet"):
                found["files"] += text
            else:
                found[place.where.split()[1]] = text
    return found


@pytest.mark.slow
def test_what_a_killed_publication_left_in_a_lake_is_told(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    data_path = f"{folder / 'lake'}/"
    location = f"ducklake:postgres:{postgres_database}"
    stand.database = Database(location, data_path=data_path)
    enter_project(stand, folder, monkeypatch)
    monkeypatch.setenv("TRUTO_GROUPS_DATA_PATH", data_path)
    assert main(["sync"]) == 0
    left = folder / "lake" / "main" / "groups" / "ducklake-left.parquet"
    left.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql("SELECT 'Ganymede Payroll' AS name").write_parquet(str(left))
    assert forget("--account", A, "--yes") == 1
    told = " ".join("".join(capsys.readouterr()).split())
    assert "of which the lake knows nothing" in told
    assert left.name in told
    left.unlink()
    assert forget("--account", A, "--yes") == 0


def test_a_name_that_others_have_too_is_left_to_them(forgotten: Outcome) -> None:
    stand = forgotten.stand
    assert [row["label"] for row in stand.table("integrated_accounts")] == ["Ganymede of all"]
    assert [row["name"] for row in stand.table("groups") if "Ganymede" in row["name"]] == [
        "Ganymede Payroll"
    ]


def test_views_macros_and_other_tables_survive_that_the_file_is_written_anew(
    forgotten: Outcome,
) -> None:
    stand = forgotten.stand
    assert stand.rows("SELECT * FROM mine") == [(len(stand.table("groups")),)]
    assert ("Ganymede Ünïts",) in stand.rows("SELECT name FROM theirs")
    assert "table theirs" in {one["where"] for one in forgotten.certificate["yours"]}
    assert stand.rows("SELECT count(*) FROM groups_as_of(now())")
    assert Path(stand.database.location).stat().st_mode & 0o777 == 0o640
    with closing(duckdb.connect(stand.database.location, read_only=True)) as connection:
        ((version,),) = connection.execute(
            "SELECT value FROM database_properties WHERE name = 'schema_version'"
        ).fetchall()
    assert version == str(schema.SCHEMA_VERSION)
