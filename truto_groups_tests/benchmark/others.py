"""What others would be used for the same: the vendor's client in a loop, and a dlt pipeline.

Neither is a dependency of the project; `make bench` has them in an environment of its own.
"""

# pyright: reportMissingImports=false

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from truto_groups_tests.benchmark.server import AT_ONCE, DATABASE, GROUPS_PATH, PAGE_SIZE, TOKEN


def prepare_vendors_client(url: str, keys: list[str], folder: Path) -> Callable[[], int]:
    """The vendor's Python client in a loop, and one INSERT an account."""
    from truto_python_sdk.truto_api import TrutoApi  # from Python 3.12 on

    connection = duckdb.connect(str(folder / DATABASE))
    connection.execute(
        "CREATE TABLE groups (integrated_account_id VARCHAR, id VARCHAR, name VARCHAR, "
        "group_type VARCHAR, description VARCHAR, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, "
        "remote_data JSON)"
    )

    async def load_account(api: Any, key: str, gate: asyncio.Semaphore) -> None:
        query = {"integrated_account_id": key, "limit": PAGE_SIZE}
        async with gate:
            groups = [one async for one in api.unified_api.list("user-directory", "groups", query)]
        frame = pd.DataFrame(groups)
        frame["remote_data"] = frame["remote_data"].map(json.dumps)
        connection.register("frame", frame)
        connection.execute(
            "INSERT INTO groups SELECT $key, id, name, group_type, description, created_at, "
            "updated_at, remote_data FROM frame",
            {"key": key},
        )
        connection.unregister("frame")

    async def run() -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        api = TrutoApi(TOKEN, base_url=url)
        await asyncio.gather(*(load_account(api, key, gate) for key in keys))

    def work() -> int:
        asyncio.run(run())
        connection.close()
        return len(keys)

    return work


def prepare_dlt(url: str, keys: list[str], folder: Path) -> Callable[[], int]:
    """A dlt pipeline: REST client, a parallelized resource an account, DuckDB destination."""
    os.environ |= {
        "EXTRACT__WORKERS": str(AT_ONCE),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }
    import dlt
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    def fetch_account(key: str) -> Iterator[list[dict[str, Any]]]:
        client = RESTClient(
            url,
            auth=BearerTokenAuth(TOKEN),
            paginator=JSONResponseCursorPaginator("next_cursor", "next_cursor"),
            data_selector="result",
        )
        query = {"integrated_account_id": key, "limit": PAGE_SIZE}
        for page in client.paginate(GROUPS_PATH, params=query):
            yield [{"integrated_account_id": key, **group} for group in page]

    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "dlt"),
        destination=dlt.destinations.duckdb(str(folder / DATABASE)),
        dataset_name="main",
    )
    resources = [
        dlt.resource(
            fetch_account,
            name=f"account_{number}",
            table_name="groups",
            parallelized=True,
            max_table_nesting=0,
        )(key)
        for number, key in enumerate(keys)
    ]

    def work() -> int:
        pipeline.run(resources)
        return len(keys)

    return work
