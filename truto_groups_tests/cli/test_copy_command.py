"""All tables copied into another database: whole, the same, and gone on with.

Real: HTTP on loopback, DuckDB files, and a lake with its catalogue in Postgres.
"""

import re
import traceback
from pathlib import Path

import duckdb
import pytest

from truto_groups import read
from truto_groups.cli import main
from truto_groups.errors import DatabaseError
from truto_groups.schema import SCHEMA_VERSION, TABLES
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.snapshot import open_snapshot
from truto_groups.warehouse.table_copies import SourceMovedError, copy_tables
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import A, B, Stand, groups_of, open_stand, read_tables, use_ducklake

pytestmark = pytest.mark.long

NAMES = [table.name for table in TABLES]


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """A database with something in most tables."""
    with open_stand(tmp_path_factory.mktemp("origin")) as stand:
        stand.put(A, groups_of(40))
        stand.put(B, groups_of(3))
        stand.discover()
        stand.sync(run_id="first")
        stand.pass_time(days=1)
        stand.put(A, groups_of(2))
        stand.put(B, groups_of(5))
        stand.sync(run_id="second")
    return stand


@pytest.fixture(autouse=True)
def fill(stand: Stand, origin: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as the source, and a project whose database it is."""
    stand.go_on_from(origin)
    stand.put(A, groups_of(2))
    stand.put(B, groups_of(5))
    monkeypatch.chdir(stand.folder)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)


def read_all(database: Database) -> dict[str, list[dict[str, object]]]:
    return read_tables(database, *NAMES)


@pytest.mark.slow
def test_a_copy_into_a_lake_and_back_is_the_same_in_every_table(
    stand: Stand,
    postgres_cluster: PostgresCluster,
    postgres_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where the lake goes away meanwhile, which is told without its password."""
    before = read_all(stand.database)
    location = f"ducklake:postgres:{postgres_database} password='hunter 22x'"
    assert main(["copy", "--to", location, "--data-path", "lake"]) == 0
    told = capsys.readouterr().out
    assert "groups: 45 rows, copied" in told
    assert "each table was compared as a whole" in told
    lake = Database(location)
    assert read_all(lake) == before
    assert main(["copy", "--to", location, "--data-path", "lake"]) == 2
    assert "holds the same rows already, or is the same database" in capsys.readouterr().err

    back = Database(str(stand.folder / "back.duckdb"))
    begun = copy_tables(lake, back)
    done = [next(begun).name for _ in range(2)]
    with (
        postgres_cluster.away(is_gone=True),
        pytest.raises(DatabaseError, match="connection to server") as caught,
    ):
        list(begun)
    assert "hunter" not in "".join(traceback.format_exception(caught.value))

    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", location)
    assert main(["copy", "--to", "back.duckdb"]) == 0
    told = capsys.readouterr().out
    assert [name for name in done if not re.search(rf"{name}: .*there already", told)] == []
    assert read_all(back) == before
    assert read_all(stand.database) == before

    stand.database = back
    stand.pass_time(days=1)
    assert stand.outcomes(B, run_id="third") == {B: "unchanged"}


def read_last_copy(database: Database) -> None:
    """Read once more the copy that another in this process was let into."""
    database.to_be_filled().open_copy().close()
    database.open_copy()


def test_a_copy_that_was_ended_goes_on_and_is_nobodys_database_until_then(
    stand: Stand, tmp_path: Path
) -> None:
    target = Database(str(tmp_path / "other.duckdb"))
    begun = copy_tables(stand.database, target)
    done = [next(begun).name for _ in range(3)]
    begun.close()

    other = Stand(stand.server, tmp_path, now=stand.now)
    other.database = target
    with pytest.raises(DatabaseError, match=r"not whole yet.*truto-groups copy"):
        other.discover()
    for look in (open_snapshot, lambda one: read_all(one), read_last_copy):
        with pytest.raises(DatabaseError, match=r"not whole yet.*truto-groups copy"):
            look(target)
    with pytest.raises(DatabaseError, match="not whole yet"):
        read.connect(target.location)

    copied = list(copy_tables(stand.database, target))
    assert [one.name for one in copied if one.name in done and one.is_new] == []
    assert [one.name for one in copied] == NAMES
    assert read_all(target) == read_all(stand.database)
    other.discover()


def test_a_target_that_holds_other_rows_is_refused_and_stays_as_it_is(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", "--to", "other.duckdb"]) == 0
    target = Database(str(tmp_path / "other.duckdb"))
    with target.writing() as connection:
        connection.execute("DELETE FROM groups WHERE id = 'g1'").fetchall()
    before = read_all(target)
    assert main(["copy", "--to", "other.duckdb"]) == 2
    assert "which a copy would replace. Nothing was changed" in capsys.readouterr().err
    assert read_all(target) == before


def test_a_table_that_somebody_changed_meanwhile_is_found_in_the_end(
    stand: Stand, tmp_path: Path
) -> None:
    target = Database(str(tmp_path / "other.duckdb"))
    with pytest.raises(DatabaseError, match=r"The table groups of .* is not what was copied"):  # noqa: PT012
        for table in copy_tables(stand.database, target):
            if table.name == "groups":
                with target.to_be_filled().writing() as connection:
                    connection.execute("UPDATE groups SET name = 'x' WHERE id = 'g1'").fetchall()


def test_a_database_is_not_copied_onto_itself(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_all(stand.database)
    (tmp_path / "link.duckdb").symlink_to(stand.database.location)
    for name in (stand.database.location, "groups.duckdb", "link.duckdb"):
        assert main(["copy", "--to", name]) == 2
        assert "is the database that is to be copied" in capsys.readouterr().err
    (tmp_path / "other.duckdb").hardlink_to(stand.database.location)
    assert main(["copy", "--to", "other.duckdb"]) == 2
    assert "holds the same rows already, or is the same" in capsys.readouterr().err
    assert read_all(stand.database) == before


def test_a_file_becomes_no_catalogue_of_the_lake_that_it_is_copied_into(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = Path(stand.database.location).read_bytes()
    for place in ("ducklake:groups.duckdb", f"DUCKLAKE:duckdb:{stand.database.location}"):
        assert main(["copy", "--to", place]) == 2
        assert "is the database that is to be copied" in capsys.readouterr().err
    assert Path(stand.database.location).read_bytes() == content

    use_ducklake(stand)
    with stand.database.writing():
        pass
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    assert main(["copy", "--to", "catalog.ducklake"]) == 2
    assert "is the database that is to be copied" in capsys.readouterr().err


def test_a_target_of_an_earlier_version_is_refused_and_not_brought_forward(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own programs would have been shut out, where somebody named the wrong database."""
    assert main(["copy", "--to", "other.duckdb"]) == 0
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "UPDATE database_properties SET value = $earlier WHERE name = 'schema_version'",
            {"earlier": str(SCHEMA_VERSION - 1)},
        ).fetchall()
    before = path.read_bytes()
    capsys.readouterr()

    assert main(["copy", "--to", "other.duckdb"]) == 2

    told = f"holds tables of version {SCHEMA_VERSION - 1} already"
    assert told in capsys.readouterr().err
    assert path.read_bytes() == before


def test_half_a_copy_of_an_earlier_version_is_brought_forward_and_gone_on_with(
    stand: Stand, tmp_path: Path
) -> None:
    target = Database(str(tmp_path / "other.duckdb"))
    begun = copy_tables(stand.database, target)
    next(begun)
    begun.close()
    with duckdb.connect(target.location) as connection:
        connection.execute(
            "UPDATE database_properties SET value = $earlier WHERE name = 'schema_version'",
            {"earlier": str(SCHEMA_VERSION - 1)},
        ).fetchall()

    assert main(["copy", "--to", "other.duckdb"]) == 0

    assert read_all(Database(target.location)) == read_all(stand.database)


def test_what_is_published_meanwhile_keeps_the_copy_from_being_whole(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Database(str(tmp_path / "other.duckdb"))
    with pytest.raises(SourceMovedError, match=r"was written while it was copied.*run it again"):  # noqa: PT012
        for table in copy_tables(stand.database, target):
            if table.name == "groups":
                stand.put(B, groups_of(9))
                stand.pass_time(days=1)
                assert stand.outcomes(B, run_id="third") == {B: "published"}
    with pytest.raises(DatabaseError, match="not whole yet"):
        read_all(target)

    assert main(["copy", "--to", "other.duckdb"]) == 0
    assert "there already" in capsys.readouterr().out
    assert read_all(target) == read_all(stand.database)


def test_a_run_at_work_is_not_left_behind(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write("UPDATE account_syncs SET outcome = 'running' WHERE run_id = 'second'")
    with stand.database.coordination.mark_alive("second"):
        assert main(["copy", "--to", "other.duckdb"]) == 1
    assert "Run second syncs accounts now" in capsys.readouterr().err
    assert not (tmp_path / "other.duckdb").exists()
