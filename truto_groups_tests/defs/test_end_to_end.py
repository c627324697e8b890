"""The whole main job as a person has it: a Dagster daemon and a webserver on the sandbox.

Everything is real: processes, HTTP on loopback, SQLite, DuckDB. Nothing is faked and nothing is
called; what the daemon does by itself is waited for, and what the UI shows is asked by GraphQL.
"""

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import (
    InstigatorState,
    SensorInstigatorData,
    TickStatus,
)

from truto_groups.defs.in_flight import range_tags
from truto_groups.sandbox import (
    SETTINGS_PATH,
    Account,
    Request,
    Response,
    SandboxServer,
    Verbatim,
)
from truto_groups.warehouse.database import Database
from truto_groups_tests.defs.page_of_checks import Page, Ui
from truto_groups_tests.defs.project import Project
from truto_groups_tests.defs.served import (
    BIN,
    ROOT,
    ask,
    running,
    wait_for,
    wait_for_webserver,
    write_home,
)
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import GROUPS_PATH, read_rows, read_table

pytestmark = pytest.mark.slow

WORKSPACE = ("-w", str(ROOT / "workspace.yaml"))
ASSET = """{ assetNodeOrError(assetKey: {path: ["groups"]}) { ... on AssetNode {
    partitionStats { numPartitions numMaterialized numFailed } groupName } } }"""
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def read(group: Any) -> Any:
    return group.read() if isinstance(group, Verbatim) else group


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> float:
    began = time.monotonic()
    process.send_signal(how)
    process.wait(timeout=60)
    return time.monotonic() - began


def is_synced(account: Account) -> bool:
    return account.status == "active" and account.integration.has_groups


@dataclass(frozen=True)
class Found:
    """What there was when the first daemon had ended.

    Attributes:
        database: A copy of it.
        refreshes: The runs that refreshed groups.
        node: The asset `groups`, as the UI shows it.
        seconds_to_end: How long the daemon took to end.
    """

    database: Database
    refreshes: Sequence[dg.DagsterRun]
    node: Mapping[str, Any]
    seconds_to_end: float


@dataclass(frozen=True)
class Site:
    """A home on the sandbox, a webserver that runs, and a daemon where one is started.

    Attributes:
        server: The sandbox.
        database: Where the groups are.
        instance: Dagster's.
        environment: Of Dagster's programs.
        folder: Where these write their logs.
        web: The webserver.
        port: Of the webserver.
    """

    server: SandboxServer
    database: Database
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    folder: Path
    web: subprocess.Popen[bytes]
    port: int

    @contextmanager
    def running_daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Let a daemon run until the block ends."""
        command = [str(BIN / "dagster-daemon"), "run", *WORKSPACE]
        with running(*command, folder=self.folder, cwd=ROOT, **self.environment) as daemon:
            yield daemon

    @property
    def synced(self) -> dict[str, Account]:
        """The sandbox's accounts of which groups are kept."""
        return {one.id: one for one in self.server.accounts if is_synced(one)}

    def read_keys(self) -> dict[str, str]:
        """The key of each account that is known."""
        return {row["id"]: row["partition_key"] for row in read_table(self.database, ACCOUNTS)}

    def find_refreshes(self) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(job_name="refresh_groups")))

    def is_done(self) -> bool:
        """Whether every account is confirmed, and nothing runs."""
        return (
            self.database.exists
            and len(read_confirmed(self.database)) == len(self.synced)
            and all(run.status in ENDED for run in self.instance.get_runs())
        )


@pytest.fixture(name="site", scope="module")
def provide_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Dagster's own programs, which start up for seconds: once for all that is asked of them."""
    folder = tmp_path_factory.mktemp("site")
    home = write_home(folder)
    database = Database(str(folder / "groups.duckdb"))
    port = find_free_port()
    with (
        SandboxServer() as server,
        # Before the others: Dagster's own programs, made to set up one new home at once, collide.
        dg.DagsterInstance.from_config(str(home)) as instance,
        ExitStack() as stack,
    ):
        environment = {
            "DAGSTER_HOME": str(home),
            "TRUTO_BASE_URL": server.base_url,
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_GROUPS_DATABASE": database.location,
            "TRUTO_GROUPS_SETTINGS": str(SETTINGS_PATH),
        }
        command = [str(BIN / "dagster-webserver"), *WORKSPACE, "-p", str(port)]
        web = stack.enter_context(running(*command, folder=folder, cwd=ROOT, **environment))
        wait_for_webserver(port, web)
        yield Site(server, database, instance, environment, folder, web, port)
        assert stop(web, signal.SIGTERM) < 30


