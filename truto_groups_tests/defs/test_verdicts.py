"""What a check said last stays in sight: asked of a webserver as the UI's pages ask it.

Real: HTTP on loopback, DuckDB, Dagster's storage; in the slow test its daemon, its webserver and
runs in processes of their own, too.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest

from truto_groups.defs import ended_runs
from truto_groups.defs.home import ProjectInstance
from truto_groups.defs.in_flight import range_tags
from truto_groups.sandbox import Request, Response, SandboxServer
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
from truto_groups_tests.defs.served import (
    ROOT,
    ask,
    running,
    wait_for,
    wait_for_webserver,
    write_home,
)
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import GROUPS_PATH, KEYS, A, B, C

pytestmark = pytest.mark.long

GROUPS, BREAKDOWN = dg.AssetKey("groups"), dg.AssetKey("group_type_breakdown")
CONTRACTS = dg.AssetKey("integration_contracts")
BIN = Path(sys.executable).parent
WORKSPACE = ("-w", str(ROOT / "workspace.yaml"))
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


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


SHOWN = """query Shown($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
    assetChecksOrError { ... on AssetChecks { checks { name jobNames assetKey { path }
        executionForLatestMaterialization { runId status
            evaluation { success metadataEntries { label } } } } } } } }"""
LAUNCH = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(
    executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } } }"""
BACKFILL = """mutation Backfill($params: LaunchBackfillParams!) { launchPartitionBackfill(
    backfillParams: $params) { __typename ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message } } }"""
TERMINATE = """mutation Terminate($run: String!) { terminateRun(runId: $run,
    terminatePolicy: SAFE_TERMINATE) { __typename } }"""


class Page:
    """The page of the checks, looked at again and again.

    Attributes:
        hidden: What was not shown, and when.
        looks: How often it was looked at.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.hidden: list[str] = []
        self.looks = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def look(self) -> dict[str, Any]:
        """Each check as the page shows it."""
        keys = [{"path": [key.to_user_string()]} for key in (GROUPS, BREAKDOWN, CONTRACTS)]
        nodes = ask(self.port, SHOWN, keys=keys)["assetNodes"]
        return {one["name"]: one for node in nodes for one in node["assetChecksOrError"]["checks"]}

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join()

    def look_again(self, times: int) -> None:
        """Wait until it was looked at so many times more."""
        wanted = self.looks + times
        wait_for("the page is looked at", lambda: self.looks >= wanted)

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            self.looks += 1
            try:
                self.hidden += [
                    f"{name}: {one}" for name, one in self.look().items() if not is_shown(one)
                ]
            except Exception as error:  # noqa: BLE001 - told where the test looks
                self.hidden.append(repr(error))


def is_shown(check: Mapping[str, Any]) -> bool:
    execution = check["executionForLatestMaterialization"]
    if execution is None or execution["evaluation"] is None:
        return False
    labels = [entry["label"] for entry in execution["evaluation"]["metadataEntries"]]
    return execution["status"] in ("SUCCEEDED", "FAILED") and "failing_accounts" in labels


class Ui:
    """What a person launches by the UI's buttons."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.where = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "truto_groups",
        }

    def launch(self, job: str, *, tags: Mapping[str, str] | None = None) -> str:
        """Launch a job from its page."""
        return self._launch(job, {}, tags or {})

    def materialize(self, *assets: str, tags: Mapping[str, str]) -> str:
        """Press "Materialize": with the assets the UI selects the checks that the job knows."""
        checks = [
            one
            for one in self.page.look().values()
            if "__ASSET_JOB" in one["jobNames"] and one["assetKey"]["path"][0] in assets
        ]
        selection = {"assetSelection": [{"path": [name]} for name in assets]}
        return self._launch("__ASSET_JOB", {**selection, **_select(checks)}, tags)

    def execute(self, name: str) -> str:
        """Press "Execute" on a check's page."""
        check = self.page.look()[name]
        return self._launch(check["jobNames"][0], {"assetSelection": [], **_select([check])}, {})

    def _launch(self, job: str, selection: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        params = {
            "selector": {**self.where, "pipelineName": job, **selection},
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        answer = ask(self.page.port, LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, *keys: str) -> str:
        """Materialize partitions by a backfill."""
        params = {"assetSelection": [{"path": ["groups"]}], "partitionNames": list(keys)}
        answer = ask(self.page.port, BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def terminate(self, run_id: str) -> None:
        """Cancel a run that waits or runs."""
        answer = ask(self.page.port, TERMINATE, run=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer


def _select(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "assetCheckSelection": [
            {"name": one["name"], "assetKey": one["assetKey"]} for one in checks
        ]
    }


@pytest.mark.slow
def test_a_verdict_is_on_the_page_while_runs_wait_overlap_fail_and_are_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All wait for the daemon; some are cancelled before, and that of C while it has no answer."""
    home, port = write_home(tmp_path), find_free_port()
    with (
        SandboxServer(accounts=()) as server,
        dg.DagsterInstance.from_config(str(home)) as instance,
        ExitStack() as stack,
    ):
        prepare(monkeypatch, server, tmp_path, home)
        project = Project(server, instance, tmp_path)
        judge_once(project)
        # What the sensors would request at their first tick, where processes are dear.
        project.run("draw_overview")
        project.run("refresh_contracts")
        web = stack.enter_context(
            running(str(BIN / "dagster-webserver"), *WORKSPACE, "-p", str(port), folder=tmp_path)
        )
        wait_for_webserver(port, web)
        page = Page(port)
        ui = Ui(page)
        stack.enter_context(page.watched())
        asked: list[str | None] = []

        def intercept(request: Request) -> Response | None:
            if request.path == GROUPS_PATH:
                asked.append(request.integrated_account_id)
                if request.integrated_account_id == C:
                    return Response(delay_seconds=60)
            return None

        server.intercept = intercept
        unstarted = [
            ui.launch("refresh_groups", tags=range_tags(KEYS[A], KEYS[C])),
            ui.launch("evaluate_checks"),
            ui.execute("every_account_is_fresh"),
        ]
        runs = [
            ui.materialize("raw_groups", "groups", tags=range_tags(KEYS[key], KEYS[key]))
            for key in (A, B)
        ]
        hanging = ui.launch("refresh_groups", tags=range_tags(KEYS[C], KEYS[C]))
        page.look_again(3)
        for run_id in unstarted:
            ui.terminate(run_id)
        backfill = ui.backfill(KEYS[B])
        daemon = stack.enter_context(
            running(str(BIN / "dagster-daemon"), "run", *WORKSPACE, folder=tmp_path)
        )
        wait_for("C is asked for its groups", lambda: C in asked, daemon, web)
        ui.terminate(hanging)
        runs += [*unstarted, hanging]

        def is_over() -> bool:
            found = instance.get_runs(dg.RunsFilter(run_ids=runs))
            backfilled = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
            return bool(backfilled) and all(one.status in ENDED for one in [*found, *backfilled])

        wait_for("all runs have ended", is_over, daemon, web)

    assert page.hidden == []


def prepare(
    monkeypatch: pytest.MonkeyPatch, server: SandboxServer, folder: Path, home: Path
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("TRUTO_API_TOKEN", server.token)
    monkeypatch.setenv("TRUTO_BASE_URL", server.base_url)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(folder / "groups.duckdb"))


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
