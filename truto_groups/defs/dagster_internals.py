"""Dagster's private and undocumented parts: all that we use of them, each with its reason.

Nothing else names ``dagster._…`` or an undocumented method, so that a release that moves one breaks
here, and defs/test_dagster_internals.py says which. Known to hold for 1.13.27.
"""

import json
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg
import sqlalchemy
from dagster._config import ConfigScalar, ConfigScalarKind, PostProcessingError
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import DagsterEventBatchMetadata as DagsterEventBatchMetadata
from dagster._core.events import EngineEventData
from dagster._core.execution.api import execute_run
from dagster._core.instance.ref import InstanceRef
from dagster._core.log_manager import (
    DagsterLogRecordMetadata,
    construct_log_record_message,
    get_log_record_metadata,
)
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageMetadata,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

if TYPE_CHECKING:
    from dagster._core.execution.backfill import PartitionBackfill

# System tags that Dagster documents in prose alone, as text.
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
DATA_VERSION_TAG = "dagster/data_version"
MAX_RETRIES_TAG = "dagster/max_retries"
RETRY_ON_FAILURE_TAG = "dagster/retry_on_asset_or_op_failure"
WILL_RETRY_TAG = "dagster/will_retry"
"""Set on a run that is about to be run again; documented nowhere."""
LOCATION_TAG = ".dagster/repository"
"""Which code location a run belongs to; RunsFilter.for_sensor knows it, but for sensors alone."""
HIDDEN_TAG_PREFIX = ".dagster/"
"""The UI hides tags that begin so; a tag of ours that nobody has to see begins so too."""
LOG_SUFFIXES = (".out", ".err")
"""How the files end in which what was printed is kept."""

_COMMAND_LOCATION = "truto_groups"
# As long as Dagster itself waits for a file of its history.
_BUSY_SECONDS = 20.0
_EVALUATED = {
    AssetCheckExecutionRecordStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED,
}
_COMMAND_REPOSITORY = "__repository__"
DEFAULT_LOCATION = f"{_COMMAND_REPOSITORY}@{_COMMAND_LOCATION}"
"""The code location of workspace.yaml, as the UI's addresses name it."""


class CheckedText(ConfigScalar):
    """A text of a configuration that is refused before a run is made.

    Goes when config types take a minimum length or a pattern.
    """

    def __init__(self, what: str, complain: Callable[[str], str | None]) -> None:
        """Be a string.

        Args:
            what: What it has to be, which the launchpad says where it is missing.
            complain: What is wrong with a text; None where nothing is.
        """
        super().__init__(f"CheckedText: {what}", what, ConfigScalarKind.STRING)
        self._complain = complain

    def post_process(self, value: str) -> str:
        """Refuse a text that is not what it has to be."""
        complaint = self._complain(value)
        if complaint is not None:
            raise PostProcessingError(complaint)
        return value


def find_location(run: dg.DagsterRun) -> str:
    """The code location that a run belongs to, as the UI's addresses name it.

    That of workspace.yaml where the run says none, as one that is executed in this process.
    """
    origin = run.remote_job_origin
    if origin is None:
        return DEFAULT_LOCATION
    repository = origin.repository_origin
    return f"{repository.repository_name}@{repository.code_location_origin.location_name}"


# Addresses in the UI. None of them is documented.


def address_partition(asset: dg.AssetKey, partition_key: str) -> str:
    """Where the UI shows a partition of an asset."""
    return f"{_address_asset(asset)}?view=partitions&partition={quote(partition_key, safe='')}"


def address_events(asset: dg.AssetKey) -> str:
    """Where the UI shows the latest materialization of an asset, description and all."""
    return f"{_address_asset(asset)}?view=events"


def address_check(check: dg.AssetCheckKey) -> str:
    """Where the UI shows what a check said last."""
    return f"{_address_asset(check.asset_key)}?view=checks&checkDetail={quote(check.name, safe='')}"


def address_run(run_id: str) -> str:
    """Where the UI shows a run."""
    return f"/runs/{quote(run_id, safe='')}"


