"""Ticks of the sensor that discovers accounts and of the schedule that refreshes what is due.

Real: HTTP on loopback, DuckDB in a file, a Dagster instance on SQLite with its runs and backfills.
Days pass by moving instants in the database.
"""

import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.errors import ScheduleExecutionError
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._grpc.client import DEFAULT_SENSOR_GRPC_TIMEOUT

from truto_groups.defs import check_jobs, discovery_sensor, killed_runs, schedules
from truto_groups.defs import in_flight as in_flight_module
from truto_groups.defs.in_flight import (
    find_in_flight,
    range_tags,
    read_account_tags,
)
from truto_groups.defs.partitions import integrated_accounts
from truto_groups.errors import (
    DatabaseError,
    DoubtfulListingError,
    RetriesExhaustedError,
    SettingsError,
    TokenRejectedError,
    TrutoError,
)
from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups_tests.defs.project import (
    Project,
    make_beginning,
    make_definitions,
    open_project,
    put,
)
from truto_groups_tests.stand import GROUPS_PATH, KEYS, A, B, C, D, id_of

pytestmark = pytest.mark.long

DISCOVER = "discover_integrated_accounts"
LISTING = "/integrated-account"
PARTITIONS = str(integrated_accounts.name)


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        yield project


@pytest.fixture(name="beginning", scope="module")
def provide_beginning(tmp_path_factory: pytest.TempPathFactory) -> Project:
    def prepare(project: Project) -> None:
        for key in (A, B, C):
            put(project, key)
        tick(project)
        project.publish(A, B, C)

    return make_beginning(tmp_path_factory.mktemp("beginning"), prepare)


@pytest.fixture(name="settled")
def provide_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: Project
) -> Iterator[Project]:
    """A, B and C are known and synced, without a run."""
    with open_project(tmp_path, monkeypatch, begin_with=beginning) as project:
        yield project


@pytest.fixture(name="gone_beginning", scope="module")
def provide_gone_beginning(tmp_path_factory: pytest.TempPathFactory, beginning: Project) -> Project:
    def prepare(project: Project) -> None:
        project.server.remove_account(B)
        assert tick(project) == []

    folder = tmp_path_factory.mktemp("gone")
    return make_beginning(folder, prepare, begin_with=beginning)


@pytest.fixture(name="lacking_b")
def provide_lacking_b(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone_beginning: Project
) -> Iterator[Project]:
    """The same, and a tick whose listing has B no longer."""
    with open_project(tmp_path, monkeypatch, begin_with=gone_beginning) as project:
        yield project


def ranges_of(found: Any) -> list[tuple[str, str]]:
    return [
        (
            id_of(request.tags["dagster/asset_partition_range_start"]),
            id_of(request.tags["dagster/asset_partition_range_end"]),
        )
        for request in found.run_requests
    ]


def tick(project: Project) -> list[tuple[str, str]]:
    """Evaluate the sensor and do as the daemon does: partitions first; the requested ranges."""
    found = project.tick(DISCOVER)
    for request in found.dynamic_partitions_requests or ():
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            project.instance.add_dynamic_partitions(PARTITIONS, list(request.partition_keys))
        else:
            for key in request.partition_keys:
                project.instance.delete_dynamic_partition(PARTITIONS, key)
    return ranges_of(found)


def keys_of(project: Project) -> list[str]:
    return [id_of(key) for key in project.instance.get_dynamic_partitions(PARTITIONS)]


def in_flight(project: Project) -> set[str]:
    keys = project.instance.get_dynamic_partitions(PARTITIONS)
    return {id_of(key) for key in find_in_flight(project.instance, keys)}


def accounts(project: Project) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in project.table("integrated_accounts")}


def age(project: Project, column: str, duration: str, key: str) -> None:
    project.write(
        f"UPDATE integrated_accounts SET {column} = {column} - INTERVAL {duration} "  # noqa: S608
        f"WHERE id = '{key}'"
    )


# First tick, no change, added.


