"""A database that is written anew holds what its tables hold and nothing else.

Files and DuckLake are real.
"""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.connections import connect
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.lake import Lake
from truto_groups.warehouse.location import read_location
from truto_groups_tests.stand import A, B, Stand, group, use_ducklake

SECRET = "ganymede-payroll"


def fill(stand: Stand) -> None:
    for key, name in ((A, SECRET), (B, "callisto-board")):
        stand.put(key, [group(number, f"{name}-{number}") for number in range(300)])
    stand.discover()
    stand.sync(A, B)
    for table in ("groups", "raw_groups", "group_changes", "account_shapes"):
        sql = f"DELETE FROM {table} WHERE integrated_account_id = $id"  # noqa: S608
        stand.write(sql, id=A)


def write_groups(stand: Stand, *, count: int) -> None:
    """Write as many groups of A and of B at once, without a sync."""
    stand.write(
        "INSERT INTO groups BY NAME SELECT account AS integrated_account_id, 'okta' AS "
        "integration, 'g' || n AS id, name || n AS name, now() AS first_seen_at, "
        "now() AS changed_at, 1 AS normalization_version "
        "FROM range($count) AS r(n), (VALUES ($a, $secret), ($b, 'callisto')) AS k(account, name)",
        count=count,
        a=A,
        b=B,
        secret=SECRET,
    )


@pytest.mark.long
def test_what_is_deleted_leaves_a_file_and_what_is_left_is_all_there(stand: Stand) -> None:
    fill(stand)
    path = Path(stand.database.location)
    assert SECRET.encode() in path.read_bytes()
    before = stand.data()

    assert stand.database.rewrite()

    assert SECRET.encode() not in path.read_bytes()
    assert stand.data() == before
    assert [one.name for one in path.parent.glob("*.rewritten*")] == []
    assert stand.outcomes(B, run_id="after") == {B: "unchanged"}


def test_a_link_goes_on_leading_to_the_file(stand: Stand, tmp_path: Path) -> None:
    fill(stand)
    real = tmp_path / "elsewhere.duckdb"
    path = Path(stand.database.location)
    path.rename(real)
    path.symlink_to(real)
    (tmp_path / "elsewhere.duckdb.rewritten").write_text("half of one")

    assert stand.database.rewrite()

    assert path.is_symlink()
    assert SECRET.encode() not in real.read_bytes()


@pytest.mark.long
def test_a_file_that_another_program_holds_stays_as_it_was(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_groups(stand, count=1)
    monkeypatch.setattr("truto_groups.warehouse.database._OPEN_WAIT_SECONDS", 0.0)
    before = Path(stand.database.location).stat().st_ino
    script = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, stand.database.location],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DatabaseError, match="held by another program"):
            stand.database.rewrite()
        other.kill()
    assert Path(stand.database.location).stat().st_ino == before


@pytest.mark.slow
def test_a_lake_drops_the_files_in_which_it_was(stand: Stand) -> None:
    use_ducklake(stand)
    write_groups(stand, count=600)  # more than the catalogue itself takes
    assert find_files_of(stand, SECRET)
    stand.write("DELETE FROM groups WHERE integrated_account_id = $id", id=A)
    before = stand.data()

    assert stand.database.rewrite()

    assert stand.data() == before
    assert len(before["groups"]) == 600
    assert find_files_of(stand, SECRET) == []


def find_files_of(stand: Stand, text: str) -> list[Path]:
    """The lake's files that hold a text in some row."""
    with duckdb.connect() as connection:
        return [
            path
            for path in stand.folder.rglob("*.parquet")
            if text in str(connection.read_parquet(str(path)).fetchall())
        ]


@pytest.mark.slow
def test_the_least_and_greatest_texts_of_a_lake_are_those_of_its_rows_also_for_who_knew_others(
    stand: Stand, postgres_database: str
) -> None:
    """Of a table in which no row is left, and of one in which a row is."""
    use_ducklake(stand, postgres_database)
    kept = {"emptied": 0, "shortened": 1}
    for table in kept:
        stand.write(
            f"CREATE TABLE {table} AS SELECT $name || i AS name FROM range(1500) t(i)",  # noqa: S608
            name=f"zz {SECRET} {table} ",
        )
    assert stand.database.rewrite()
    assert all(f"{SECRET} {table}" in read_statistics(stand.database) for table in kept)
    lake = Lake(read_location(stand.database.location), None, None)
    with connect() as other:  # which takes no turns
        lake.attach(other, may_create=False)
        other.execute(f"USE {lake.catalog}").fetchall()
        for table, count in kept.items():
            stand.write(f"DELETE FROM {table}")  # noqa: S608
            stand.write(f"INSERT INTO {table} SELECT 'm' FROM range($count)", count=count)  # noqa: S608
            other.execute(f"SELECT count(*) FROM {table} WHERE name > 'a'").fetchall()  # noqa: S608
            assert stand.database.rewrite()
            assert f"{SECRET} {table}" not in read_statistics(stand.database)
            other.execute(f"INSERT INTO {table} VALUES ('own')").fetchall()  # noqa: S608
            assert f"{SECRET} {table}" not in read_statistics(stand.database)
            found = stand.rows(f"SELECT max(name), count(*) FROM {table}")  # noqa: S608
            assert found == [("own", count + 1)]


def read_statistics(database: Database) -> str:
    with database.catalogue() as connection:
        assert connection is not None
        return str(connection.execute("FROM catalogue.ducklake_table_column_stats").fetchall())


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        Database(str(tmp_path / "none.duckdb")).rewrite()
