"""The sandbox at nine in the morning, in the real UI: one app each that needs a person.

Real: HTTP on loopback, DuckDB, Dagster's storage, its webserver and daemon, as ``make ui`` starts
them. What cannot be waited for is written: the stale account's last confirmation lies days back.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.defs.partitions import integrated_accounts
from truto_groups.sandbox import SETTINGS_PATH, Account, Request, Response, SandboxServer
from truto_groups.warehouse.database import Database
from truto_groups_tests.defs.served import (
    ROOT,
    running,
    wait_for_webserver,
    write_home,
)
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import GROUPS_PATH, clear_variables

STALE = timedelta(days=3)
DG = Path(sys.executable).parent / "dg"

_AGE_THE_ACCOUNT = (
    "UPDATE integrated_accounts SET last_confirmed_at = last_confirmed_at - $age WHERE id = $id",
    "UPDATE account_syncs SET started_at = started_at - $age, finished_at = finished_at - $age "
    "WHERE integrated_account_id = $id",
)


@dataclass(frozen=True)
class Morning:
    """The UI, and the apps of acme and others that it is about.

    Attributes:
        port: Of the UI.
        home: Dagster's.
        server: The sandbox, whose answers a test may change.
        database: The tables.
        dagster: The webserver and the daemon.
        stale: acme's Okta: Truto's login to it is refused, and its groups are days old.
        drifted: A LaunchDarkly, which looks different since its second refresh.
        healthy: acme's other Okta.
        ids: The accounts that have a partition, by key, in the order of the partitions.
    """

    port: int
    home: Path
    server: SandboxServer
    database: Database
    dagster: subprocess.Popen[bytes]
    stale: str
    drifted: str
    healthy: str
    ids: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def others(self) -> list[str]:
        """Partitions of other tenants than acme."""
        return [key for key in self.ids if not key.startswith("acme.")]

    @property
    def neighbours(self) -> tuple[str, str]:
        """Two partitions beside one another, whose accounts nothing is wrong with."""
        told = (self.stale, self.drifted, self.healthy)
        keys = list(self.ids)
        return next((one, other) for one, other in pairwise(keys) if not {one, other} & set(told))


@contextmanager
def open_morning(folder: Path) -> Iterator[Morning]:
    """Sync the sandbox twice, let one account fail and age, and open the UI on that."""
    home, port = write_home(folder), find_free_port()
    database = Database(str(folder / "groups.duckdb"))
    with SandboxServer() as server, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        clear_variables(patch)
        variables = {
            "DAGSTER_HOME": str(home),
            "TRUTO_BASE_URL": server.base_url,
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_GROUPS_DATABASE": database.location,
            "TRUTO_GROUPS_SETTINGS": str(SETTINGS_PATH),
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        # A .env of the person's is read where one stands.
        patch.chdir(home)
        ids = _stage(server, database, home)
        roles = _cast(server, ids)
        web = stack.enter_context(
            running(
                str(DG), "dev", "-w", str(ROOT / "workspace.yaml"), "--port", str(port),
                "--log-level", "warning", folder=folder, cwd=home,
            )
        )  # fmt: skip
        wait_for_webserver(port, web)
        yield Morning(port, home, server, database, web, ids=ids, **roles)


def find_account(server: SandboxServer, integration: str, *, label: str | None = None) -> Account:
    """The first account of an integration, or the one that is labelled so."""
    return next(
        one
        for one in server.accounts
        if one.integration.slug == integration and label in (None, one.context["label"])
    )


def _cast(server: SandboxServer, ids: Mapping[str, str]) -> dict[str, str]:
    keys = {account_id: key for key, account_id in ids.items()}
    return {
        "stale": keys[find_account(server, "okta", label="acme okta").id],
        "drifted": keys[find_account(server, "launchdarkly").id],
        "healthy": keys[find_account(server, "okta", label="acme okta preview").id],
    }


def _stage(server: SandboxServer, database: Database, home: Path) -> dict[str, str]:
    """Bring it about; the accounts that have a partition, by key."""
    stale = find_account(server, "okta", label="acme okta")
    assert main(["sync", "--all"]) == 0
    with database.writing() as connection:
        for sentence in _AGE_THE_ACCOUNT:
            connection.execute(sentence, {"id": stale.id, "age": STALE}).fetchall()

    def refuse(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id == stale.id:
            body = {"message": "The token of this app was revoked.", "truto_is_remote_error": True}
            return Response.of_json(body, status=401)
        return None

    server.intercept = refuse
    assert main(["sync", "--all"]) == 1
    definitions = build_definitions()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for job in ("refresh_contracts", "evaluate_checks", "draw_overview"):
            assert definitions.resolve_job_def(job).execute_in_process(instance=instance).success
        partitions = instance.get_dynamic_partitions(str(integrated_accounts.name))
    with database.reading() as connection:
        rows = connection.execute("SELECT partition_key, id FROM integrated_accounts").fetchall()
    found = dict(rows)
    return {key: found[key] for key in partitions}