def test_a_first_tick_gives_each_account_that_can_be_synced_a_partition_and_a_run(
    project: Project,
) -> None:
    put(project, A)
    put(project, B, status="needs_reauth", last_error="Revoked")
    put(project, C, "zendesk")
    put(project, D, "gitlab")
    assert tick(project) == [(A, D)]
    assert keys_of(project) == [A, D]
    known = accounts(project)
    assert list(known) == [A, B, C, D]
    assert (known[B]["status"], known[B]["last_error"]) == ("needs_reauth", "Revoked")
    assert {key: row["supports_groups"] for key, row in known.items()} == {
        A: True,
        B: True,
        C: False,
        D: True,
    }


def test_more_new_accounts_than_the_daemon_adds_in_a_while_are_added_by_the_tick_itself(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery_sensor, "_MOST_REQUESTED", 2)
    for account_id in (A, B, C):
        put(project, account_id)
    found = project.tick(DISCOVER)
    assert not found.dynamic_partitions_requests
    assert (keys_of(project), ranges_of(found)) == ([A, B, C], [(A, C)])
    put(project, D)
    (request,) = project.tick(DISCOVER).dynamic_partitions_requests
    assert [id_of(key) for key in request.partition_keys] == [D]


def test_a_tick_records_the_listing_as_a_materialization(project: Project) -> None:
    put(project, A)
    found = project.tick(DISCOVER)
    (event,) = found.asset_events
    assert event.asset_key == dg.AssetKey("integrated_accounts")
    assert event.metadata["dagster/row_count"].value == 1


def test_a_tick_without_a_change_requests_nothing(settled: Project) -> None:
    before = keys_of(settled)
    assert tick(settled) == []
    assert keys_of(settled) == before
    found = settled.tick(DISCOVER)
    assert not found.dynamic_partitions_requests
    assert found.skip_message == "3 accounts listed, nothing new."
    assert found.asset_events


def test_a_tick_that_has_nothing_to_sync_says_what_it_found(settled: Project) -> None:
    settled.server.remove_account(C)
    assert settled.tick(DISCOVER).skip_message == "2 accounts listed, 1 gone."
    put(settled, D)
    found = settled.tick(DISCOVER)
    assert found.skip_message is None
    assert len(found.run_requests) == 1


def test_a_new_account_gets_a_partition_and_is_synced_soon(settled: Project) -> None:
    """Behaviour 8: without anyone pressing a button."""
    put(settled, D)
    assert tick(settled) == [(D, D)]
    assert keys_of(settled) == [A, B, C, D]
    settled.publish(D)
    assert tick(settled) == []


def test_a_new_account_whose_first_sync_failed_is_left_to_the_schedule(project: Project) -> None:
    put(project, A)
    project.server.intercept = fail_groups(404)
    assert tick(project) == [(A, A)]
    assert project.sync(A, run_id="first") == {A: "failed"}
    assert tick(project) == []


def fail_groups(status: int, *accounts: str) -> Any:
    def intercept(request: Request) -> Response | None:
        if request.path != GROUPS_PATH:
            return None
        if accounts and request.integrated_account_id not in accounts:
            return None
        return Response.of_json({"message": "no"}, status=status)

    return intercept


def test_an_account_that_was_reauthorised_is_synced_again(settled: Project) -> None:
    """Behaviour 8."""
    put(settled, A, status="needs_reauth")
    assert tick(settled) == []
    assert keys_of(settled) == [A, B, C]
    put(settled, A)
    assert tick(settled) == [(A, A)]
    assert settled.sync(A, run_id="again") == {A: "unchanged"}
    assert tick(settled) == []


def test_an_account_connected_at_first_without_authorisation_gets_its_partition_later(
    project: Project,
) -> None:
    put(project, A, status="connecting")
    assert tick(project) == []
    assert keys_of(project) == []
    put(project, A)
    assert tick(project) == [(A, A)]
    assert keys_of(project) == [A]


