"""A lake stays small, and its tables and whoever reads them notice nothing of it.

Real: HTTP on loopback, DuckLake with its catalogue in Postgres, Dagster where the job runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from truto_groups import read
from truto_groups.schema import TABLES
from truto_groups.warehouse.upkeep import LakeSize, maintain_lake
from truto_groups_tests.defs.project import Project, open_project, put
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import (
    A,
    B,
    Row,
    Stand,
    group,
    groups_of,
    open_stand,
    read_tables,
    use_ducklake,
)

pytestmark = pytest.mark.long


def refresh(stand: Stand, number: int) -> dict[str, str]:
    """One more refresh, a day later; some of B's groups are renamed, and most are not."""
    stand.pass_time(days=1)
    changed = 7 * number
    stand.put(B, [group(one, "Renamed" if one < changed else "As it was") for one in range(20)])
    return stand.outcomes(run_id=f"refresh {number}")


def read_past(stand: Stand, at: datetime) -> dict[str, list[Row]]:
    """All tables, and the groups as they were."""
    names = [table.name for table in TABLES]
    past = stand.rows("FROM groups_as_of($t) ORDER BY ALL", t=at)
    return {**read_tables(stand.database, *names), "past": [{"row": row} for row in past]}


def read_records(connection: duckdb.DuckDBPyConnection) -> object:
    """What a reader sees, or why it sees nothing any more."""
    try:
        sql = "SELECT count(*), sum(hash(record::VARCHAR)) FROM raw_groups"
        return connection.execute(sql).fetchall()
    except duckdb.Error as error:
        return str(error)


@dataclass
class Kept:
    """A lake of which upkeep was taken, and what it and its readers were before and after.

    Attributes:
        sizes: Before the first upkeep, and after each.
        instants: From when on states were to stay at last, and of the oldest that stayed.
        seen: By one who reads a state that is kept.
        tables: All rows, around the last upkeep.
        outcomes: Of the refresh behind the first.
    """

    stand: Stand
    sizes: list[LakeSize]
    instants: tuple[datetime, datetime]
    seen: tuple[object, object]
    tables: tuple[dict[str, list[Row]], dict[str, list[Row]]]
    outcomes: dict[str, str]


@pytest.fixture(name="lake", scope="module")
def provide_lake(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    """Refreshes, two of them too large for the catalogue, and upkeep behind most of them."""
    folder = tmp_path_factory.mktemp("lake")
    with open_stand(folder) as stand, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        use_ducklake(stand, postgres_cluster.make_database())
        stand.put(A, groups_of(1200))
        stand.put(B, [])
        stand.discover()
        refresh(stand, 0)
        between = datetime.now(UTC)
        stand.put(A, groups_of(1210))
        refresh(stand, 1)
        with read.connect(stand.database.location) as reader:
            seen = read_records(reader)
            sizes = [*maintain(stand, before=between)]
            seen_after = read_records(reader)
        outcomes = refresh(stand, 2)
        sizes.append(maintain(stand, before=datetime.now(UTC))[1])
        refresh(stand, 3)
        past = stand.now - timedelta(days=2)
        tables = read_past(stand, past)
        asked = datetime.now(UTC)
        sizes.append(maintain(stand, before=asked)[1])
        ((oldest,),) = stand.rows(
            "SELECT min(snapshot_time) FROM ducklake_snapshots(current_database())"
        )
        tables_after = read_past(stand, past)
        yield Kept(
            stand, sizes, (asked, oldest), (seen, seen_after), (tables, tables_after), outcomes
        )


def maintain(stand: Stand, *, before: datetime) -> tuple[LakeSize, LakeSize]:
    sizes = maintain_lake(stand.database, before=before)
    assert sizes is not None
    return sizes


@pytest.mark.slow
def test_old_states_go_and_no_row_is_another_one(lake: Kept) -> None:
    asked, oldest = lake.instants
    assert oldest >= asked
    before, after = lake.tables
    assert after == before
    assert lake.outcomes == {A: "unchanged", B: "published"}


@pytest.mark.slow
def test_a_lake_has_as_many_files_after_many_refreshes_as_after_some(lake: Kept) -> None:
    """Also of tables of which some rows of a file were replaced, and most were not."""
    counts = [size.file_count for size in lake.sizes]
    # Not merged or not rewritten, each of the two refreshes between would have left two or more.
    assert counts[3] - counts[1] < 2, counts


@pytest.mark.slow
def test_who_reads_a_state_that_is_kept_reads_on(lake: Kept) -> None:
    before, after = lake.seen
    assert after == before
    assert isinstance(before, list)


def test_a_file_needs_no_upkeep(stand: Stand) -> None:
    stand.discover()
    assert maintain_lake(stand.database, before=datetime.now(UTC)) is None


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        put(project, A)
        project.discover()
        yield project


def told_by(project: Project, result: dg.ExecuteInProcessResult) -> str:
    """All that a run logged."""
    return "\n".join(entry.user_message for entry in project.instance.all_logs(result.run_id))


@pytest.mark.slow
def test_the_job_keeps_a_lake_small_and_says_so_of_a_file(
    project: Project, lake: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_file = project.run("maintain_lake")
    assert on_file.success
    assert "The database is no lake" in told_by(project, on_file)

    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", lake.stand.database.location)
    on_lake = project.run("maintain_lake")
    assert on_lake.success
    assert "those of the last 24h stay" in told_by(project, on_lake)
    (output,) = [event for event in on_lake.all_events if event.is_successful_output]
    told = output.step_output_data.metadata
    ((file_count,),) = lake.stand.rows(
        "SELECT sum(file_count + delete_file_count) FROM ducklake_table_info(current_database())"
    )
    assert told["files"].value == file_count
