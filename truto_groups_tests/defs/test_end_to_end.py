"""The whole main job as a person has it: a Dagster daemon and a webserver on the sandbox.

Everything is real: processes, HTTP on loopback, SQLite, DuckDB. Nothing is faked and nothing is
called; what the daemon does by itself is waited for, and what the UI shows is asked by GraphQL.
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
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

from truto_groups.sandbox import SETTINGS_PATH, Account, SandboxServer, Verbatim
from truto_groups.warehouse.database import Database
from truto_groups_tests.defs.served import (
    ROOT,
    ask,
    running,
    wait_for,
    wait_for_webserver,
    write_home,
)
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import read_rows, read_table

pytestmark = pytest.mark.slow

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


def test_daemon_and_webserver_bring_the_tables_to_exactly_what_the_sandbox_serves(
    tmp_path: Path,
) -> None:
    home = write_home(tmp_path)
    database = Database(str(tmp_path / "groups.duckdb"))
    port = find_free_port()
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    bin_folder = Path(sys.executable).parent
    daemon_command = [str(bin_folder / "dagster-daemon"), "run", *workspace]
    web_command = [str(bin_folder / "dagster-webserver"), *workspace, "-p", str(port)]
    with SandboxServer() as server, ExitStack() as stack:
        environment = {
            "DAGSTER_HOME": str(home),
            "TRUTO_BASE_URL": server.base_url,
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_GROUPS_DATABASE": database.location,
            "TRUTO_GROUPS_SETTINGS": str(SETTINGS_PATH),
        }
        accounts = {account.id: account for account in server.accounts}
        synced = {key for key, account in accounts.items() if is_synced(account)}
        # Before the others: Dagster's own programs, made to set up one new home at once, collide.
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        daemon = stack.enter_context(
            running(*daemon_command, folder=tmp_path, cwd=ROOT, **environment)
        )
        web = stack.enter_context(running(*web_command, folder=tmp_path, cwd=ROOT, **environment))

        def refreshes() -> list[dg.DagsterRun]:
            return list(instance.get_runs(dg.RunsFilter(job_name="refresh_groups")))

        def is_done() -> bool:
            runs = refreshes()
            return (
                bool(runs)
                and all(run.status in ENDED for run in runs)
                and database.exists
                and len(read_confirmed(database)) == len(synced)
            )

        wait_for("every account is confirmed", is_done, daemon, web)
        keys = {row["id"]: row["partition_key"] for row in read_table(database, ACCOUNTS)}
        partitions = instance.get_dynamic_partitions(ACCOUNTS)
        assert set(partitions) == {keys[account_id] for account_id in synced}
        assert {run.status for run in refreshes()} == {dg.DagsterRunStatus.SUCCESS}
        assert {row["outcome"] for row in read_table(database, "account_syncs")} == {"published"}
        assert len(read_table(database, "account_syncs")) == len(synced)
        expected = {key: [read(one) for one in accounts[key].groups_at(1)] for key in synced}
        assert_tables_hold(database, accounts, expected)
        assert_checks_say_what_they_should(instance)
        assert_ui_shows(port, web, count=len(synced))

        assert stop(daemon, signal.SIGINT) < 30
        assert stop(web, signal.SIGTERM) < 30
        before = len(refreshes())
        make_sensors_due(instance)
        ticks = count_discoveries(instance)
        again = stack.enter_context(
            running(*daemon_command, folder=tmp_path, cwd=ROOT, **environment)
        )
        wait_for("accounts are listed again", lambda: count_discoveries(instance) > ticks, again)
        assert len(refreshes()) == before
        assert stop(again, signal.SIGTERM) < 30


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


def assert_checks_say_what_they_should(instance: dg.DagsterInstance) -> None:
    passed: dict[str, bool] = {}
    for run in instance.get_runs(dg.RunsFilter(job_name="refresh_groups")):
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


def assert_ui_shows(port: int, web: subprocess.Popen[bytes], *, count: int) -> None:
    wait_for_webserver(port, web)
    node = ask(
        port,
        """{ assetNodeOrError(assetKey: {path: ["groups"]}) { ... on AssetNode {
            partitionStats { numPartitions numMaterialized numFailed }
            groupName kinds description } } }""",
    )["assetNodeOrError"]
    assert node["partitionStats"] == {
        "numPartitions": count,
        "numMaterialized": count,
        "numFailed": 0,
    }
    assert node["groupName"] == "truto_user_directory"
