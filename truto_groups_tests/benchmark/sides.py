"""What is measured, each in a process of its own: ``python -m … SIDE URL ACCOUNTS FOLDER``.

Prints one line of JSON: wall and CPU seconds, peak resident MB, and how many groups there are.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from truto_groups.client import ClientOptions, TrutoClient
from truto_groups.limits import RequestLimits
from truto_groups.listing import list_accounts
from truto_groups.refreshing import refresh_accounts
from truto_groups.session import Session
from truto_groups.settings import Settings, resolve_knobs
from truto_groups.warehouse.accounts import write_listing
from truto_groups.warehouse.database import Database
from truto_groups_tests.benchmark.server import account_id

TOKEN = "sandbox-token"
AT_ONCE = 16
PAGE_SIZE = 100


class _Page(msgspec.Struct):
    result: list[msgspec.Raw]
    next_cursor: str | None = None


_PAGES = msgspec.json.Decoder(_Page)


def prepare_bare_loop(url: str, account_count: int, folder: Path) -> Callable[[], int]:
    """Fetch everything with httpx alone, split the bodies, and throw them away."""
    del folder

    async def fetch_account(client: httpx.AsyncClient, key: str, gate: asyncio.Semaphore) -> int:
        count, cursor = 0, None
        async with gate:
            while True:
                query: dict[str, str | int] = {"integrated_account_id": key, "limit": PAGE_SIZE}
                if cursor:
                    query["next_cursor"] = cursor
                answer = await client.get("/unified/user-directory/groups", params=query)
                page = _PAGES.decode(answer.content)
                count += len(page.result)
                cursor = page.next_cursor
                if not cursor:
                    return count

    async def run() -> int:
        gate = asyncio.Semaphore(AT_ONCE)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            keys = [account_id(index) for index in range(account_count)]
            return sum(await asyncio.gather(*(fetch_account(client, key, gate) for key in keys)))

    return lambda: asyncio.run(run())


def prepare_truto_groups(url: str, account_count: int, folder: Path) -> Callable[[], int]:
    """Ours, whole: fetch, land, profile, audit, publish, breakdown, changes; Dagster apart."""
    knobs = resolve_knobs(
        {"requests_per_10_seconds": 0, "requests_per_10_seconds_per_account": 0}, base_url=url
    )
    options = ClientOptions(base_url=url, page_size=PAGE_SIZE, requests_per_10_seconds=0)
    database = Database(str(folder / "groups.duckdb"))

    def open_client() -> TrutoClient:
        return TrutoClient(options, token=TOKEN, limits=RequestLimits())

    session = Session(Settings(), knobs, database, lambda: open_client)
    listed = list_accounts(open_client)
    with database.writing() as connection:
        write_listing(connection, listed, now=session.clock())

    def run() -> int:
        keys = [account_id(index) for index in range(account_count)]
        ended = list(refresh_accounts(session, keys, run_id=f"bench-{time.time_ns()}"))
        assert len(ended) == account_count
        with database.reading() as connection:
            return connection.execute("SELECT count(*) FROM groups").fetchall()[0][0]

    return run


SIDES = {"bare loop": prepare_bare_loop, "truto-groups": prepare_truto_groups}

if __name__ == "__main__":
    work = SIDES[sys.argv[1]](sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    wall, cpu = time.perf_counter(), time.process_time()
    groups = work()
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "groups": groups,
            }
        )
    )
