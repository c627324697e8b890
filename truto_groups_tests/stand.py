"""A stand to try the core on: a sandbox, a database, settings and a clock of the test's own.

Real: HTTP on loopback, the client, DuckDB in a file. Only the clock is the test's, so that days can
pass. What goes through Dagster is in defs/project.py.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from truto_groups.accounts.discovery import Discovery, discover_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.errors import LostTransactionError
from truto_groups.sandbox import Account, Request, Response, SandboxServer, make_account
from truto_groups.session import Session
from truto_groups.settings import read_settings, resolve_knobs
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.refresh import PassedOver, refresh_accounts, replay_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups.truto import ClientOptions, TrutoClient
from truto_groups.truto.limits import RequestLimits
from truto_groups.warehouse.database import Database

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"
D = "dddddddd-0000-4000-8000-000000000004"

KEYS = {one: f"acme.okta.{one[:8]}" for one in (A, B, C, D)}
"""Their keys, where a test says neither tenant nor integration."""

DATA_TABLES = ("raw_groups", "groups", "group_type_breakdown", "group_changes")
"""The tables that a publication writes, the ledger apart."""

GROUPS_PATH = "/unified/user-directory/groups"

Row = dict[str, Any]
Intercept = Callable[[Request], Response | None]


def id_of(key: str) -> str:
    """The account of a key, whatever its tenant and integration; else the digits of its id."""
    digits = key.rpartition(".")[2]
    return next((one for one in (A, B, C, D) if one.startswith(digits)), digits)


def known_account(account_id: str, **fields: Any) -> KnownAccount:
    """An active Okta that has never been synced, as the tables tell of it; its key is its id."""
    account = KnownAccount(
        id=account_id,
        partition_key=account_id,
        integration="okta",
        tenant_id="acme",
        label=None,
        status="active",
        supports_groups=True,
        is_sandbox=False,
        last_error=None,
        created_at=None,
        updated_at=None,
        first_listed_at=START,
        listed_at=START,
    )
    return replace(account, **fields)


def group(number: int, name: str | None = None, **fields: Any) -> Row:
    """Make a unified group as an app with documented fields sends it."""
    return {
        "id": f"g{number}",
        "name": name or f"Group {number}",
        "group_type": "team",
        "created_at": "2025-01-15T09:00:00Z",
        "remote_data": {"id": f"g{number}", "size": number},
        **fields,
    }


def groups_of(count: int) -> list[Row]:
    """Make that many groups."""
    return [group(number) for number in range(count)]


def read_rows(database: Database, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Read what is committed, as any reader does."""
    with database.reading() as connection:
        return connection.execute(sql, parameters or None).fetchall()


def read_table(database: Database, name: str, *, account: str | None = None) -> list[Row]:
    """Read a table in a fixed order, of one account or of all, as one mapping per row."""
    rows = read_tables(database, name)[name]
    return [row for row in rows if account is None or row["integrated_account_id"] == account]


