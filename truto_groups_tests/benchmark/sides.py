"""What is measured side by side: ``python -m … SIDE URL ACCOUNTS FOLDER``.

Each side fetches the same groups from the same server, sixteen accounts at once. All but the bare
loop end with a table of groups in DuckDB.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx
import msgspec

from truto_groups.session import Session
from truto_groups.settings import Settings, resolve_knobs
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.truto import ClientOptions, TrutoClient
from truto_groups.truto.blocking import list_accounts
from truto_groups.truto.limits import RequestLimits
from truto_groups.warehouse.accounts_table import write_listing
from truto_groups.warehouse.database import Database
from truto_groups_tests.benchmark.measure import Measured, measure_here, tell
from truto_groups_tests.benchmark.others import prepare_dlt, prepare_vendors_client
from truto_groups_tests.benchmark.server import (
    AT_ONCE,
    DATABASE,
    GROUPS_PATH,
    PAGE_SIZE,
    TOKEN,
    account_id,
)

Work = Callable[[], int]
Side = Callable[[str, list[str], Path], Work]


class _Page(msgspec.Struct):
    result: list[msgspec.Raw]
    next_cursor: str | None = None


_PAGES = msgspec.json.Decoder(_Page)


def prepare_bare_loop(url: str, keys: list[str], folder: Path) -> Work:
    """Fetch everything with httpx alone, split the bodies, and throw them away."""
    del folder

    async def fetch_account(client: httpx.AsyncClient, key: str, gate: asyncio.Semaphore) -> int:
        count, cursor = 0, None
        async with gate:
            while True:
                query: dict[str, str | int] = {"integrated_account_id": key, "limit": PAGE_SIZE}
                if cursor:
                    query["next_cursor"] = cursor
                answer = await client.get(GROUPS_PATH, params=query)
                page = _PAGES.decode(answer.content)
                count += len(page.result)
                cursor = page.next_cursor
                if not cursor:
                    return count

    async def run() -> int:
        gate = asyncio.Semaphore(AT_ONCE)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            return sum(await asyncio.gather(*(fetch_account(client, key, gate) for key in keys)))

    return lambda: asyncio.run(run())


def prepare_truto_groups(url: str, keys: list[str], folder: Path) -> Work:
    """Ours, whole: fetch, land, profile, audit, publish, breakdown, changes; Dagster apart."""
    knobs = resolve_knobs(
        {"requests_per_10_seconds": 0, "requests_per_10_seconds_per_account": 0}, base_url=url
    )
    options = ClientOptions(base_url=url, page_size=PAGE_SIZE, requests_per_10_seconds=0)
    database = Database(str(folder / DATABASE))

    def open_client() -> TrutoClient:
        return TrutoClient(options, token=TOKEN, limits=RequestLimits())

    session = Session(Settings(), knobs, database, lambda: open_client)
    listed = list_accounts(open_client).accounts
    with database.writing() as connection:
        write_listing(connection, listed, now=session.clock())

    def run() -> int:
        ended = refresh_accounts(session, keys, run_id=f"bench-{time.time_ns()}")
        return sum(1 for _ in ended)

    return run


SIDES: dict[str, Side] = {
    "bare loop": prepare_bare_loop,
    "truto-groups": prepare_truto_groups,
    "vendor's client": prepare_vendors_client,
    "dlt": prepare_dlt,
}


def main() -> None:
    """Measure one side."""
    side, url, account_count, folder = sys.argv[1:]
    keys = [account_id(index) for index in range(int(account_count))]
    work = SIDES[side](url, keys, Path(folder))
    done: list[int] = []
    wall, cpu, mb = measure_here(lambda: done.append(work()))
    groups, digest = done[0], ""
    if side != "bare loop":
        assert groups == len(keys)
        groups, digest = _read_table(Path(folder) / DATABASE)
    tell(Measured(wall, cpu, mb, groups, digest))


def _read_table(path: Path) -> tuple[int, str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute(
            "SELECT count(*), bit_xor(md5_number(concat_ws('/', integrated_account_id, id, name, "
            "group_type, epoch_us(created_at::TIMESTAMPTZ))))::VARCHAR FROM groups"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


if __name__ == "__main__":
    main()