def test_an_account_that_the_settings_skip_is_shown_and_gets_no_partition(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "s.yaml").write_text(f"accounts: {{'{A}': {{skip: true}}}}")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(project.folder / "s.yaml"))
    put(project, A)
    put(project, B)
    assert tick(project) == [(B, B)]
    assert keys_of(project) == [B]
    assert set(accounts(project)) == {A, B}


def test_capabilities_are_asked_once_a_day_and_for_each_integration(project: Project) -> None:
    for key in (A, B):
        put(project, key, "okta")
    put(project, C, "gitlab")

    def asked() -> list[str]:
        paths = [r.path for r in project.server.requests if r.path.endswith("capabilities")]
        project.server.forget_requests()
        return paths

    tick(project)
    assert len(asked()) == 2
    tick(project)
    assert asked() == []
    project.write("UPDATE integration_capabilities SET asked_at = asked_at - INTERVAL 1 DAY")
    tick(project)
    assert len(asked()) == 2


def test_a_question_that_fails_counts_as_yes_and_is_asked_again(
    project: Project, recwarn: pytest.WarningsRecorder
) -> None:
    put(project, A)
    project.server.intercept = lambda request: (
        Response.of_json({"message": "no"}, status=500)
        if request.path.endswith("capabilities")
        else None
    )
    assert tick(project) == [(A, A)]
    assert accounts(project)[A]["supports_groups"] is None
    project.server.intercept = None
    tick(project)
    assert accounts(project)[A]["supports_groups"] is True


# In flight.


def test_an_account_in_flight_is_not_requested_again(project: Project) -> None:
    """Behaviour 8: by a range of a queued run, a single partition, or a requested backfill."""
    for key in (A, B, C):
        put(project, key)
    assert tick(project) == [(A, C)]
    assert tick(project) == [(A, C)]  # nothing was started yet
    project.create("refresh_groups", tags=range_tags(KEYS[A], KEYS[B]))
    assert tick(project) == [(C, C)]
    one = project.create("refresh_groups", tags={"dagster/partition": KEYS[C]})
    assert tick(project) == []
    project.instance.report_run_failed(one)
    assert tick(project) == [(C, C)]


PRESENT = """
import sys, time
from truto_groups.warehouse.database import Database
with Database(sys.argv[1]).coordination.mark_alive(sys.argv[2]):
    print("ready", flush=True)
    time.sleep(60)
"""


@contextmanager
def started_run(project: Project, key: str) -> Iterator[dg.DagsterRun]:
    """A run over one account whose process is killed when the block ends."""
    run = project.instance.add_run(
        dg.DagsterRun(
            job_name="refresh_groups",
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": key},
        )
    )
    command = [sys.executable, "-c", PRESENT, project.database.location, run.run_id]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield run
        process.kill()