def read_tables(database: Database, *names: str) -> dict[str, list[Row]]:
    """Read tables in a fixed order, as they are at one instant."""
    found: dict[str, list[Row]] = {}
    with database.reading() as connection:
        for name in names:
            cursor = connection.execute(f"SELECT * FROM {name} ORDER BY ALL")  # noqa: S608
            columns = [column[0] for column in cursor.description or []]
            found[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return found


def read_data(database: Database) -> dict[str, list[Row]]:
    """Read all that a publication writes."""
    return read_tables(database, *DATA_TABLES)


def land_record(record: str, **options: Any) -> Row:
    """Land one record of JSON text and read back what it became."""
    return land_records([record], **options)[0]


def land_records(records: Sequence[str], **options: Any) -> list[Row]:
    """Land records of JSON text and read back what they became, in their order."""
    staging = _open_staging()
    staging.forget([A])
    unreadable = staging.land([StagedPage(A, 1, f"[{','.join(records)}]", **options)])
    assert not unreadable, unreadable
    cursor = staging.connection.execute("SELECT * FROM staging.landed ORDER BY position")
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@cache
def _open_staging() -> Staging:
    """One for all records: opening one takes longer than landing one."""
    return Staging()


@dataclass(frozen=True)
class ServedElsewhere:
    """What a program's stand has to know of a sandbox that runs in another process."""

    base_url: str
    token: str = "sandbox-token"


@dataclass
class Stand:
    """A sandbox with accounts, and everything a sync of them needs.

    Attributes:
        server: The sandbox.
        folder: Of the test; database and settings lie in it.
        now: What the clock says.
    """

    server: SandboxServer
    folder: Path
    now: datetime = START
    knobs: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Begin without a database and without settings."""
        self.settings_path = self.folder / "truto_groups.yaml"
        self.database = Database(str(self.folder / "groups.duckdb"))

    def pass_time(self, **duration: float) -> datetime:
        """Let time pass, and say what the clock says then."""
        self.now += timedelta(**duration)
        return self.now

    def write_settings(self, text: str) -> None:
        """Write the settings file."""
        self.settings_path.write_text(text)

    def session(self) -> Session:
        """What a run works with, settings read anew."""
        path = self.settings_path if self.settings_path.exists() else None
        settings = read_settings(path)
        knobs = resolve_knobs(
            {
                "retry_attempts": 2,
                "retry_seconds": 0.5,
                "requests_per_10_seconds_per_account": 0,
                **self.knobs,
            },
            section=settings.truto,
            base_url=self.server.base_url,
        )
        options = ClientOptions(
            base_url=knobs.base_url,
            page_size=knobs.page_size,
            accounts_at_once=knobs.accounts_at_once,
            retry_attempts=knobs.retry_attempts,
            retry_seconds=knobs.retry_seconds,
            requests_per_10_seconds=0,
        )
        token = self.server.token
        return Session(
            settings,
            knobs,
            self.database,
            lambda: lambda: TrutoClient(options, token=token, limits=RequestLimits()),
            clock=lambda: self.now,
        )

    def discover(
        self,
        *,
        partition_keys: Sequence[str] = (),
        in_flight: Sequence[str] = (),
        within_seconds: float | None = None,
    ) -> Discovery:
        """List the accounts and keep the listing."""
        return discover_accounts(
            self.session(),
            partition_keys=partition_keys,
            in_flight=in_flight,
            run_id="discovery",
            within_seconds=within_seconds,
        )

    def sync(self, *keys: str, run_id: str = "run") -> dict[str, AccountResult | PassedOver]:
        """Refresh accounts; what became of each, by its id."""
        results = refresh_accounts(self.session(), keys or self.keys, run_id=run_id)
        return {_key(result): result for result in results}

    def replay(self, *keys: str, run_id: str = "replay") -> dict[str, AccountResult | PassedOver]:
        """Rebuild groups from raw records; what became of each, by its account's id."""
        results = replay_accounts(self.session(), keys or self.keys, run_id=run_id)
        return {_key(result): result for result in results}

    def outcomes(self, *keys: str, run_id: str = "run") -> dict[str, str]:
        """Refresh accounts and say only how each ended."""
        results = self.sync(*keys, run_id=run_id)
        return {
            key: "passed over" if isinstance(result, PassedOver) else result.attempt.outcome
            for key, result in results.items()
        }

    def put(self, key: str, *refreshes: Sequence[Any], **fields: Any) -> Account:
        """Connect an account, or replace it; its groups at each refresh."""
        account = make_account(key, *refreshes, **fields)
        self.server.put_account(account)
        return account

    def rows(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Read what is committed."""
        return read_rows(self.database, sql, **parameters)

    def table(self, name: str, *, account: str | None = None) -> list[Row]:
        """Read a table, of one account or of all."""
        return read_table(self.database, name, account=account)

    def data(self) -> dict[str, list[Row]]:
        """Read all that a publication writes."""
        return read_data(self.database)

    def write(self, sql: str, **parameters: object) -> None:
        """Change the database by hand, as time or somebody else would."""
        with self.database.writing() as connection:
            connection.execute(sql, parameters or None).fetchall()

    def go_on_from(self, other: "Stand") -> None:
        """Begin with the tables, the settings and the instant at which another stand is."""
        shutil.copy(other.database.location, self.database.location)
        if other.settings_path.exists():
            shutil.copy(other.settings_path, self.settings_path)
        self.now = other.now
        self.write(
            "UPDATE database_properties SET value = $url WHERE name = 'truto_base_url'",
            url=self.server.base_url,
        )

    @property
    def keys(self) -> list[str]:
        """All accounts of the sandbox."""
        return [account.id for account in self.server.accounts]

    def ledger(self, key: str) -> list[Row]:
        """The account's rows in the ledger, the oldest first."""
        rows = self.table("account_syncs", account=key)
        return sorted(rows, key=lambda row: row["started_at"])


@contextmanager
def open_stand(folder: Path) -> Iterator[Stand]:
    """A sandbox without accounts yet, and a database, settings and a clock of its own."""
    with SandboxServer(accounts=()) as server:
        yield Stand(server, folder)


def use_ducklake(stand: Stand, conninfo: str = "") -> None:
    """Let the stand have a DuckLake instead of a file; skip where that cannot be had.

    Its catalogue is in Postgres where a connection string is given, else in a file.
    """
    extensions = pytest.importorskip("duckdb_extensions", reason="DuckLake comes as a wheel")
    extensions.import_extension("ducklake")
    if conninfo:
        data_path = f"{stand.folder / 'lake'}/"
        stand.database = Database(f"ducklake:postgres:{conninfo}", data_path=data_path)
    else:
        stand.database = Database(f"ducklake:{stand.folder / 'catalog.ducklake'}")


def lose_once(stand: Stand, is_time: str, *, is_committed: bool) -> list[str]:
    """Let a transaction be lost when a query says so: before its COMMIT, or the answer to it."""
    ask, losses = stand.database.writing, []

    @contextmanager
    def writing(*args: Any, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        with ask(*args, **options) as connection:
            yield connection
            is_lost = not losses and connection.execute(is_time).fetchall()[0][0]
            if is_lost:
                losses.append("lost")
            if is_lost and not is_committed:
                raise LostTransactionError("The turn is lost.")
        if is_lost:
            raise LostTransactionError("The answer is lost.")

    stand.database.writing = writing
    return losses


@contextmanager
def counting_requests(stand: Stand) -> Iterator[list[str]]:
    """The integrated account of each request for groups, in order."""
    asked: list[str] = []

    def note(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id:
            asked.append(request.integrated_account_id)
        return None

    stand.server.intercept = note
    yield asked
    stand.server.intercept = None


def serve_body(account: str, body: object, *, status: int = 200) -> Intercept:
    """An intercept that answers the groups of one account with a body of one's own."""

    def intercept(request: Request) -> Response | None:
        is_list = request.path == GROUPS_PATH
        if not is_list or request.integrated_account_id != account:
            return None
        text = body if isinstance(body, str) else json.dumps(body)
        return Response(status=status, body=text.encode())

    return intercept


def _key(result: AccountResult | PassedOver) -> str:
    if isinstance(result, PassedOver):
        return result.integrated_account_id
    return result.attempt.integrated_account_id


def clear_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that Truto or Dagster would read, whoever left it."""
    for name in [name for name in os.environ if name.startswith(("TRUTO_", "DAGSTER_", "AWS_"))]:
        monkeypatch.delenv(name)


def enter_project(stand: Stand, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project of its own, with variables that lead to the stand's Truto and tables."""
    project = folder / "project"
    project.mkdir()
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(Path(__file__).parents[1] / name, project)
    monkeypatch.chdir(project)
    clear_variables(monkeypatch)
    monkeypatch.setenv("TRUTO_BASE_URL", stand.server.base_url)
    monkeypatch.setenv("TRUTO_API_TOKEN", stand.server.token)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(stand.settings_path))
    stand.write_settings("truto:\n  retry_attempts: 1\n")
    return project


def go_on_in_project(stand: Stand, project: Path, *, other: Stand, other_project: Path) -> None:
    """Begin with the tables, and with Dagster's history, of another stand's project."""
    stand.go_on_from(other)
    shutil.copytree(other_project / ".dagster", project / ".dagster")