@pytest.fixture(name="found", scope="module")
def provide_found(site: Site) -> Found:
    """What the first daemon makes of a home without anything."""
    with site.running_daemon() as daemon:
        wait_for("every account is confirmed", site.is_done, daemon, site.web)
        seconds = stop(daemon, signal.SIGINT)
    copied = shutil.copy(site.database.location, site.folder / "found.duckdb")
    node = ask(site.port, ASSET)["assetNodeOrError"]
    return Found(Database(str(copied)), site.find_refreshes(), node, seconds)


def test_daemon_and_webserver_bring_the_tables_to_exactly_what_the_sandbox_serves(
    site: Site, found: Found
) -> None:
    accounts, database = site.synced, found.database
    keys = site.read_keys()
    assert set(site.instance.get_dynamic_partitions(ACCOUNTS)) == {keys[one] for one in accounts}
    assert {run.status for run in found.refreshes} == {dg.DagsterRunStatus.SUCCESS}
    assert {row["outcome"] for row in read_table(database, "account_syncs")} == {"published"}
    assert len(read_table(database, "account_syncs")) == len(accounts)
    expected = {one: [read(group) for group in accounts[one].groups_at(1)] for one in accounts}
    assert_tables_hold(database, accounts, expected)
    assert_checks_say_what_they_should(site.instance, found.refreshes)
    count = len(accounts)
    stats = {"numPartitions": count, "numMaterialized": count, "numFailed": 0}
    assert found.node["partitionStats"] == stats
    assert found.node["groupName"] == "truto_user_directory"
    assert found.seconds_to_end < 30


@pytest.mark.usefixtures("found")
def test_a_verdict_is_on_the_page_while_runs_wait_overlap_fail_and_are_cancelled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All wait for the daemon; some are cancelled before, and one while it has no answer.

    The daemon lists the accounts again meanwhile, and requests nothing of what is fresh.
    """
    instance, web = site.instance, site.web
    a, b, c = sorted(instance.get_dynamic_partitions(ACCOUNTS))[:3]
    ids = {key: account_id for account_id, key in site.read_keys().items()}
    asked: list[str | None] = []

    def intercept(request: Request) -> Response | None:
        if request.path != GROUPS_PATH:
            return None
        asked.append(request.integrated_account_id)
        if request.integrated_account_id == ids[a]:
            return Response(status=400)
        return Response(delay_seconds=60) if request.integrated_account_id == ids[c] else None

    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    project = Project(site.server, instance, site.folder)
    # What sensors would request at their next tick, where processes are dear.
    project.run("draw_overview")
    project.run("refresh_contracts")
    site.server.intercept = intercept
    before = {run.run_id for run in site.find_refreshes()}
    checks = project.definitions.resolve_asset_graph().asset_check_keys
    page = Page(site.port, {key.name for key in checks})
    ui = Ui(page)
    with page.watched():
        unstarted = [
            ui.launch("refresh_groups", tags=range_tags(a, c)),
            ui.launch("evaluate_checks"),
            ui.execute("every_account_is_fresh"),
        ]
        materializing = ui.materialize("raw_groups", "groups", tags=range_tags(a, a))
        hanging = ui.launch("refresh_groups", tags=range_tags(c, c))
        page.look_again(3)
        for run_id in unstarted:
            ui.terminate(run_id)
        backfill = ui.backfill(b)
        make_sensors_due(instance)
        ticks = count_discoveries(instance)
        with site.running_daemon() as daemon:
            wait_for("accounts are listed", lambda: count_discoveries(instance) > ticks, daemon)
            requested = (
                {run.run_id for run in site.find_refreshes()} - before - {*unstarted, hanging}
            )
            wait_for("groups are asked for", lambda: ids[c] in asked, daemon, web)
            ui.terminate(hanging)
            runs = [*unstarted, materializing, hanging]

            def is_over() -> bool:
                found = instance.get_runs(dg.RunsFilter(run_ids=runs))
                backfilled = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
                return bool(backfilled) and all(
                    run.status in ENDED for run in [*found, *backfilled]
                )

            wait_for("all runs have ended", is_over, daemon, web)
            assert stop(daemon, signal.SIGTERM) < 30

    assert page.hidden == []
    assert requested == set()
    found = {run.run_id: run.status for run in instance.get_runs(dg.RunsFilter(run_ids=runs))}
    assert found.pop(materializing) is dg.DagsterRunStatus.FAILURE
    assert set(found.values()) == {dg.DagsterRunStatus.CANCELED}


def read_confirmed(database: Database) -> list[Any]:
    sql = "SELECT id FROM integrated_accounts WHERE last_confirmed_at IS NOT NULL"
    return read_rows(database, sql)


def find_sensors(instance: dg.DagsterInstance) -> dict[str, InstigatorState]:
    states = instance.all_instigator_state()
    return {
        state.instigator_name: state
        for state in states
        if isinstance(state.instigator_data, SensorInstigatorData)
    }


def make_sensors_due(instance: dg.DagsterInstance) -> None:
    """Let each have ticked so long ago that it ticks at once, though it waits for minutes."""
    for state in find_sensors(instance).values():
        data = state.instigator_data
        assert isinstance(data, SensorInstigatorData)
        instance.update_instigator_state(
            state.with_data(data._replace(last_tick_timestamp=0.0, last_tick_start_timestamp=0.0))
        )


def count_discoveries(instance: dg.DagsterInstance) -> int:
    """How often the accounts were listed, and what is due requested, to the end."""
    state = find_sensors(instance)["discover_integrated_accounts"]
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return sum(tick.status is not TickStatus.STARTED for tick in ticks)


def parse(value: Any) -> datetime | None:
    """An instant as the sandbox's samples write it."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / (1000 if value > 1e11 else 1), UTC)
    text = str(value)
    if text.isdigit() and len(text) in (10, 13):
        return parse(int(text))
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


