"""A project to run jobs and sensors in: a sandbox, a database, and a Dagster instance of its own.

Real: HTTP on loopback, the client, DuckDB in a file, Dagster's storage in SQLite. Runs are in this
process, and ticks are evaluated as the daemon does, with the cursor that the tick before left.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups.definitions import build_definitions
from truto_groups.defs.in_flight import range_tags
from truto_groups.defs.partitions import integrated_accounts
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse.database import Database
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import clear_variables, read_rows

META = "meta"

_DATABASE = "groups.duckdb"
_TABLES_AND_COUNT = (_DATABASE, f"{_DATABASE}.order")  # of first requests
_HOME = "dagster_home"

Row = dict[str, Any]


@dataclass
class Project:
    """A sandbox and everything around it.

    Attributes:
        server: The sandbox.
        instance: Dagster's.
        folder: Of the test.
    """

    server: SandboxServer
    instance: dg.DagsterInstance
    folder: Path
    cursors: dict[str, str | None] = field(default_factory=dict[str, str | None])

    def __post_init__(self) -> None:
        """Begin without a partition and without a tick."""
        self.database = Database(str(self.folder / _DATABASE))
        self.resources = make_resources()
        self.definitions = make_definitions()

    def tick(self, name: str) -> Any:
        """Evaluate a sensor and keep its cursor, as the daemon does."""
        found = evaluate_sensor(
            self.definitions, self.instance, name, cursor=self.cursors.get(name)
        )
        self.cursors[name] = found.cursor
        return found

    def run(self, job: str, **options: Any) -> dg.ExecuteInProcessResult:
        """Run a job in this process, whether it ends well or not."""
        definition = self.definitions.resolve_job_def(job)
        return definition.execute_in_process(
            instance=self.instance, raise_on_error=False, **options
        )

    def discover(self) -> list[str]:
        """List the accounts, and give each its partition."""
        found = self.tick("discover_integrated_accounts")
        for request in found.dynamic_partitions_requests:
            self.instance.add_dynamic_partitions(
                str(integrated_accounts.name), list(request.partition_keys)
            )
        return list(self.instance.get_dynamic_partitions(str(integrated_accounts.name)))

    def list_again(self) -> None:
        """A tick of discovery, whose event the daemon reports."""
        (event,) = self.tick("discover_integrated_accounts").asset_events
        self.instance.report_runless_asset_event(event)

    def key_of(self, account_id: str) -> str:
        """The key of a known account."""
        ((key,),) = read_rows(
            self.database,
            "SELECT partition_key FROM integrated_accounts WHERE id = $id",
            id=account_id,
        )
        return key

    def refresh(self) -> dg.ExecuteInProcessResult:
        """Refresh all accounts in one run."""
        keys = self.instance.get_dynamic_partitions(str(integrated_accounts.name))
        return self.run("refresh_groups", tags=range_tags(keys[0], keys[-1]))

    def publish(self, *ids: str) -> None:
        """Publish accounts without a run; nothing of it is in Dagster's history."""
        assert self.sync(*ids, run_id="before") == dict.fromkeys(ids, "published")

    def sync(self, *ids: str, run_id: str) -> dict[str, str]:
        """Sync accounts without a run; how each ended."""
        session = open_session(self.resources["truto"], self.resources["duckdb"])
        results = list(refresh_accounts(session, ids, run_id=run_id))
        attempts = [one.attempt for one in results if isinstance(one, AccountResult)]
        assert len(attempts) == len(results) == len(ids)
        return {one.integrated_account_id: one.outcome for one in attempts}

    def create(self, job: str, *, tags: Mapping[str, str] | None = None) -> dg.DagsterRun:
        """Create a run that nobody executes, as one whose process was killed."""
        definition = self.definitions.resolve_job_def(job)
        return self.instance.create_run_for_job(definition, tags=tags)

    def table(self, name: str) -> list[Row]:
        """Read a table, one mapping per row."""
        with self.database.reading() as connection:
            cursor = connection.execute(f"SELECT * FROM {name} ORDER BY ALL")  # noqa: S608
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def write(self, sql: str, **parameters: object) -> None:
        """Change the database by hand, as time or somebody else would."""
        with self.database.writing() as connection:
            connection.execute(sql, parameters or None).fetchall()


def evaluate_sensor(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    name: str,
    *,
    cursor: str | None = None,
) -> Any:
    """Evaluate a tick of a sensor, as the daemon has it done."""
    with dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        cursor=cursor,
        resources=dict(definitions.resources or {}),
        definitions=definitions,
    ) as context:
        return definitions.resolve_sensor_def(name).evaluate_tick(context)


def make_resources() -> dict[str, Any]:
    """Truto without patience, and the database that the environment names."""
    truto = TrutoResource(retry_attempts=1, requests_per_10_seconds=0)
    return {"truto": truto, "duckdb": GroupsDatabase()}


@cache
def make_definitions() -> dg.Definitions:
    """Everything that Dagster loads; resolving its jobs takes longer than most tests."""
    return build_definitions(make_resources())


