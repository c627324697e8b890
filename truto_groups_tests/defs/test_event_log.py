"""Events that are stored together are stored as Dagster stores each of them alone.

Real: Dagster's files, its own storage beside ours on the same files. Nothing is faked.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from truto_groups.defs.event_log import BatchedEventLog
from truto_groups.defs.home import ProjectInstance, store_together
from truto_groups_tests.defs.project import history_in_postgres

PARTITIONS = dg.DynamicPartitionsDefinition(name="accounts")
KEYS = [f"account-{number}" for number in range(7)]
MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED

pytestmark = pytest.mark.long


@dg.multi_asset(
    specs=[
        dg.AssetSpec(name, partitions_def=PARTITIONS, skippable=True) for name in ("raw", "cooked")
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def two_assets(context: dg.AssetExecutionContext) -> Iterator[Any]:
    with store_together(context.instance):
        for number, key in enumerate(context.partition_keys):
            metadata, tags = {"number": number}, {"dagster/data_version": f"{number}"}
            for name in ("raw", "cooked"):
                if key == "stops" and name == "cooked":
                    raise KeyError(key)
                yield dg.AssetMaterialization(name, partition=key, metadata=metadata, tags=tags)


DEFINITIONS = dg.Definitions(assets=[two_assets], executor=dg.in_process_executor)


def open_instance(
    folder: Path, *, is_ours: bool, storage: Mapping[str, Any] | None = None
) -> dg.DagsterInstance:
    ours = {"instance_class": {"module": ProjectInstance.__module__, "class": "ProjectInstance"}}
    content: dict[str, Any] = {"telemetry": {"enabled": False}, **(ours if is_ours else {})}
    content |= storage or {}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(content))
    return dg.DagsterInstance.from_config(str(folder))


def run(instance: dg.DagsterInstance, keys: Sequence[str] = KEYS) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("accounts", list(keys))
    tags = {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
    }
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def read_all(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """What the UI reads: of the run, of each asset, of each partition."""
    found: dict[str, Any] = {
        "log": sorted(
            f"{entry.dagster_event_type} {entry.get_dagster_event().asset_key} "
            f"{entry.get_dagster_event().partition}"
            for entry in instance.all_logs(run_id)
            if entry.is_dagster_event
        )
    }
    for name in ("raw", "cooked"):
        asset = dg.AssetKey(name)
        records = instance.fetch_materializations(asset, limit=100, ascending=True).records
        newest = instance.get_latest_materialization_event(asset)
        assert newest is not None
        assert newest.asset_materialization is not None
        found[name] = (
            sorted(instance.get_materialized_partitions(asset)),
            [(one.partition_key, one.asset_materialization) for one in records],
            newest.asset_materialization,
            [sorted(t.items()) for t in map(_tags_of, records)],
        )
    return found


def _tags_of(record: dg.EventLogRecord) -> dict[str, str]:
    assert record.asset_materialization is not None
    return dict(record.asset_materialization.tags or {})


def test_what_is_stored_together_is_read_like_what_is_stored_alone(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    with (
        open_instance(tmp_path / "ours", is_ours=True) as ours,
        open_instance(tmp_path / "theirs", is_ours=False) as theirs,
    ):
        here, there = run(ours), run(theirs)
        assert here.success
        assert there.success
        expected = read_all(theirs, there.run_id)
        assert len(expected["raw"][1]) == len(KEYS)
        assert read_all(ours, here.run_id) == expected
    with open_instance(tmp_path / "ours", is_ours=False) as plain:
        assert read_all(plain, here.run_id) == expected


def test_what_is_planned_and_materialized_takes_few_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = SqliteEventLogStorage._connect

    def count(self: SqliteEventLogStorage, shard: str) -> Any:
        opened.append(shard)
        return connect(self, shard)

    monkeypatch.setattr(SqliteEventLogStorage, "_connect", count)
    counts: list[int] = []
    with open_instance(tmp_path, is_ours=True) as instance:
        for keys in (["a"], [f"b{number}" for number in range(60)]):
            opened.clear()
            assert run(instance, keys).success
            counts.append(len(opened))
    # Alone, what is planned and what is materialized were 480 more.
    assert counts[1] - counts[0] < 20


def test_each_asset_of_a_block_is_as_new_as_its_newest_event_also_in_postgres(
    tmp_path: Path, postgres_database: str
) -> None:
    """Dagster's storage there takes the last event of a batch for that of its one asset."""
    with open_instance(
        tmp_path, is_ours=True, storage=history_in_postgres(postgres_database)
    ) as instance:
        for name in ("raw", "cooked"):
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition="first"))
        ended = run(instance, ["a", "b"])
        assert ended.success
        for name in ("raw", "cooked"):
            newest = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert newest is not None
            assert newest.run_id == ended.run_id


def test_a_block_that_breaks_off_stores_what_was_told_in_it(tmp_path: Path) -> None:
    with open_instance(tmp_path, is_ours=True) as instance:
        assert not run(instance, ["good", "stops"]).success
        assert instance.get_materialized_partitions(dg.AssetKey("raw")) == {"good", "stops"}
        assert instance.get_materialized_partitions(dg.AssetKey("cooked")) == {"good"}


def test_a_batch_that_cannot_be_stored_leaves_nothing_and_is_stored_event_by_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteEventLogStorage.store_event
    seen: list[str] = []

    def stumble(self: BatchedEventLog, event: dg.EventLogEntry) -> None:
        store(self, event)
        if event.dagster_event_type is MATERIALIZED:
            seen.append(event.get_dagster_event().partition or "")
            if len(seen) == 2:
                raise OSError("disk full")

    with open_instance(tmp_path, is_ours=True) as instance:
        monkeypatch.setattr(BatchedEventLog, "store_event", stumble)
        ended = run(instance)
        monkeypatch.undo()
        assert ended.success
        told = [e for e in instance.all_logs(ended.run_id) if e.dagster_event_type is MATERIALIZED]
        assert len(told) == 2 * len(KEYS)
        assert len(seen) == 2 * len(KEYS) + 2
        for name in ("raw", "cooked"):
            records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
            assert sorted(str(one.partition_key) for one in records) == KEYS


def test_what_dagster_calls_by_these_names_is_what_is_replaced() -> None:
    for parent, name in (
        (SqliteEventLogStorage, "_connect"),
        (SqliteEventLogStorage, "store_event_batch"),
        (DagsterSqliteStorage, "from_config_value"),
        (dg.DagsterInstance, "handle_new_event"),
        (dg.DagsterInstance, "_get_event_batch_size"),
    ):
        assert hasattr(parent, name), name