def address_launchpad(job_name: str, config: str, *, location: str) -> str:
    """Where the UI opens the launchpad of a job, filled in.

    Args:
        job_name: The job.
        config: Its configuration, as YAML.
        location: As ``find_location`` gives it.
    """
    return (
        f"/locations/{quote(location, safe='@')}/jobs/{quote(job_name, safe='')}"
        f"/playground/setup?config={quote(config, safe='')}"
    )


def _address_asset(key: dg.AssetKey) -> str:
    return f"/assets/{'/'.join(quote(part, safe='') for part in key.path)}"


def leave_verdict_in_sight(event: dg.DagsterEvent) -> dg.DagsterEvent:
    """Make of the plan to evaluate a check a note in the run's log; other events are as they are.

    From the moment when a run is requested, a planned check is shown as in progress, and what it
    said last is hidden: for hours, where the run waits in the queue. Dagster has no setting against
    it. Goes when a planned check leaves its last evaluation in sight.
    """
    if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
        return event
    return event._replace(
        event_type_value=dg.DagsterEventType.ENGINE_EVENT.value,
        event_specific_data=EngineEventData(),
    )


class BriefConsole(logging.Handler):
    """Shortens what a run prints of its failure, once all of it is stored.

    An instance's handlers get a record before the loggers that print it. These would print the
    failure of a step twice, with a stack trace each time, and Dagster has no setting against it:
    the logger that a job is given serves only the runs whose configuration names it. Goes when the
    console can be told to leave stack traces out.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Let the record say in a line what its event says of a failure."""
        metadata = get_log_record_metadata(record)
        told = _say_failure(metadata["dagster_event"], metadata["run_id"])
        if told is not None:
            line = DagsterLogRecordMetadata({**metadata, "dagster_event": None})
            record.msg = construct_log_record_message({**line, "orig_message": told})


def _say_failure(event: dg.DagsterEvent | None, run_id: str | None) -> str | None:
    """What the console says of a failure; None where it is to say all that Dagster knows."""
    if event is None or run_id is None:
        return None
    if event.event_type is dg.DagsterEventType.STEP_FAILURE:
        described = event.step_failure_data.user_failure_data
        # Without a description it is an exception that nobody foresaw: its stack tells where.
        text = described.description if described is not None else None
        return text.partition("\n")[0] if text else None
    is_end = event.event_type is dg.DagsterEventType.RUN_FAILURE
    if is_end and event.job_failure_data.first_step_failure_event is not None:
        return f"The run failed. Why, and what to do, is in the UI: {address_run(run_id)}"
    return None


