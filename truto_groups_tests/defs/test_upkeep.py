"""A lake stays small, and its tables and whoever reads them notice nothing of it.

Real: HTTP on loopback, DuckLake with its catalogue in Postgres, Dagster where the job runs.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from truto_groups import read
from truto_groups.schema import TABLES
from truto_groups.warehouse.upkeep import maintain_lake
from truto_groups_tests.defs.project import Project, open_project, put
from truto_groups_tests.stand import A, B, Stand, group, groups_of, read_tables, use_ducklake

pytestmark = pytest.mark.long


@pytest.fixture(name="lake")
def provide_lake(stand: Stand, postgres_database: str) -> Stand:
    """A lake with some refreshes behind it, two of them too large for the catalogue."""
    use_ducklake(stand, postgres_database)
    for number in range(4):
        stand.put(A, groups_of(1200 + 10 * number))
        stand.put(B, groups_of(3 + number))
        stand.discover()
        stand.sync(run_id=f"refresh {number}")
        stand.pass_time(days=1)
    return stand


@pytest.mark.slow
def test_old_states_go_and_no_row_is_another_one(lake: Stand) -> None:
    names = [table.name for table in TABLES]
    before = read_tables(lake.database, *names)
    past = lake.rows("FROM groups_as_of($t) ORDER BY ALL", t=lake.now - timedelta(days=2))

    sizes = maintain_lake(lake.database, before=datetime.now(UTC))

    assert sizes is not None
    assert sizes[1].snapshot_count < sizes[0].snapshot_count
    assert read_tables(lake.database, *names) == before
    assert lake.rows("FROM groups_as_of($t) ORDER BY ALL", t=lake.now - timedelta(days=2)) == past
    lake.put(B, groups_of(20))
    assert lake.outcomes(run_id="later") == {A: "unchanged", B: "published"}


@pytest.mark.slow
def test_a_lake_has_as_many_files_after_many_refreshes_as_after_some(
    stand: Stand, postgres_database: str
) -> None:
    """Also of tables of which some rows of a file were replaced, and most were not."""
    use_ducklake(stand, postgres_database)
    counts: list[int] = []
    stand.put(A, [])
    stand.discover()
    for number in range(12):
        stand.put(A, [group(one, f"Group {max(number - one, 0) // 9}") for one in range(20)])
        stand.sync(run_id=f"refresh {number}")
        if number % 2:
            sizes = maintain_lake(stand.database, before=datetime.now(UTC))
            assert sizes is not None
            counts.append(sizes[1].file_count)
    assert max(counts[-3:]) <= 2 * counts[0]


@pytest.mark.slow
def test_who_reads_a_state_that_is_kept_reads_on(
    lake: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with read.connect(lake.database.location) as connection:
        sql = "SELECT count(*), sum(hash(record::VARCHAR)) FROM raw_groups"
        before = connection.execute(sql).fetchall()
        maintain_lake(lake.database, before=datetime.now(UTC) - timedelta(days=1))
        assert connection.execute(sql).fetchall() == before


def test_a_file_needs_no_upkeep(stand: Stand) -> None:
    stand.discover()
    assert maintain_lake(stand.database, before=datetime.now(UTC)) is None


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        put(project, A)
        project.discover()
        yield project


@pytest.mark.slow
def test_the_job_keeps_a_lake_small_and_says_so_of_a_file(
    project: Project, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run("maintain_lake").success
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", f"ducklake:postgres:{postgres_database}")
    monkeypatch.setenv("TRUTO_GROUPS_DATA_PATH", str(project.folder / "lake"))
    project.discover()
    assert project.run("maintain_lake").success
