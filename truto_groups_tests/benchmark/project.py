"""Our definitions on a Dagster instance of their own, pointed at a server."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.defs.resources import GroupsDatabase, TrutoResource
from truto_groups_tests.benchmark.server import DATABASE, TOKEN
from truto_groups_tests.defs.project import evaluate_sensor


@contextmanager
def open_instance(url: str) -> Iterator[dg.DagsterInstance]:
    """Make a folder the working directory of this process, with an instance and no database yet."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as instance:
        os.chdir(folder)
        os.environ |= {
            "TRUTO_API_TOKEN": TOKEN,
            "TRUTO_BASE_URL": url,
            "TRUTO_GROUPS_DATABASE": str(Path(folder) / DATABASE),
        }
        yield instance


def make_resources() -> dict[str, Any]:
    """Truto with the ceilings on requests lifted, and the database that the environment names."""
    truto = TrutoResource(requests_per_10_seconds=0, requests_per_10_seconds_per_account=0)
    return {"truto": truto, "duckdb": GroupsDatabase()}


def discover(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    """Evaluate a tick of the sensor that discovers accounts."""
    return evaluate_sensor(definitions, instance, "discover_integrated_accounts")
