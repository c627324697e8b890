"""What only grows is deleted after a while, and never what is still shown or compared.

Real: Dagster's instance with its files or its Postgres, the database, the sandbox.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from truto_groups.defs.dagster_internals import LOCATION_TAG, list_history
from truto_groups.defs.history import (
    CHECKS,
    PARTITIONED,
    UNPARTITIONED,
    find_needed_runs,
    prune_runs,
)
from truto_groups.defs.in_flight import range_tags
from truto_groups.defs.retention import prune_attempts
from truto_groups.warehouse.ledger_table import prune_ledger
from truto_groups_tests.defs.project import (
    InPostgres,
    Project,
    make_beginning,
    make_beginning_in_postgres,
    make_definitions,
    open_project,
    open_project_in_postgres,
    put,
)
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import A, B, Stand, groups_of

SOON = timedelta(hours=1)


ON_BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
"""Where Dagster's history is kept, for tests of what is read or deleted in a way of its own."""


@pytest.fixture(name="connected", scope="module")
def provide_connected(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_beginning(tmp_path_factory.mktemp("connected"), connect)


@pytest.fixture(name="synced", scope="module")
def provide_synced(tmp_path_factory: pytest.TempPathFactory, connected: Project) -> Project:
    folder = tmp_path_factory.mktemp("synced")
    return make_beginning(folder, Project.refresh, begin_with=connected)


@pytest.fixture(name="connected_in_postgres", scope="module")
def provide_connected_in_postgres(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster
) -> InPostgres:
    folder = tmp_path_factory.mktemp("connected")
    return make_beginning_in_postgres(postgres_cluster, folder, connect)


@pytest.fixture(name="synced_in_postgres", scope="module")
def provide_synced_in_postgres(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_cluster: PostgresCluster,
    connected_in_postgres: InPostgres,
) -> InPostgres:
    folder = tmp_path_factory.mktemp("synced")
    return make_beginning_in_postgres(
        postgres_cluster, folder, Project.refresh, begin_with=connected_in_postgres
    )


@pytest.fixture(name="project")
def provide_project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A and B are known, and nothing ran yet."""
    with open_kept(request, "connected", tmp_path, monkeypatch) as project:
        yield project


@pytest.fixture(name="refreshed")
def provide_refreshed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """One run refreshed both."""
    with open_kept(request, "synced", tmp_path, monkeypatch) as project:
        yield project


def open_kept(
    request: pytest.FixtureRequest, beginning: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AbstractContextManager[Project]:
    """A project that begins with the one of a fixture, where the history is kept as asked for."""
    if getattr(request, "param", "sqlite") == "sqlite":
        begin_with = request.getfixturevalue(beginning)
        return open_project(folder, monkeypatch, begin_with=begin_with)
    cluster = request.getfixturevalue("postgres_cluster")
    in_postgres = request.getfixturevalue(f"{beginning}_in_postgres")
    return open_project_in_postgres(cluster, folder, monkeypatch, begin_with=in_postgres)


def connect(project: Project) -> None:
    put(project, A)
    put(project, B)
    project.discover()


def run_ids(project: Project) -> set[str]:
    return {record.dagster_run.run_id for record in project.instance.get_run_records()}


def prune(project: Project, **options: Any) -> Any:
    options = {"before": datetime.now(UTC) + SOON, "location": None, "seconds": 60.0} | options
    return prune_runs(project.instance, **options)


def history_of(project: Project, run_id: str) -> list[str]:
    """The files and the rows of tables that are a run's."""
    root = Path(project.instance.root_directory)
    found = [str(path) for path in root.rglob("*") if run_id in str(path)]
    for part in list_history(project.instance):
        with part.open() as connection:
            tables = sa.inspect(connection).get_table_names()
            for table in part.tables:
                if "run_id" in table.c and table.name in tables:
                    rows = sa.select(sa.func.count()).where(table.c.run_id == run_id)
                    found += [table.name] * connection.execute(rows).scalar_one()
    return found


def end_run(project: Project) -> str:
    """A run that ended before it had done anything; its id."""
    run = project.create("check_freshness")
    project.instance.report_run_failed(run)
    return run.run_id


def make_old(project: Project, days: int) -> None:
    """Let all runs have been made so long ago."""
    made = datetime.now(UTC) - timedelta(days=days)
    for part in list_history(project.instance):
        (runs,) = [table for table in part.tables if table.name == "runs"] or [None]
        if runs is not None:
            with part.open() as connection:
                connection.execute(
                    sa.update(runs).values(create_timestamp=made.replace(tzinfo=None))
                )


@pytest.mark.parametrize("refreshed", ON_BOTH, indirect=True)
def test_a_run_that_nothing_shown_came_from_goes_with_all_its_files(refreshed: Project) -> None:
    (first,) = run_ids(refreshed)
    assert history_of(refreshed, first)
    second = refreshed.refresh()
    assert second.success

    pruned = prune(refreshed)

    assert (pruned.deleted, pruned.kept, pruned.left) == (1, 1, 0)
    assert run_ids(refreshed) == {second.run_id}
    assert history_of(refreshed, first) == []
    assert history_of(refreshed, second.run_id)


def test_a_partitions_newest_materialization_keeps_its_run_whatever_came_after(
    refreshed: Project,
) -> None:
    (both,) = run_ids(refreshed)
    only_a = refreshed.run("refresh_groups", tags=range_tags(*refreshed.discover()[:1] * 2))

    prune(refreshed)

    assert run_ids(refreshed) == {both, only_a.run_id}
    keys = refreshed.discover()
    for asset in PARTITIONED:
        assert refreshed.instance.get_materialized_partitions(asset) == set(keys)


@pytest.mark.parametrize("refreshed", ON_BOTH, indirect=True)
def test_a_partition_that_failed_at_last_stays_red(refreshed: Project) -> None:
    put(refreshed, B, status="active")
    refreshed.server.intercept = lambda request: None
    failed = refreshed.create("refresh_groups", tags=range_tags(*refreshed.discover()[1:] * 2))
    refreshed.instance.report_run_failed(failed)
    refreshed.run("evaluate_checks")

    assert failed.run_id in find_needed_runs(refreshed.instance)


@pytest.mark.parametrize("refreshed", ON_BOTH, indirect=True)
def test_the_newest_of_each_asset_keeps_its_run(refreshed: Project) -> None:
    """Each of another run: a replay, a breakdown alone, the accounts, the picture."""
    (fetched,) = run_ids(refreshed)
    tags = range_tags(*refreshed.discover())
    runs = [
        refreshed.run("refresh_groups", asset_selection=list(map(dg.AssetKey, names)), tags=tags)
        for names in (["groups", "group_type_breakdown"], ["group_type_breakdown"])
    ]
    listing = refreshed.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=refreshed.instance, asset_selection=[dg.AssetKey("integrated_accounts")]
    )
    runs += [refreshed.run("draw_overview"), listing]
    later = refreshed.run("evaluate_checks")

    prune(refreshed)

    assert run_ids(refreshed) == {fetched, *(one.run_id for one in (*runs, later))}