def target_newest(
    instance: dg.DagsterInstance, key: dg.AssetKey
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Make a check's evaluation one of the asset's newest materialization; None without any.

    AssetCheckEvaluation takes it and exports no class for it. Goes when AssetCheckResult lets one
    say which materialization it judges.
    """
    newest = instance.fetch_materializations(key, limit=1).records
    if not newest:
        return None
    record = newest[0]
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )


def read_latest_check(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> tuple[str, dg.AssetCheckEvaluation] | None:
    """What a check said last, and in which run, also where one that did not speak yet is planned.

    No public call reads check evaluations back.
    """
    history = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=_EVALUATED
    )
    event = history[0].event.dagster_event if history and history[0].event else None
    return (history[0].run_id, event.asset_check_evaluation_data) if event is not None else None


def read_events(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType | None = None
) -> list[dg.DagsterEvent]:
    """The events of a run, of one kind or of all, the earliest first.

    The public fetch_… calls know materializations, observations and statuses, and no other kind.
    """
    records = instance.get_records_for_run(run_id, of_type=kind).records
    events = [record.event_log_entry.dagster_event for record in records]
    return [event for event in events if event is not None]


def fail_run(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> None:
    """Report a run as failed that nobody executes any more; the daemon's monitoring does it so."""
    instance.report_run_failed(run, reason)


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run with its events, its evaluations, and the files of its events and its output.

    DagsterInstance.delete_run leaves evaluations and files behind: some 200 kB a run.
    """
    instance.delete_run(run_id)
    with suppress(NotImplementedError):  # as of storage that keeps no output
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        table = AssetCheckExecutionsTable
        with storage.index_connection() as connection:
            connection.execute(table.delete().where(table.c.run_id == run_id))
    if isinstance(storage, SqliteEventLogStorage):
        path = Path(storage.path_for_shard(run_id))
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def list_run_ids(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> Sequence[str]:
    """The ids of runs, the newest first; the public calls read whole runs."""
    return instance.get_run_ids(filters)


def find_newest_events(
    instance: dg.DagsterInstance, key: dg.AssetKey, kind: dg.DagsterEventType
) -> Mapping[str, int]:
    """The number of the newest event of a kind, by partition of an asset.

    With public calls it would take one for each partition.
    """
    return instance.get_latest_storage_id_by_partition(key, kind)


def forget_status(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> None:
    """Let Dagster count anew which partitions of assets are materialized: it keeps their keys."""
    instance.wipe_asset_cached_status(list(keys))


def find_planned_run(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str) -> str | None:
    """The run that last meant to materialize a partition, whether it did or not."""
    planned = instance.get_latest_planned_materialization_info(key, partition=partition)
    return planned.run_id if planned else None


@dataclass(frozen=True)
class HistoryPart:
    """A database of Dagster's history, or a part of one.

    Attributes:
        name: A file, or which of its storages it is.
        tables: Its tables that may hold texts, the events of runs first.
        open: Opens a transaction on it.
        is_sqlite: Whether what is freed in it stays in its file until it is vacuumed.
    """

    name: str
    tables: Sequence[sqlalchemy.Table]
    open: Callable[[], AbstractContextManager[sqlalchemy.Connection]]
    is_sqlite: bool


def list_history(instance: dg.DagsterInstance) -> list[HistoryPart]:
    """List the databases in which an instance keeps runs, events, checks, ticks and cursors.

    By them what names one partition can be taken out, which no public call does:
    DagsterInstance.wipe_asset_partitions raises NotImplementedError on every storage that is open
    source. Storages that are no SQL database are left out.
    """
    # As in read_unfinished_backfills.
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
    from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

    parts: list[HistoryPart] = []
    for storage, metadata in (
        (instance.event_log_storage, SqlEventLogStorageMetadata),
        (instance.run_storage, RunStorageSqlMetadata),
        (instance.schedule_storage, ScheduleStorageSqlMetadata),
    ):
        tables = metadata.sorted_tables
        name = type(storage).__name__
        if isinstance(storage, SqliteEventLogStorage):
            # That of events without a run has no name, so that Dagster itself does not list it.
            shards = ["", "index", *storage.get_all_run_ids()]
            paths = {storage.path_for_shard(shard) for shard in shards}
            parts += [_list_file(path, tables) for path in sorted(paths) if Path(path).exists()]
        elif isinstance(storage, SqlEventLogStorage):
            parts.append(HistoryPart(name, tables, storage.index_connection, is_sqlite=False))
        elif isinstance(storage, SqlRunStorage | SqlScheduleStorage):
            with storage.connect() as connection:
                path = connection.engine.url.database
                is_file = connection.dialect.name == "sqlite" and path not in (None, "", ":memory:")
            if is_file:
                parts.append(_list_file(str(path), tables))
            else:
                parts.append(HistoryPart(name, tables, storage.connect, is_sqlite=False))
    return parts


def find_log_folder(instance: dg.DagsterInstance) -> Path | None:
    """Find where what steps, sensors and schedules print is kept; None where it is no folder."""
    # As in read_unfinished_backfills.
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

    manager = instance.compute_log_manager
    if not isinstance(manager, LocalComputeLogManager):
        return None
    return Path(manager.get_captured_local_path(["any"], LOG_SUFFIXES[0].removeprefix("."))).parent


def _list_file(path: str, tables: Sequence[sqlalchemy.Table]) -> HistoryPart:
    @contextmanager
    def open_file() -> Generator[sqlalchemy.Connection]:
        engine = sqlalchemy.create_engine(
            f"sqlite:///{path}",
            poolclass=sqlalchemy.NullPool,
            connect_args={"timeout": _BUSY_SECONDS},
        )
        with engine.begin() as connection:
            yield connection

    return HistoryPart(path, tables, open_file, is_sqlite=True)


def find_longest_seconds(instance: dg.DagsterInstance) -> tuple[float, float] | None:
    """How long the instance lets a run start, and run, 0 for ever; None where nobody watches.

    A public setting (``run_monitoring`` in dagster.yaml) without a public way to read it.
    """
    if not instance.run_monitoring_enabled:
        return None
    return (
        instance.run_monitoring_start_timeout_seconds,
        instance.run_monitoring_max_runtime_seconds,
    )


def read_unfinished_backfills(instance: dg.DagsterInstance) -> "Sequence[PartitionBackfill]":
    """The backfills that are requested and not through; only GraphQL tells them publicly."""
    # Importing it takes 0.1 s, which loading the definitions must not.
    from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

    unfinished = [
        BulkActionStatus.REQUESTED,
        BulkActionStatus.CANCELING,
        BulkActionStatus.FAILING,
    ]
    return instance.get_backfills(BulkActionsFilter(statuses=unfinished))


def find_keys(backfill: "PartitionBackfill", assets: set[dg.AssetKey]) -> set[str]:
    """The partition keys that a backfill covers in some assets."""
    keys = set(backfill.partition_names or ())
    if backfill.asset_backfill_data is not None:
        subsets = backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key
        for asset, subset in subsets.items():
            if asset in assets:
                keys.update(subset.get_partition_keys())
    return keys


def tag_inputs(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], *, run_id: str
) -> Mapping[str, str]:
    """The tags that say of a materialization which ones of other assets it was made from.

    Dagster adds them to outputs by itself, but not to events that a step yields. Goes when
    AssetMaterialization takes its inputs' versions.
    """
    tags = {CODE_VERSION_TAG: run_id}  # what Dagster takes where an asset declares none
    for key in keys:
        record = instance.get_latest_data_version_record(key)
        if record is None:
            return {}  # Dagster then compares instants
        version = extract_data_version_from_entry(record.event_log_entry) or DEFAULT_DATA_VERSION
        tags[get_input_data_version_tag(key)] = version.value
        tags[get_input_event_pointer_tag(key)] = str(record.storage_id)
    return tags


def has_one_writer(instance: dg.DagsterInstance) -> bool:
    """Whether events become visible in the order of their ids: in a file, or in memory."""
    kinds = (SqliteEventLogStorage, InMemoryEventLogStorage)
    return isinstance(instance.event_log_storage, kinds)


def import_sqlite_storage() -> type[Any]:
    """Dagster's storage in SQLite files, for who extends it."""
    # Importing it takes 0.1 s, which loading the definitions must not.
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

    return DagsterSqliteStorage


def find_storage_defaults(folder: Path) -> Mapping[str, Any]:
    """What Dagster keeps its history in where dagster.yaml names nothing, all in one folder.

    An instance class must say it of itself, and none that is public does.
    """
    # The class is named, because it is a child of those above.
    storage = ConfigurableClassData(
        "truto_groups.defs.event_log", "BatchedStorage", f"base_dir: {json.dumps(str(folder))}\n"
    )
    return {**InstanceRef.config_defaults(str(folder)), "storage": storage}


def open_instance_of(home: Path, *, config_folder: Path) -> dg.DagsterInstance:
    """Open the instance that keeps its history in one folder and its dagster.yaml in another.

    DagsterInstance.get() knows DAGSTER_HOME alone, where both are one.
    """
    reference = InstanceRef.from_dir(str(home), config_dir=str(config_folder))
    return dg.DagsterInstance.from_ref(reference)


def run_in_process(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.JobExecutionResult:
    """Run a job in this process, so that the UI lists its run under the job.

    job.execute_in_process makes a run without an origin, which the UI lists under no job. Goes when
    that takes an origin or tags for it.
    """
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin(_COMMAND_LOCATION), _COMMAND_REPOSITORY
    )
    run = instance.create_run_for_job(
        job,
        run_config=config,
        tags={**job.run_tags, **tags},
        remote_job_origin=RemoteJobOrigin(repository, job.name),
    )
    return execute_run(InMemoryJob(job), run, instance)