@contextmanager
def open_project(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    dagster_yaml: Mapping[str, Any] | None = None,
    begin_with: Project | None = None,
) -> Iterator[Project]:
    """Make a project whose sandbox has no accounts yet, or that goes on from one of make_beginning.

    It then has that project's accounts, tables, history, partitions and cursors, each its own.
    """
    home = folder / _HOME
    if begin_with is None:
        home.mkdir()
    else:
        shutil.copytree(begin_with.folder / _HOME, home)
        for name in _TABLES_AND_COUNT:
            shutil.copy(begin_with.folder / name, folder)
    with (
        SandboxServer(accounts=()) as server,
        dg.instance_for_test(overrides=dagster_yaml, temp_dir=str(home)) as instance,
    ):
        _enter(server, folder, monkeypatch)
        project = Project(server, instance, folder)
        if begin_with is not None:
            _go_on(project, begin_with)
        yield project


def make_beginning(
    folder: Path,
    prepare: Callable[[Project], object],
    **options: Any,
) -> Project:
    """Make a project that is closed again, for the tests of a module to begin with.

    Its options are those of open_project.
    """
    with quick_history(), pytest.MonkeyPatch.context() as monkeypatch:
        clear_variables(monkeypatch)
        with open_project(folder, monkeypatch, **options) as project:
            prepare(project)
    return project


def _enter(server: SandboxServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUTO_API_TOKEN", server.token)
    monkeypatch.setenv("TRUTO_BASE_URL", server.base_url)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(folder / _DATABASE))
    monkeypatch.chdir(folder)


def _go_on(project: Project, other: Project) -> None:
    for account in other.server.accounts:
        project.server.put_account(account)
    project.cursors |= other.cursors
    project.write(
        "UPDATE database_properties SET value = $url WHERE name = 'truto_base_url'",
        url=project.server.base_url,
    )


@dataclass(frozen=True)
class InPostgres:
    """A project to begin with, and where its history is."""

    project: Project
    conninfo: str


def make_beginning_in_postgres(
    cluster: PostgresCluster,
    folder: Path,
    prepare: Callable[[Project], object],
    *,
    begin_with: InPostgres | None = None,
    dagster_yaml: Mapping[str, Any] | None = None,
) -> InPostgres:
    """The same as make_beginning, with a history in Postgres."""
    conninfo = cluster.make_database(like=begin_with.conninfo if begin_with else None)
    project = make_beginning(
        folder,
        prepare,
        dagster_yaml={**(dagster_yaml or {}), **history_in_postgres(conninfo)},
        begin_with=begin_with.project if begin_with else None,
    )
    return InPostgres(project, conninfo)


@contextmanager
def open_project_in_postgres(
    cluster: PostgresCluster,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    begin_with: InPostgres,
    dagster_yaml: Mapping[str, Any] | None = None,
) -> Iterator[Project]:
    """Make a project that goes on from one of make_beginning_in_postgres."""
    conninfo = cluster.make_database(like=begin_with.conninfo)
    kept = {**(dagster_yaml or {}), **history_in_postgres(conninfo)}
    beginning = begin_with.project
    with open_project(folder, monkeypatch, dagster_yaml=kept, begin_with=beginning) as project:
        yield project


def history_in_postgres(conninfo: str) -> Mapping[str, Any]:
    """What dagster.yaml says to keep the history in a database that libpq knows by a string."""
    told = dict(part.split("=") for part in conninfo.split())
    place = {
        "scheme": "postgresql+psycopg2",
        "hostname": told["host"],
        "port": int(told["port"]),
        "db_name": told["dbname"],
        "username": told["user"],
    }
    return {"storage": {"postgres": {"postgres_db": place}}}


def put(project: Project, key: str, integration: str = "okta", **fields: Any) -> None:
    """Connect an account with two groups."""
    groups = [{"id": "g1", "name": "One", "group_type": "team"}, {"id": "g2", "name": "Two"}]
    project.server.put_account(make_account(key, groups, integration=integration, **fields))


def hold_back(project: Project, key: str) -> None:
    """Let an account send what breaks the contract."""
    project.server.put_account(make_account(key, [{"id": None, "name": "One"}]))


def serve_meta(
    answers: Mapping[str, object], *, then: Callable[[Request], Response | None] | None = None
) -> Callable[[Request], Response | None]:
    """An intercept that answers meta of integrations with a payload, or with a status."""

    def intercept(request: Request) -> Response | None:
        if META not in request.segments:
            return then(request) if then is not None else None
        answer = answers.get(request.segments[3])
        if isinstance(answer, int):
            return Response.of_json({"message": "no"}, status=answer)
        return None if answer is None else Response.of_json(answer)

    return intercept


def meta(
    fields: Mapping[str, str], parameters: Mapping[str, bool] | None = None, **more: object
) -> dict[str, object]:
    """What meta declares: fields with their types, parameters with whether they are required."""
    return {
        "method": "list",
        "response_schema": {
            "properties": {name: {"type": kind} for name, kind in fields.items()},
        },
        "query_schema": {
            "properties": {
                name: {"type": "string", "required": required}
                for name, required in (parameters or {}).items()
            }
        },
        **more,
    }


def evaluation(result: dg.ExecuteInProcessResult, name: str) -> Any:
    """The evaluation of one check in a run."""
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def shown_rows(value: Any) -> Sequence[Mapping[str, Any]]:
    """The rows of a table in metadata."""
    return [record.data for record in value.records]
