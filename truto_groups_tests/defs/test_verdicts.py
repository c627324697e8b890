"""What a check said last stays in sight, whatever runs wait, run, overlap, fail or are cancelled.

Asked of Dagster's storage as its UI asks. That the page itself shows it is in test_end_to_end.py.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest

from truto_groups.defs import ended_runs
from truto_groups.defs.home import ProjectInstance
from truto_groups.defs.in_flight import range_tags
from truto_groups.sandbox import Request, Response
from truto_groups_tests.defs.project import (
    InPostgres,
    Project,
    hold_back,
    make_beginning,
    make_beginning_in_postgres,
    open_project,
    open_project_in_postgres,
    put,
)
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import GROUPS_PATH, KEYS, A, B, C

pytestmark = pytest.mark.long

GROUPS, BREAKDOWN = dg.AssetKey("groups"), dg.AssetKey("group_type_breakdown")
CONTRACTS = dg.AssetKey("integration_contracts")


OURS: dict[str, Any] = {
    "instance_class": {"module": ProjectInstance.__module__, "class": "ProjectInstance"}
}


@pytest.fixture(name="judged", scope="module")
def provide_judged(tmp_path_factory: pytest.TempPathFactory) -> Project:
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle_at_once(monkeypatch)
        return make_beginning(tmp_path_factory.mktemp("judged"), judge_once, dagster_yaml=OURS)


@pytest.fixture(name="judged_in_postgres", scope="module")
def provide_judged_in_postgres(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster
) -> InPostgres:
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle_at_once(monkeypatch)
        return make_beginning_in_postgres(postgres_cluster, folder, judge_once, dagster_yaml=OURS)


ON_BOTH_STORAGES = pytest.mark.parametrize(
    "project", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True
)
"""For what rests on how events are stored; what asks for runs alone asks the same of both."""


@pytest.fixture(name="project")
def provide_project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    settle_at_once(monkeypatch)
    if getattr(request, "param", "sqlite") == "sqlite":
        judged = request.getfixturevalue("judged")
        opened = open_project(tmp_path, monkeypatch, dagster_yaml=OURS, begin_with=judged)
    else:
        opened = open_project_in_postgres(
            request.getfixturevalue("postgres_cluster"),
            tmp_path,
            monkeypatch,
            dagster_yaml=OURS,
            begin_with=request.getfixturevalue("judged_in_postgres"),
        )
    with opened as project:
        yield project


def settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # What it waits for on a server is held in test_ended.
    monkeypatch.setattr(ended_runs, "_SETTLING_SECONDS", 0)


def judge_once(project: Project) -> None:
    """Let every check have a verdict, one of them with a table: A is held back."""
    for key in (A, B, C):
        put(project, key)
    project.discover()
    assert project.refresh().success
    hold_back(project, A)
    assert not project.run("refresh_groups", partition_key=KEYS[A]).success


def find_states(project: Project) -> dict[str, str | None]:
    """What the asset's page shows of each check; None is "not evaluated"."""
    keys = list(project.definitions.resolve_asset_graph().asset_check_keys)
    found = project.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    context = LoadingContextForTest(project.instance)

    async def find_state(key: dg.AssetCheckKey) -> str | None:
        record = found.get(key)
        if record is None or not await record.targets_latest_materialization(context):
            return None
        return (await record.resolve_status(context)).name

    return {key.name: asyncio.run(find_state(key)) for key in keys}


@ON_BOTH_STORAGES
def test_a_run_that_waits_hides_no_verdict(project: Project) -> None:
    before = find_states(project)
    assert before["groups_match_contract"] == "FAILED"

    for job in ("refresh_groups", "evaluate_checks", "check_freshness", "refresh_contracts"):
        tags = range_tags(KEYS[A], KEYS[C]) if job == "refresh_groups" else {}
        project.create(job, tags=tags)

        assert find_states(project) == before, job


def test_a_selection_of_assets_or_checks_that_waits_hides_no_verdict(project: Project) -> None:
    """What the UI and a backfill ask for: assets with their checks, or checks alone."""
    before = find_states(project)
    job = project.definitions.resolve_job_def("__ASSET_JOB")
    every_check = project.definitions.resolve_asset_graph().asset_check_keys

    for assets in ({"groups"}, {"raw_groups", "groups", "group_type_breakdown"}, set[str]()):
        keys = {dg.AssetKey(name) for name in assets}
        checks = {key for key in every_check if not keys or key.asset_key in keys}
        selected = job.get_subset(asset_selection=keys, asset_check_selection=checks)
        run = project.instance.create_run_for_job(selected, asset_selection=frozenset(keys))

        assert find_states(project) == before, assets
        messages = [one.message for one in project.instance.all_logs(run.run_id)]
        told = sum("intends to execute asset check" in message for message in messages)
        assert told == len(checks), assets


def test_what_another_run_materializes_hides_no_verdict(project: Project) -> None:
    before = find_states(project)

    for asset in (GROUPS, BREAKDOWN):
        project.instance.report_runless_asset_event(
            dg.AssetMaterialization(asset, partition=KEYS[B])
        )

    assert find_states(project) == before


@ON_BOTH_STORAGES
def test_the_verdict_of_the_run_that_ended_last_is_shown(project: Project) -> None:
    """Of two that overlap, the one that began first may well end last."""

    def intercept(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id == A:
            project.server.intercept = None
            project.run("refresh_groups", partition_key=KEYS[B])
            put(project, A)
        return None

    project.server.intercept = intercept

    project.run("refresh_groups", partition_key=KEYS[A])

    assert find_states(project)["groups_match_contract"] == "SUCCEEDED"


@ON_BOTH_STORAGES
def test_a_check_is_told_with_its_table_and_the_newest_materialization(project: Project) -> None:
    (newest,) = project.instance.fetch_materializations(GROUPS, limit=1).records

    result = project.run("evaluate_checks")

    (told,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "groups_match_contract"
    ]
    assert "what_to_do" in told.metadata
    assert told.target_materialization_data is not None
    assert told.target_materialization_data.storage_id == newest.storage_id


@pytest.mark.parametrize("job", ["check_freshness", "evaluate_checks"])
def test_no_run_of_the_checks_is_requested_while_one_is_pending(project: Project, job: str) -> None:
    schedule = project.definitions.resolve_schedule_def("check_freshness_schedule")

    def tick() -> int:
        context = dg.build_schedule_context(project.instance)
        return len(schedule.evaluate_tick(context).run_requests or ())

    assert tick() == 1

    pending = project.create(job)
    assert tick() == 0

    project.instance.report_run_canceled(pending)
    assert tick() == 1


def test_an_interrupted_run_is_followed_by_checks_once_none_is_pending(project: Project) -> None:
    sensor = "evaluate_checks_after_interruption"
    project.tick(sensor)
    pending = project.create("evaluate_checks")
    for _ in range(2):
        project.instance.report_run_canceled(project.create("refresh_groups"))
        assert not project.tick(sensor).run_requests

    project.instance.report_run_canceled(pending)

    assert len(project.tick(sensor).run_requests) == 1
    assert not project.tick(sensor).run_requests
