"""Everything that is promised by name is there, and loading it does nothing at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from truto_groups import schema
from truto_groups.definitions import build_definitions, defs
from truto_groups.defs.dagster_internals import read_events
from truto_groups.defs.resources import TrutoResource

ROOT = Path(__file__).parents[1]

# Resolved when the tests are collected: Dagster would look into the instance of an earlier test.
defs.get_repository_def()

ASSETS = {
    "integrated_accounts",
    "raw_groups",
    "groups",
    "group_type_breakdown",
    "group_changes",
    "integration_contracts",
    "group_overview",
}
PARTITIONED = {"raw_groups", "groups", "group_type_breakdown"}
CHECKS = {
    ("groups", "groups_match_contract"),
    ("groups", "no_unaccepted_drift"),
    ("groups", "every_account_is_fresh"),
    ("groups", "ids_are_unique"),
    ("groups", "group_counts_are_plausible"),
    ("groups", "privileged_changes_are_reviewed"),
    ("group_type_breakdown", "breakdown_adds_up"),
    ("integration_contracts", "declared_contracts_are_stable"),
}
SCHEDULES = {
    "refresh_groups_schedule": "*/10 * * * *",
    "check_freshness_schedule": "*/15 * * * *",
    "refresh_contracts_schedule": None,
    "retain_history_schedule": None,
    "maintain_lake_schedule": None,
}
SENSORS = {"discover_integrated_accounts", "refresh_overview", "report_failures"}
JOBS = {
    "refresh_groups",
    "accept_drift",
    "mark_privileged_changes_reviewed",
    "retain_history",
    "maintain_lake",
    "diagnose",
}


@pytest.fixture(name="specs", scope="module")
def provide_specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_every_asset_is_there_with_its_group_kinds_owners_and_description(
    specs: dict[str, dg.AssetSpec],
) -> None:
    assert set(specs) == ASSETS
    for spec in specs.values():
        assert spec.group_name == "truto_user_directory"
        assert spec.kinds
        assert spec.owners
        assert len(spec.description or "") > 60
        # The catalog and `dg list defs` show a first line as it is written.
        assert not set("*`#_[") & set((spec.description or "")[:1])


def test_the_partitioned_assets_are_those_by_account_and_no_more(
    specs: dict[str, dg.AssetSpec],
) -> None:
    """Dagster writes two events per partition and asset: a fourth would cost every account."""
    partitioned = {name: spec.partitions_def for name, spec in specs.items() if spec.partitions_def}
    assert set(partitioned) == PARTITIONED
    for definition in partitioned.values():
        assert isinstance(definition, dg.DynamicPartitionsDefinition)
        assert definition.name == "integrated_accounts"


@pytest.mark.parametrize("name", sorted(ASSETS - {"group_overview"}))
def test_the_columns_shown_of_a_table_are_those_of_the_contract(
    specs: dict[str, dg.AssetSpec], name: str
) -> None:
    (table,) = [table for table in schema.TABLES if table.name == name]
    metadata = specs[name].metadata
    shown = metadata["dagster/column_schema"]
    assert isinstance(shown, dg.TableSchema)
    assert [column.name for column in shown.columns] == list(table.column_names)
    assert all(column.description for column in shown.columns)
    assert metadata["dagster/table_name"] == name


@pytest.mark.parametrize("name", ["groups", "group_type_breakdown", "group_changes"])
def test_column_lineage_leads_from_columns_that_exist_to_columns_that_exist(
    specs: dict[str, dg.AssetSpec], name: str
) -> None:
    tables = {table.name: table.column_names for table in schema.TABLES}
    lineage = specs[name].metadata["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    for column, sources in lineage.deps_by_column.items():
        assert column in tables[name]
        for source in sources:
            assert source.column_name in tables[source.asset_key.to_user_string()]


def test_a_freshness_policy_stands_on_the_listing_alone_because_it_knows_no_partitions(
    specs: dict[str, dg.AssetSpec],
) -> None:
    """On groups it would say "passing" of whichever account came last, beside a stale one."""
    with_policy = {name for name, spec in specs.items() if spec.freshness_policy is not None}
    assert with_policy == {"integrated_accounts"}


def test_every_check_is_there_and_says_what_to_do() -> None:
    keys = defs.resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == CHECKS
    graph = defs.resolve_asset_graph()
    for key in keys:
        assert len(graph.get(key).description or "") > 30


def test_the_launchpad_opens_accept_drift_with_all_that_is_to_be_filled_in() -> None:
    job = defs.resolve_job_def("accept_drift")
    assert job.run_config == {
        "ops": {
            "accept": {
                "config": {
                    "integrated_account_ids": [],
                    "integrations": [],
                    "reason": "",
                    "accepted_by": "",
                    "digest": "",
                }
            }
        }
    }


def test_every_job_schedule_and_sensor_is_there_and_on_by_default() -> None:
    repository = defs.get_repository_def()
    assert set(repository.job_names) >= JOBS
    schedules = {one.name: one for one in repository.schedule_defs}
    assert set(schedules) == set(SCHEDULES)
    for name, cron in SCHEDULES.items():
        assert schedules[name].default_status == dg.DefaultScheduleStatus.RUNNING
        assert cron is None or schedules[name].cron_schedule == cron
    sensors = {one.name: one for one in repository.sensor_defs}
    assert set(sensors) >= SENSORS
    for sensor in sensors.values():
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING, sensor.name
        assert sensor.description
    assert sensors["discover_integrated_accounts"].minimum_interval_seconds == 300
    # With a presence that lapses after a minute, within two of a machine's death.
    assert (sensors["end_killed_runs"].minimum_interval_seconds or 60) <= 30


@pytest.mark.parametrize(
    ("job", "count"),
    [
        ("refresh_groups", 0),
        ("refresh_contracts", 0),
        ("draw_overview", 0),
        ("evaluate_checks", 0),
        ("check_freshness", 0),
        ("__ASSET_JOB", len(CHECKS)),
    ],
)
def test_no_job_of_ours_plans_a_check_which_most_instances_would_hide(job: str, count: int) -> None:
    """That of dagster.yaml makes a note of such a plan; not everybody runs on it."""
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(defs.resolve_job_def(job))
        planned = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
        assert len(read_events(instance, run.run_id, planned)) == count


def test_whatever_defs_defines_is_loaded() -> None:
    """A check or sensor that is built and wired nowhere looks as if it were there."""
    import truto_groups.defs as package

    repository = defs.get_repository_def()
    loaded = {one.name for one in (*repository.sensor_defs, *repository.schedule_defs)}
    loaded |= set(repository.job_names)
    kinds = (dg.SensorDefinition, dg.ScheduleDefinition, dg.JobDefinition)
    found: set[str] = set()
    for path in Path(package.__path__[0]).glob("*.py"):
        module = __import__(f"truto_groups.defs.{path.stem}", fromlist=["*"])
        found |= {value.name for value in vars(module).values() if isinstance(value, kinds)}
    assert found <= loaded


def test_a_range_of_accounts_is_one_run() -> None:
    graph = defs.resolve_asset_graph()
    for name in PARTITIONED:
        policy = graph.get(dg.AssetKey(name)).backfill_policy
        assert policy == dg.BackfillPolicy.single_run()


def test_every_knob_of_the_resource_is_described_and_none_is_a_secret() -> None:
    fields = TrutoResource.model_fields
    assert set(fields) >= {
        "base_url",
        "token_variable",
        "page_size",
        "accounts_at_once",
        "requests_at_once_per_account",
        "requests_per_10_seconds",
        "requests_per_10_seconds_per_account",
        "connect_timeout_seconds",
        "read_timeout_seconds",
        "retry_attempts",
        "retry_seconds",
        "max_pages",
    }
    assert all(len(field.description or "") > 15 for field in fields.values())
    assert not {name for name in fields if "token" in name} - {"token_variable"}


def test_resources_can_be_exchanged() -> None:
    other = TrutoResource(page_size=7)
    resources = build_definitions({"truto": other}).resources or {}
    assert set(resources) == {"truto", "duckdb"}
    assert resources["truto"] is other


LOADS = """
import json, os, socket, sys
import dagster, duckdb  # what they do at import is theirs