def test_a_checks_newest_evaluation_keeps_its_run(refreshed: Project) -> None:
    earlier = refreshed.run("evaluate_checks")
    later = refreshed.run("evaluate_checks")

    prune(refreshed)

    assert later.run_id in run_ids(refreshed)
    assert earlier.run_id not in run_ids(refreshed)
    for check in CHECKS[:1]:
        assert refreshed.instance.get_latest_asset_check_evaluation_record(check) is not None


@pytest.mark.parametrize("project", ON_BOTH, indirect=True)
def test_a_young_run_one_that_has_not_ended_and_those_of_others_stay(project: Project) -> None:
    old = end_run(project)
    unfinished = project.create("refresh_groups").run_id
    foreign = project.create("evaluate_checks", tags={LOCATION_TAG: "other@elsewhere"})
    project.instance.report_run_failed(foreign)

    assert prune(project, before=datetime.now(UTC) - SOON).deleted == 0
    assert old in run_ids(project)
    assert prune(project, location="__repository__@here").deleted == 1
    assert run_ids(project) == {unfinished, foreign.run_id}


def test_a_day_is_bounded_and_the_oldest_go_first(project: Project) -> None:
    runs = [end_run(project) for _ in range(4)]
    clock = iter(range(100))

    pruned = prune(project, seconds=2.5, monotonic=lambda: float(next(clock)))

    assert (pruned.deleted, pruned.left) == (2, 2)
    assert run_ids(project) == set(runs[2:])