ACCOUNTS = "integrated_accounts"
KNOWN_TYPES = {"team", "department", "group", "product"}
DOCUMENTED = (
    *("id", "name", "group_type", "description", "organization"),
    *("created_at", "updated_at", "remote_data"),
)


def assert_tables_hold(
    database: Database, accounts: dict[str, Account], expected: dict[str, list[Any]]
) -> None:
    """Compare value by value with rules written down here once more."""
    raw = {
        (row["integrated_account_id"], row["id"]): json.loads(row["record"])
        for row in read_table(database, "raw_groups")
    }
    assert raw == {
        (key, str(group["id"])): group for key, groups in expected.items() for group in groups
    }
    rows = {
        (row["integrated_account_id"], row["id"]): row for row in read_table(database, "groups")
    }
    assert set(rows) == set(raw)
    for (key, group_id), row in rows.items():
        group = raw[key, group_id]
        kind = group.get("group_type")
        others = {name: value for name, value in group.items() if name not in DOCUMENTED}
        assert row["integration"] == accounts[key].integration.slug
        assert row["tenant_id"] == accounts[key].tenant_id
        assert row["name"] == group.get("name")
        assert row["description"] == group.get("description")
        organization = group.get("organization")
        assert row["organization_id"] == (None if organization is None else str(organization))
        assert row["group_type_as_received"] == kind
        lowered = None if kind is None else str(kind).lower()
        assert row["group_type"] == (
            lowered if lowered is None or lowered in KNOWN_TYPES else "unmapped"
        )
        for name in ("created_at", "updated_at"):
            assert row[name] == parse(group.get(name)), (key, group)
        remote = row["remote_data"]
        assert (json.loads(remote) if remote else None) == group.get("remote_data")
        assert (json.loads(row["other_fields"]) if row["other_fields"] else {}) == others
    counted = Counter((key, row["group_type"]) for (key, _), row in rows.items())
    assert {
        (row["integrated_account_id"], row["group_type"]): row["group_count"]
        for row in read_table(database, "group_type_breakdown")
    } == counted
    assert read_table(database, "group_changes") == []


def assert_checks_say_what_they_should(
    instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]
) -> None:
    passed: dict[str, bool] = {}
    for run in runs:
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
            event = record.event_log_entry.dagster_event
            assert event is not None
            found = event.asset_check_evaluation_data
            passed[found.check_name] = found.passed
    # The sandbox's JumpCloud sends a type that is not mapped, as such apps do.
    assert passed == {
        "groups_match_contract": False,
        "no_unaccepted_drift": True,
        "every_account_is_fresh": True,
        "ids_are_unique": True,
        "group_counts_are_plausible": True,
        "privileged_changes_are_reviewed": True,
        "breakdown_adds_up": True,
    }