def refuse(*arguments, **options):
    raise AssertionError(f"at import: {arguments}")

opened = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir"):
        opened.append([event, repr(arguments)])
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        opened.append([event, repr(arguments)])

duckdb.connect = refuse
sys.addaudithook(watch)
import truto_groups.definitions
specs = truto_groups.definitions.defs.resolve_all_asset_specs()
names = [spec.key.to_user_string() for spec in specs]
slow = {"pandas", "numpy", "truto_groups.sandbox", "dagster._core.execution.backfill"}
heavy = sorted(slow & set(sys.modules))
print(json.dumps([sorted(names), [one for one in opened if ".pyc" not in one[1]], heavy]))
"""


@pytest.mark.long
def test_definitions_load_with_an_empty_environment_and_do_nothing_at_import(
    tmp_path: Path,
) -> None:
    """No network, no file, no folder, no variable, no slow import: also far from any project."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    names, touched, heavy = json.loads(done.stdout)
    assert set(names) == ASSETS
    assert touched == []
    assert heavy == []
    assert list(tmp_path.iterdir()) == []


def test_all_definitions_load_together_as_a_code_server_loads_them() -> None:
    """Resolving jobs one by one does not see that two of them clash."""
    dg.Definitions.validate_loadable(defs)
    defs.get_repository_def().load_all_definitions()


def test_a_range_of_accounts_can_be_launched_with_all_that_lies_around_it() -> None:
    """Dagster's command line refuses a range when one asset of the selection has no such policy."""
    graph = defs.get_repository_def().asset_graph
    selected = dg.AssetSelection.all().resolve(graph)
    assert {key.to_user_string() for key in selected} == ASSETS
    policies = {key.to_user_string(): graph.get(key).backfill_policy for key in selected}
    assert set(policies.values()) == {dg.BackfillPolicy.single_run()}, policies