def test_the_job_keeps_what_the_settings_say_and_tells_what_it_deleted(
    refreshed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(refreshed.folder / "s.yaml"))
    (refreshed.folder / "s.yaml").write_text("history: {runs_kept_for: 40d, ledger_kept_for: 2d}")
    refreshed.refresh()
    make_old(refreshed, days=35)
    assert refreshed.run("retain_history").success
    assert len(run_ids(refreshed)) == 3

    make_old(refreshed, days=41)
    for run, days in (("a", 3), ("b", 41), ("c", 1)):
        refreshed.write(
            "INSERT INTO account_syncs BY NAME SELECT $id AS integrated_account_id, "
            "$run AS run_id, $at::TIMESTAMPTZ AS started_at, 'skipped' AS outcome, "
            "0 AS answer_order",
            id=A,
            run=run,
            at=datetime.now(UTC) - timedelta(days=days),
        )
    result = refreshed.run("retain_history")

    (step,) = [event for event in result.all_events if event.is_step_success]
    assert step.step_key == "retain_history_step"
    (output,) = [event for event in result.all_events if event.is_successful_output]
    told = {name: one.value for name, one in output.step_output_data.metadata.items()}
    # The first refresh and the first run of this job.
    assert told["deleted_runs"] == 2
    assert told["deleted_attempts"] == 2
    assert "c" in {row["run_id"] for row in refreshed.table("account_syncs")}


def test_everything_that_dagster_shows_of_ours_is_known_here() -> None:
    graph = make_definitions().resolve_asset_graph()
    assert set(CHECKS) == set(graph.asset_check_keys)
    assert {*PARTITIONED, *UNPARTITIONED} == set(graph.materializable_asset_keys)


def fill_ledger(stand: Stand, key: str, outcomes: dict[str, int]) -> None:
    """Write that many attempts an account, each a day after the one before; the oldest first."""
    ((last,),) = stand.rows("SELECT coalesce(max(answer_order), 0) FROM account_syncs")
    listed = [outcome for outcome, count in outcomes.items() for _ in range(count)]
    orders = range(last + 1, last + 1 + len(listed))
    stand.write(
        "INSERT INTO account_syncs BY NAME SELECT $id AS integrated_account_id, "
        "'run-' || n AS run_id, $now::TIMESTAMPTZ + to_days(n::INTEGER) AS started_at, outcome, "
        "7 AS group_count, n AS answer_order "
        "FROM (SELECT unnest($orders::BIGINT[]) AS n, unnest($outcomes::VARCHAR[]) AS outcome)",
        id=key,
        now=stand.now,
        orders=list(orders),
        outcomes=listed,
    )


def prune_all(stand: Stand, *, most: int = 1000) -> int:
    with stand.database.writing() as connection:
        return prune_ledger(connection, before=stand.now + timedelta(days=10_000), most=most)


@pytest.mark.long
def test_what_freshness_and_plausible_counts_are_read_from_stays_however_old(stand: Stand) -> None:
    stand.discover()
    fill_ledger(stand, A, {"published": 1, "unchanged": 30, "failed": 6, "interrupted": 5})

    assert prune_all(stand) == 11 + 4 + 4

    left = [(row["outcome"], row["answer_order"]) for row in stand.ledger(A)]
    assert left == [
        *(("unchanged", number) for number in range(12, 32)),
        ("failed", 36),
        ("failed", 37),
        ("interrupted", 42),
    ]


def test_of_the_ledger_the_oldest_go_first(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    stand.discover()
    fill_ledger(stand, A, {"skipped": 6})
    assert prune_all(stand, most=2) == 2
    runs = [row["run_id"] for row in stand.ledger(A)]
    assert runs == ["run-3", "run-4", "run-5", "run-6"]


@pytest.mark.long
def test_an_attempt_that_runs_or_whose_shape_is_kept_stays(stand: Stand) -> None:
    stand.put(A, groups_of(30), [])
    stand.discover()
    assert stand.outcomes(A, run_id="first") == {A: "published"}
    assert stand.outcomes(A, run_id="second") == {A: "held_back"}
    fill_ledger(stand, A, {"running": 1, "failed": 5})

    assert prune_all(stand) == 3
    assert {"first", "second"} < {row["run_id"] for row in stand.ledger(A)}
    assert "running" in {row["outcome"] for row in stand.ledger(A)}


def test_the_ledger_is_pruned_some_at_once_and_no_longer_than_it_may(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.discover()
    fill_ledger(stand, A, {"failed": 12})
    monkeypatch.setattr("truto_groups.defs.retention._ATTEMPTS_AT_ONCE", 4)
    session, before = stand.session(), stand.now + timedelta(days=10_000)

    clock = iter([0.0, 1.0, 2.0])
    count = prune_attempts(session, before=before, seconds=1.0, monotonic=lambda: next(clock))
    assert count == 4
    assert prune_attempts(session, before=before, seconds=60.0) == 6
    assert len(stand.ledger(A)) == 2


def test_no_instance_is_asked_for_needed_runs_where_nothing_is_old(project: Project) -> None:
    instance = project.instance
    assert isinstance(instance, dg.DagsterInstance)
    assert prune(project, before=datetime.now(UTC) - timedelta(days=30)).kept == 0
