"""Forgetting accounts: gone from tables, from Dagster's history and from the bytes of every file.

The sandbox, the database and the Dagster instance are real. What is searched for is found before.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
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
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.table_copies import copy_tables
from truto_groups_tests.defs.project import history_in_postgres
from truto_groups_tests.lake_values import read_lake
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import (
    A,
    B,
    C,
    Row,
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


def test_a_tenant_is_gone_from_every_table_file_and_event_and_others_and_verdicts_stay(
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
    runs = run_ids()

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

    # The one that covered A alone is gone, and the checks were evaluated.
    assert len(runs - run_ids()) == 1
    assert_others_are_whole_in_dagster()
    assert main(["sync", "--account", B]) == 0


def run_ids() -> set[str]:
    with open_instance(cwd=Path.cwd()) as instance:
        return {record.dagster_run.run_id for record in instance.get_run_records()}


def assert_others_are_whole_in_dagster() -> None:
    with open_instance(cwd=Path.cwd()) as instance:
        assert list(read_partition_keys(instance)) == [KEY_OF_B]
        for asset in PARTITIONED:
            assert instance.get_materialized_partitions(asset) == {KEY_OF_B}
            newest = instance.get_latest_materialization_event(asset)
            assert newest is not None
            assert newest.asset_materialization is not None
            assert newest.asset_materialization.partition == KEY_OF_B
        for record in instance.get_run_records():
            assert instance.all_logs(record.dagster_run.run_id)
        for check in CHECKS:
            evaluated = instance.get_latest_asset_check_evaluation_record(check)
            assert evaluated is not None
            assert evaluated.status.value in ("SUCCEEDED", "FAILED")


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


def test_killed_at_any_step_the_same_command_completes_it(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is killed once more, at a later step."""
    where = tmp_path / "certificate.json"
    arguments = ["--tenant", "tenant-of-jupiter", "--yes", "--certificate", str(where)]

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for owner, step in (
        (forget_accounts, "forget_in_history"),
        (FileCoordination, "forget_starts"),
        (forget_accounts, "write_certificate"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, die)
            assert forget(*arguments) == 130, step
        assert not where.exists()
        assert find(tmp_path) != {}, step

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


def dump(conninfo: str) -> str:
    """Every value of every table of a database in Postgres, in one text."""
    with closing(psycopg2.connect(conninfo)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        lines: list[str] = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT one::text FROM "{table}" one')  # noqa: S608
            lines += [line for (line,) in cursor.fetchall()]
    return "\n".join(lines)


@dataclass
class OfLake:
    """How A and C were forgotten in a lake, with Dagster's history in Postgres.

    Attributes:
        lake: All values of the lake by their place, before and after.
        dump: All of Postgres, before and after.
        codes: Of the command, and of the same once more.
        outcomes: Of a sync of who is left.
        certificates: Of both times.
        left: What a publication that was killed had left, and was deleted between them.
        kept: Rows of B, before and after.
        partitions: Those that Dagster knows then.
        verdict_count: How many checks have a verdict then.
    """

    lake: tuple[dict[str, str], dict[str, str]]
    dump: tuple[str, str]
    codes: tuple[int, int]
    outcomes: dict[str, str]
    certificates: tuple[dict[str, Any], dict[str, Any]]
    left: Path
    kept: tuple[list[Row], list[Row]]
    partitions: list[str]
    verdict_count: int


@pytest.fixture(name="of_lake", scope="module")
def provide_of_lake(
    tmp_path_factory: pytest.TempPathFactory,
    origin: tuple[Stand, Path],
    postgres_cluster: PostgresCluster,
) -> OfLake:
    folder, conninfo = tmp_path_factory.mktemp("of_lake"), postgres_cluster.make_database()
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        go_on(stand, folder, patch, origin)
        left = go_on_in_lake(stand, folder, patch, conninfo)
        assert main(["sync", "--all"]) == 0
        stand.database.rewrite()
        lake, dumped = read_lake(stand.database), dump(conninfo)
        kept = stand.table("groups", account=B)
        left.parent.mkdir(parents=True, exist_ok=True)
        duckdb.sql("SELECT 'Ganymede Payroll' AS name").write_parquet(str(left))
        codes: list[int] = []
        certificates: list[dict[str, Any]] = []
        for _ in range(2):
            codes.append(forget("--account", A, C, "--yes", "--certificate", "certificate.json"))
            certificates.append(json.loads(Path("certificate.json").read_text()))
            left.unlink(missing_ok=True)
            # What the checks find the second time is the same.
            patch.setattr(forget_accounts, "evaluate_here", lambda *_, **__: None)
        with open_instance(cwd=Path.cwd()) as instance:
            partitions = list(read_partition_keys(instance))
            verdicts = [instance.get_latest_asset_check_evaluation_record(one) for one in CHECKS]
        return OfLake(
            lake=(lake, read_lake(stand.database)),
            dump=(dumped, dump(conninfo)),
            kept=(kept, stand.table("groups", account=B)),
            codes=(codes[0], codes[1]),
            outcomes=stand.outcomes(B),
            certificates=(certificates[0], certificates[1]),
            left=left,
            partitions=partitions,
            verdict_count=len([one for one in verdicts if one is not None]),
        )


def go_on_in_lake(stand: Stand, folder: Path, patch: pytest.MonkeyPatch, conninfo: str) -> Path:
    """Go on in a lake and a new history, both in Postgres; where a publication may leave a file."""
    location, data_path = f"ducklake:postgres:{conninfo}", f"{folder / 'lake'}/"
    lake = Database(location, data_path=data_path)
    for _ in copy_tables(stand.database, lake):
        pass
    stand.database = lake
    patch.setenv("TRUTO_GROUPS_DATABASE", location)
    patch.setenv("TRUTO_GROUPS_DATA_PATH", data_path)
    shutil.rmtree(".dagster")
    with Path("dagster.yaml").open("a", encoding="utf-8") as file:
        file.write(json.dumps(history_in_postgres(conninfo))[1:-1])
    return folder / "lake" / "main" / "groups" / "ducklake-left.parquet"


@pytest.mark.slow
def test_a_lake_keeps_nothing_in_its_files_its_catalogue_and_its_statistics(
    of_lake: OfLake,
) -> None:
    before, after = of_lake.lake
    assert [one for one in MARKERS if one not in before["files"]] == []
    assert A in before["ducklake_table_column_stats"]
    assert of_lake.codes == (1, 0)
    assert of_lake.outcomes == {B: "published"}
    for name, text in after.items():
        assert [one for one in MARKERS if one in text] == [], name
    certificate = of_lake.certificates[1]
    assert any(name.endswith(".parquet") for name in certificate["searched_lake"])
    assert any("ducklake_table_column_stats" in one for one in certificate["searched_lake"])
    assert any("VACUUM FULL" in one for one in certificate["beyond"])
    kept, still_there = of_lake.kept
    assert still_there == kept != []


@pytest.mark.slow
def test_what_a_killed_publication_left_in_a_lake_is_told(of_lake: OfLake) -> None:
    (remains,) = of_lake.certificates[0]["remains"]
    assert remains["where"] == str(of_lake.left)
    assert "of which the lake knows nothing" in remains["note"]
    assert of_lake.certificates[1]["remains"] == []


@pytest.mark.slow
def test_a_history_in_postgres_forgets_them_too(of_lake: OfLake) -> None:
    before, after = of_lake.dump
    assert [key for key in (KEY_OF_A, KEY_OF_B) if key not in before] == []
    assert [marker for marker in MARKERS if marker in after] == []
    assert after.count(KEY_OF_B) > 10
    assert of_lake.partitions == [KEY_OF_B]
    assert of_lake.verdict_count == len(CHECKS)


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