def status_of(project: Project, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = project.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_that_was_killed_while_it_refreshed_is_ended_by_the_next_tick(
    settled: Project,
) -> None:
    with started_run(settled, A) as run:
        tick(settled)
        assert status_of(settled, run) is dg.DagsterRunStatus.STARTED
        assert in_flight(settled) == {A}

    tick(settled)

    assert status_of(settled, run) is dg.DagsterRunStatus.FAILURE
    assert in_flight(settled) == set()


def test_a_killed_run_is_ended_by_a_tick_of_its_own_that_asks_truto_nothing(
    settled: Project,
) -> None:
    asked = len(settled.server.requests)
    with started_run(settled, A) as run:
        assert "0 runs ended" in str(settled.tick("end_killed_runs").skip_message)
        assert status_of(settled, run) is dg.DagsterRunStatus.STARTED

    assert "1 run ended" in str(settled.tick("end_killed_runs").skip_message)

    assert status_of(settled, run) is dg.DagsterRunStatus.FAILURE
    assert in_flight(settled) == set()
    assert len(settled.server.requests) == asked


def test_a_run_of_any_job_is_present_so_that_it_is_missed_when_it_was_killed(
    settled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def look(context: dg.OpExecutionContext, *_: object) -> None:
        seen.append(settled.database.coordination.is_alive(context.run_id))

    monkeypatch.setattr(check_jobs, "_evaluate", look)

    ended = settled.run("check_freshness")

    assert seen == [True]
    assert not settled.database.coordination.is_alive(ended.run_id)
    # Whatever has the database is present.
    for job in settled.definitions.resolve_all_job_defs():
        assert {"duckdb"} <= job.get_required_resource_defs().keys(), job.name


def test_a_run_of_a_container_that_was_made_anew_is_ended_and_one_without_a_trace_is_not(
    settled: Project,
) -> None:
    """The new container has another hostname, and nothing of the old one but its files."""
    with started_run(settled, A) as run:
        pass
    (file,) = settled.folder.glob("*.runs/*")
    file.write_text("another-hostname")
    unknown = settled.instance.add_run(
        dg.DagsterRun(
            job_name="refresh_groups",
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": B},
        )
    )

    tick(settled)

    assert status_of(settled, run) is dg.DagsterRunStatus.FAILURE
    assert status_of(settled, unknown) is dg.DagsterRunStatus.STARTED
    assert in_flight(settled) == {B}


@pytest.mark.parametrize("is_watched", [True, False], ids=["watched", "not watched"])
def test_a_run_is_in_flight_no_longer_than_the_instance_lets_it_run(
    is_watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no daemon runs, nobody ends what was killed before it had begun to refresh."""
    limits = {"enabled": is_watched, "start_timeout_seconds": 1, "max_runtime_seconds": 1}
    with dg.instance_for_test(overrides={"run_monitoring": limits}) as instance:
        _, began = (
            instance.add_run(
                dg.DagsterRun(
                    job_name="refresh_groups",
                    status=dg.DagsterRunStatus.NOT_STARTED,
                    tags={"dagster/partition": key},
                )
            )
            for key in (A, B)
        )
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, began.job_name),
            began.run_id,
        )
        assert find_in_flight(instance, [A, B]) == {A, B}
        later = SimpleNamespace(time=lambda: time.time() + 1.2)
        monkeypatch.setattr(in_flight_module, "time", later)

        assert find_in_flight(instance, [A, B]) == (set() if is_watched else {A, B})


@pytest.mark.parametrize("job", ["refresh_groups", "refresh_contracts", "draw_overview"])
def test_a_run_whose_process_died_is_run_again_and_one_that_failed_by_itself_is_not(
    job: str,
) -> None:
    """By the project's dagster.yaml."""
    path = Path(__file__).parents[2] / "dagster.yaml"
    retries = yaml.safe_load(path.read_text())["run_retries"]
    definition = make_definitions().resolve_job_def(job)
    with dg.instance_for_test(overrides={"run_retries": retries}) as instance:

        def is_run_again(reason: RunFailureReason | None) -> bool:
            run = instance.create_run_for_job(definition, tags=definition.run_tags)
            instance.report_run_failed(run, "", JobFailureData(None, failure_reason=reason))
            (failed,) = instance.get_runs(dg.RunsFilter([run.run_id]))
            return failed.tags.get("dagster/will_retry") == "true"

        assert is_run_again(None)
        assert is_run_again(RunFailureReason.START_TIMEOUT)
        assert not is_run_again(RunFailureReason.STEP_FAILURE)


def test_a_requested_run_waits_neither_for_the_queue_nor_for_the_start_of_others() -> None:
    """By the project's dagster.yaml; Dagster's own are five seconds, one run after the other."""
    path = Path(__file__).parents[2] / "dagster.yaml"
    settings = yaml.safe_load(path.read_text())
    overrides = {name: settings[name] for name in ("concurrency", "run_queue")}
    with dg.instance_for_test(overrides=overrides) as instance:
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, QueuedRunCoordinator)
        assert coordinator.dequeue_interval_seconds == 1
        assert coordinator.dequeue_use_threads
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4


@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`")  # of Dagster's own
def test_a_requested_backfill_covers_its_accounts(project: Project) -> None:
    for key in (A, B, C):
        put(project, key)
    tick(project)
    add_backfill(project, KEYS[A], KEYS[C])
    assert in_flight(project) == {A, C}
    assert tick(project) == [(B, B)]


def test_a_run_of_other_assets_covers_no_account(settled: Project) -> None:

    def add_run(asset: str) -> None:
        settled.instance.add_run(
            dg.DagsterRun(
                job_name="__ASSET_JOB",
                status=dg.DagsterRunStatus.STARTED,
                asset_selection=frozenset([dg.AssetKey(asset)]),
                tags=range_tags(KEYS[A], KEYS[A]),
            )
        )

    add_run("group_overview")
    assert in_flight(settled) == set()
    add_run("groups")
    assert in_flight(settled) == {A}


def add_backfill(project: Project, *keys: str) -> None:
    graph = project.definitions.resolve_asset_graph()
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="backfill",
        asset_graph=graph,
        partition_names=list(keys),
        asset_selection=[dg.AssetKey("groups"), dg.AssetKey("raw_groups")],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=project.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    project.instance.add_backfill(backfill)


def test_a_tick_that_truto_keeps_waiting_fails_with_its_reason_before_dagster_ends_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert discovery_sensor.TRUTO_SECONDS < DEFAULT_SENSOR_GRPC_TIMEOUT - 10
    monkeypatch.setattr(discovery_sensor, "TRUTO_SECONDS", 0.4)
    put(project, A)
    goes_on = threading.Event()

    def intercept(request: Request) -> Response | None:
        goes_on.wait(10)
        return None

    project.server.intercept = intercept
    with pytest.raises(RetriesExhaustedError, match=r"within 0\.3 s"):
        project.tick(DISCOVER)
    goes_on.set()


# Gone, back, removed.


@pytest.mark.parametrize("name", [DISCOVER, "end_killed_runs", "refresh_groups_schedule"])
def test_a_tick_waits_for_a_postgres_that_is_away_and_fails_before_dagster_ends_it(
    name: str, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    where = "ducklake:postgres:host=127.0.0.1 port=1 dbname=x"
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", where)
    project.instance.add_run(
        dg.DagsterRun(job_name="refresh_groups", status=dg.DagsterRunStatus.STARTED)
    )
    for module in (discovery_sensor, killed_runs, schedules):
        assert module.TICK_PATIENCE_SECONDS + discovery_sensor.TRUTO_SECONDS <= (
            DEFAULT_SENSOR_GRPC_TIMEOUT
        )
        monkeypatch.setattr(module, "TICK_PATIENCE_SECONDS", 0.5)

    evaluate_tick = evaluate if name.endswith("schedule") else lambda one: one.tick(name)
    with pytest.raises((DatabaseError, ScheduleExecutionError)) as caught:
        evaluate_tick(project)
    assert "Connection refused" in "".join(traceback.format_exception(caught.value))
    assert re.search(r"waited for, for up to 0 s|is done again in 0\.[0-5] s", caplog.text)
    assert not re.search(r"is done again in [1-9]", caplog.text)


def test_an_account_that_disappears_is_gone_and_keeps_data_and_partition_for_a_grace_period(
    settled: Project,
) -> None:
    """Behaviour 8."""
    before = settled.table("groups")
    settled.server.remove_account(B)
    assert tick(settled) == []
    known = accounts(settled)
    assert known[B]["gone_at"] is not None
    assert known[A]["gone_at"] is None
    assert keys_of(settled) == [A, B, C]
    assert settled.table("groups") == before
    age(settled, "gone_at", "6 DAY", B)
    assert tick(settled) == []
    assert keys_of(settled) == [A, B, C]
    assert settled.table("groups") == before
    assert settled.table("group_changes") == []


def test_after_the_grace_period_it_is_removed_and_its_groups_appear_as_removed(
    lacking_b: Project,
) -> None:
    """Behaviour 8."""
    age(lacking_b, "gone_at", "8 DAY", B)
    assert tick(lacking_b) == []
    assert keys_of(lacking_b) == [A, C]
    assert set(accounts(lacking_b)) == {A, C}
    for name in ("raw_groups", "groups", "group_type_breakdown"):
        assert {row["integrated_account_id"] for row in lacking_b.table(name)} == {A, C}
    changes = lacking_b.table("group_changes")
    assert [(row["integrated_account_id"], row["id"], row["change"]) for row in changes] == [
        (B, "g1", "removed"),
        (B, "g2", "removed"),
    ]
    assert tick(lacking_b) == []
    assert lacking_b.table("group_changes") == changes


def test_an_account_in_flight_is_not_removed(lacking_b: Project) -> None:
    """Behaviour 8: deleting a key breaks the run that covers it."""
    age(lacking_b, "gone_at", "8 DAY", B)
    run = lacking_b.create("refresh_groups", tags=range_tags(KEYS[A], KEYS[C]))
    tick(lacking_b)
    assert keys_of(lacking_b) == [A, B, C]
    assert B in accounts(lacking_b)
    lacking_b.instance.report_run_failed(run)
    tick(lacking_b)
    assert keys_of(lacking_b) == [A, C]


def test_an_account_that_is_listed_again_is_back_and_synced_soon(lacking_b: Project) -> None:
    put(lacking_b, B)
    assert tick(lacking_b) == [(B, B)]
    assert accounts(lacking_b)[B]["gone_at"] is None
    assert lacking_b.table("group_changes") == []


def test_an_account_that_comes_back_after_its_removal_begins_anew(lacking_b: Project) -> None:
    age(lacking_b, "gone_at", "8 DAY", B)
    tick(lacking_b)
    put(lacking_b, B)
    assert tick(lacking_b) == [(B, B)]
    assert keys_of(lacking_b) == [A, C, B]
    lacking_b.publish(B)
    assert {row["integrated_account_id"] for row in lacking_b.table("groups")} == {A, B, C}


# Doubtful listings.


BROKEN_LISTINGS = {
    "500": Response.of_json({"message": "no"}, status=500),
    "not JSON": Response(status=200, body=b"<html>"),
    "no result": Response.of_json({"next_cursor": None}),
    "broken off": Response.of_json({"result": [], "next_cursor": "again"}),
    "empty": Response.of_json({"result": [], "next_cursor": None}),
}


def serve_listing(answer: Response) -> Any:
    def intercept(request: Request) -> Response | None:
        return answer if request.path == LISTING else None

    return intercept


def test_a_failed_broken_or_empty_listing_marks_none_as_gone_and_fails_the_tick(
    settled: Project,
) -> None:
    """Behaviour 8."""
    before = settled.table("integrated_accounts"), settled.table("groups"), keys_of(settled)
    for kind, answer in BROKEN_LISTINGS.items():
        settled.server.intercept = serve_listing(answer)
        with pytest.raises(TrutoError):
            tick(settled)
        after = settled.table("integrated_accounts"), settled.table("groups"), keys_of(settled)
        assert after == before, kind


def test_a_listing_that_lacks_more_than_half_marks_none_as_gone_and_fails_the_tick(
    settled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behaviour 8: unless the settings allow it."""
    before = settled.table("integrated_accounts")
    for key in (A, B):
        settled.server.remove_account(key)
    with pytest.raises(DoubtfulListingError, match="lacks 2 of 3"):
        tick(settled)
    assert settled.table("integrated_accounts") == before
    (settled.folder / "s.yaml").write_text("discovery: {max_missing_share: 0.7}")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(settled.folder / "s.yaml"))
    tick(settled)
    gone = {key for key, row in accounts(settled).items() if row["gone_at"]}
    assert gone == {A, B}


def test_a_token_of_another_environment_is_told_before_anything_changes(
    settled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = settled.table("integrated_accounts")
    monkeypatch.setenv("TRUTO_API_TOKEN", "wrong")
    with pytest.raises(TokenRejectedError) as caught:
        tick(settled)
    assert "wrong" not in str(caught.value).split()
    with SandboxServer(accounts=[make_account(D)]) as other:
        monkeypatch.setenv("TRUTO_BASE_URL", other.base_url)
        monkeypatch.setenv("TRUTO_API_TOKEN", other.token)
        with pytest.raises(DatabaseError, match="was filled from"):
            tick(settled)
    assert settled.table("integrated_accounts") == before
    assert keys_of(settled) == [A, B, C]


# The schedule.


def test_ranges_of_two_ticks_are_both_run(settled: Project) -> None:
    """Dagster runs a key once and for ever, so that the keys of two ticks must differ."""
    for key in (A, C):
        age(settled, "last_confirmed_at", "7 HOUR", key)
    keys = [
        request.run_key for tick in range(2) for request in evaluate(settled, tick).run_requests
    ]
    assert len(set(keys)) == len(keys) == 4


def schedule(project: Project) -> Any:
    """Evaluate the schedule: the requested ranges, or why there are none."""
    found = evaluate(project)
    return ranges_of(found) if found.run_requests else found.skip_message


def evaluate(project: Project, number: int = 0) -> Any:
    definition = project.definitions.resolve_schedule_def("refresh_groups_schedule")
    with dg.build_schedule_context(
        instance=project.instance,
        instance_ref=project.instance.get_ref(),
        scheduled_execution_time=datetime.now(UTC) + number * timedelta(minutes=10),
        resources=project.resources,
        repository_def=project.definitions.get_repository_def(),
    ) as context:
        return definition.evaluate_tick(context)


def test_the_schedule_waits_for_the_first_discovery(project: Project) -> None:
    assert "discover_integrated_accounts" in schedule(project)


def test_the_schedule_requests_what_is_due_and_nothing_else(settled: Project) -> None:
    assert schedule(settled) == "None of 3 accounts is due."
    age(settled, "last_confirmed_at", "6 HOUR", A)
    assert schedule(settled) == [(A, A)]
    age(settled, "last_confirmed_at", "4 HOUR", B)
    age(settled, "last_confirmed_at", "7 HOUR", C)
    assert schedule(settled) == [(A, C)]
    settled.sync(A, B, C, run_id="due")
    assert schedule(settled) == "None of 3 accounts is due."


def test_the_schedule_leaves_out_what_is_in_flight(settled: Project) -> None:
    for key in (A, B, C):
        age(settled, "last_confirmed_at", "7 HOUR", key)
    settled.create("refresh_groups", tags=range_tags(KEYS[B], KEYS[B]))
    assert schedule(settled) == [(A, A), (C, C)]


def test_a_failure_that_no_retry_heals_is_requested_again_when_the_listing_changes(
    settled: Project,
) -> None:
    """Behaviour 5."""
    for key in (A, B):
        age(settled, "last_confirmed_at", "7 HOUR", key)
    settled.server.intercept = fail_groups(404)
    assert settled.sync(A, B, run_id="r1") == {A: "failed", B: "failed"}
    assert schedule(settled) == "None of 3 accounts is due."
    put(settled, A, updated_at="2026-02-02T00:00:00.000Z")
    tick(settled)
    assert schedule(settled) == [(A, A)]
    settled.server.intercept = fail_groups(500)
    assert settled.sync(A, run_id="r2") == {A: "failed"}
    assert schedule(settled) == [(A, A)]


def test_what_failed_and_may_heal_far_apart_is_tried_again_in_one_run_and_is_red_until_it_heals(
    project: Project,
) -> None:
    """Five that lie apart would be five ranges, or have the healthy between them synced again."""
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(10)]
    for one in ids:
        put(project, one)
    tick(project)
    project.server.intercept = fail_groups(500, *ids[::2])
    assert not project.refresh().success
    keys = [project.key_of(one) for one in ids]
    assert colours(project) == (set(keys[1::2]), set(keys[::2]))

    (again,) = evaluate(project).run_requests
    assert sorted(read_account_tags(again.tags)) == keys[::2]
    waiting = project.create("refresh_groups", tags=again.tags)
    assert find_in_flight(project.instance, keys) == set(keys[::2])
    project.instance.delete_run(waiting.run_id)

    project.server.intercept = fail_groups(500, ids[0])
    assert not project.run("refresh_groups", tags=again.tags).success
    assert colours(project) == (set(keys[1:]), {keys[0]})
    assert {row["outcome"] for row in project.table("account_syncs")} == {"published", "failed"}
    project.server.intercept = None
    assert project.run("refresh_groups", tags=again.tags).success
    assert colours(project) == (set(keys), set())


def colours(project: Project) -> tuple[set[str], set[str]]:
    """The partitions of groups that are green, and those that are red."""
    partitions, groups = integrated_accounts, dg.AssetKey("groups")
    with partition_loading_context(dynamic_partitions_store=project.instance):
        found = get_and_update_asset_status_cache_value(
            project.instance, groups, partitions, project.instance
        )
        assert found is not None
        green = found.deserialize_materialized_partition_subsets(partitions).get_partition_keys()
        red = found.deserialize_failed_partition_subsets(partitions).get_partition_keys()
    return set(green), set(red)


def test_the_schedule_says_that_the_token_is_missing(
    settled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUTO_API_TOKEN")
    with pytest.raises(dg.DagsterError) as caught:
        schedule(settled)
    assert isinstance(caught.value.__cause__, SettingsError)
    assert "TRUTO_API_TOKEN" in str(caught.value.__cause__)


def test_the_schedule_requests_many_accounts_in_their_slots_before_they_are_due(
    project: Project,
) -> None:
    """Two slots of a hundred; within five hours at least one of them has come, at any time."""
    for number in range(200):
        put(project, f"{number:08x}-0000-4000-8000-000000000000")
    tick(project)
    project.write(
        "INSERT INTO account_syncs BY NAME SELECT id AS integrated_account_id, 'r' AS run_id, "
        "now() - INTERVAL 5 HOUR AS started_at, started_at AS finished_at, "
        "'published' AS outcome, 1 AS group_count, row_number() OVER () AS answer_order "
        "FROM integrated_accounts; "
        "UPDATE integrated_accounts SET last_confirmed_at = now() - INTERVAL 5 HOUR; "
        "UPDATE account_state SET wanted_at = now() - INTERVAL 6 HOUR"
    )
    keys = list(project.instance.get_dynamic_partitions(PARTITIONS))
    sizes = [
        keys.index(request.tags["dagster/asset_partition_range_end"])
        - keys.index(request.tags["dagster/asset_partition_range_start"])
        + 1
        for request in evaluate(project).run_requests or ()
    ]
    assert sum(sizes) in (100, 200)


def test_a_tick_over_thousands_of_known_accounts_sends_few_requests_and_ends_in_time(
    project: Project,
) -> None:
    for number in range(2_500):
        put(project, f"{number:08x}-0000-4000-8000-000000000000")
    began = time.monotonic()
    ranges = tick(project)
    first = time.monotonic() - began
    assert len(ranges) == 2
    keys = keys_of(project)
    assert len(keys) == 2_500
    assert [keys.index(last) - keys.index(start) + 1 for start, last in ranges] == [500, 500]
    project.write(
        "INSERT INTO account_syncs BY NAME SELECT id AS integrated_account_id, 'r' AS run_id, "
        "now() AS started_at, now() AS finished_at, 'published' AS outcome, 1 AS group_count, "
        "row_number() OVER () AS answer_order "
        "FROM integrated_accounts; UPDATE integrated_accounts SET last_confirmed_at = now()"
    )
    project.server.forget_requests()
    began = time.monotonic()
    assert tick(project) == []
    second = time.monotonic() - began
    assert len(project.server.requests) <= 5
    began = time.monotonic()
    assert schedule(project) == "None of 2500 accounts is due."
    third = time.monotonic() - began
    assert max(first, second, third) < 30


def test_instants_that_a_tick_writes_are_those_of_now(project: Project) -> None:
    put(project, A)
    before = datetime.now(UTC)
    tick(project)
    row = accounts(project)[A]
    assert before <= row["first_listed_at"] == row["listed_at"] < before + timedelta(minutes=1)
    first = row["first_listed_at"]
    tick(project)
    row = accounts(project)[A]
    assert (row["first_listed_at"], row["listed_at"] > first) == (first, True)
