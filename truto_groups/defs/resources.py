"""Truto and the database as configurable resources.

A resource only gathers what was set; what a knob means is settings/'s, and no secret is a field,
because what is typed into a launchpad is stored in clear.
"""

import math
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field

from truto_groups.coordination.seam import PATIENCE_SECONDS, StartLog
from truto_groups.errors import SettingsError, TrutoGroupsError
from truto_groups.session import Session
from truto_groups.settings import (
    DATA_PATH_VARIABLE,
    DATABASE_VARIABLE,
    EffectiveKnobs,
    TrutoKnobs,
    check_temporary_folder,
    describe_knob,
    read_environment,
    read_settings,
    read_token,
    resolve_knobs,
)
from truto_groups.truto import ClientOptions, TrutoClient, check_network
from truto_groups.truto.limits import RequestLimits
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database

# Dagster ends a tick after 60 s (DEFAULT_SENSOR_GRPC_TIMEOUT), with an error that tells nothing of
# what it waited for, while its thread goes on.
TICK_PATIENCE_SECONDS = 20.0


def _knob(name: str) -> Any:
    return Field(default=None, description=describe_knob(name))


class TrutoResource(dg.ConfigurableResource[Any]):
    """How to talk to Truto.

    A field that is not set takes the settings file's value, else a sound default. The API token is
    no field: ``token_variable`` names the environment variable that holds it.
    """

    base_url: str | None = _knob("base_url")
    token_variable: str | None = _knob("token_variable")
    page_size: int | None = _knob("page_size")
    accounts_at_once: int | None = _knob("accounts_at_once")
    requests_at_once_per_account: int | None = _knob("requests_at_once_per_account")
    requests_per_10_seconds: int | None = _knob("requests_per_10_seconds")
    requests_per_10_seconds_per_account: int | None = _knob("requests_per_10_seconds_per_account")
    connect_timeout_seconds: float | None = _knob("connect_timeout_seconds")
    read_timeout_seconds: float | None = _knob("read_timeout_seconds")
    retry_attempts: int | None = _knob("retry_attempts")
    retry_seconds: float | None = _knob("retry_seconds")
    max_pages: int | None = _knob("max_pages")

    def resolve(self, section: TrutoKnobs) -> EffectiveKnobs:
        """Lay the fields over the environment and the settings file's ``truto:`` section.

        Raises:
            SettingsError: A field has an impossible value.
        """
        environment = read_environment(os.environ, cwd=Path.cwd())
        fields = {name: getattr(self, name) for name in TrutoKnobs.model_fields}
        return resolve_knobs(fields, section=section, base_url=environment.base_url)

    def client_opener(
        self, knobs: EffectiveKnobs, *, start_log: StartLog | None
    ) -> Callable[[], TrutoClient]:
        """Check that Truto can be talked to, and return what makes a client.

        Args:
            knobs: As resolved.
            start_log: Shares the ceilings with other runs.

        Raises:
            SettingsError: The token is missing, the base URL is not safe, or what the machine says
                of proxies and certificates cannot be used.
        """
        token = read_token(os.environ, variable=knobs.token_variable)
        options = ClientOptions(
            base_url=knobs.base_url,
            page_size=knobs.page_size,
            accounts_at_once=knobs.accounts_at_once,
            connect_timeout_seconds=knobs.connect_timeout_seconds,
            read_timeout_seconds=knobs.read_timeout_seconds,
            retry_attempts=knobs.retry_attempts,
            retry_seconds=knobs.retry_seconds,
            requests_per_10_seconds=knobs.requests_per_10_seconds,
        )
        if not options.is_loopback:
            check_network()
        return lambda: TrutoClient(options, token=token, limits=RequestLimits(start_log))


class GroupsDatabase(DuckDBResource):
    """The DuckDB database of the groups; not set: what TRUTO_GROUPS_DATABASE names.

    Its connections take turns with all other runs and readers.
    """

    database: str = Field(
        default="",
        description=(
            "A DuckDB file, md:… or ducklake:…. Not set: the variable TRUTO_GROUPS_DATABASE, "
            "else data/truto_groups.duckdb in the project."
        ),
    )
    data_path: str = Field(
        default="",
        description=(
            "Where a ducklake:… keeps its files: a folder, or s3://bucket/prefix. Not set: the "
            "variable TRUTO_GROUPS_DATA_PATH, else where the lake was made with."
        ),
    )

    # DuckDBResource has it. Who reads and who writes must connect alike, and what it may hold, such
    # as a token of MotherDuck, would be stored in clear.
    connection_config: dict[str, Any] = Field(
        default={},
        description="Not taken: leave it empty. DuckDB reads tokens from its own variables, such "
        "as motherduck_token.",
    )

    @classmethod
    def _is_dagster_maintained(cls) -> bool:
        return False

    def open(self, *, patience_seconds: float = PATIENCE_SECONDS) -> Database:
        """Return the way into the database.

        Args:
            patience_seconds: How long the server of a lake's catalogue may be away.

        Raises:
            SettingsError: No database is named, and there is no project to hold one; or
                ``connection_config`` is not empty.
        """
        if self.connection_config:
            raise SettingsError(
                "The database resource takes no connection_config: it would have no effect, and "
                "what is typed there is stored in clear.",
                advice="Leave it out; DuckDB reads tokens from its own variables, such as "
                "motherduck_token.",
            )
        fields = {DATABASE_VARIABLE: self.database, DATA_PATH_VARIABLE: self.data_path}
        named = {variable: value for variable, value in fields.items() if value}
        environment = read_environment({**os.environ, **named}, cwd=Path.cwd())
        return Database.of(environment, patience_seconds=patience_seconds)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["GroupsDatabase"]:
        """Let whoever executes a run be present as the run, so that others see when it is killed.

        Launchers do not, as a rule, where the machine died; and what waits for the run's end, such
        as the next run of the checks, would wait for hours.
        """
        with ExitStack() as present:
            if context.run is not None:
                with suppress(TrutoGroupsError):  # what hinders is told by the step
                    present.enter_context(self.open().coordination.mark_alive(context.run.run_id))
            yield self

    @contextmanager
    def get_connection(self) -> Generator[Connection]:
        """Open a connection that reads what is committed, and close it, whatever happens."""
        with self.open().reading() as connection:
            yield connection


def open_session(
    truto: TrutoResource, duckdb: GroupsDatabase, *, retry_seconds: float = math.inf
) -> Session:
    """Gather what a run works with; the settings file is read now.

    Args:
        truto: How to talk to Truto.
        duckdb: The database.
        retry_seconds: What ``retry_seconds`` may be at most, and for how long Postgres may be away,
            for who has less time than a run.

    Raises:
        SettingsError: A variable, a field or the settings file is wrong.
    """
    environment = read_environment(os.environ, cwd=Path.cwd())
    check_temporary_folder(os.environ)
    settings = read_settings(environment.settings_path)
    knobs = truto.resolve(settings.truto)
    knobs = replace(knobs, retry_seconds=min(knobs.retry_seconds, retry_seconds))
    database = duckdb.open(patience_seconds=min(PATIENCE_SECONDS, retry_seconds))
    return Session(
        settings,
        knobs,
        database,
        find_client=lambda: truto.client_opener(
            knobs, start_log=database.coordination.open_start_log()
        ),
    )
