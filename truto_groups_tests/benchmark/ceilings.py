"""How much of a ceiling several processes together use, and whether they ever exceed it.

Each process walks an account that never ends through the client; the server notes when requests
arrive.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from pathlib import Path

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.sandbox import GeneratedGroups, Request, Response, SandboxServer, make_account
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.limits import RequestLimits
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.benchmark.measure import PACKAGE, describe_machine
from truto_groups_tests.benchmark.server import GROUPS_PATH, TOKEN, account_id, make_group

_WINDOW = 10.0
_STARTING_SECONDS = 12.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--ceiling", type=int, default=500, help="requests in any 10 s")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--windows", type=int, default=4, help="of 10 s")


def measure(options: argparse.Namespace) -> None:
    """Measure, and print what came of it."""
    arrivals: list[float] = []

    def note(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            arrivals.append(time.monotonic())
        return None

    accounts = [
        make_account(account_id(index), GeneratedGroups(1_000_000, make=make_group))
        for index in range(options.processes)
    ]
    with SandboxServer(accounts=accounts) as server, tempfile.TemporaryDirectory() as folder:
        server.intercept = note
        seconds = _STARTING_SECONDS + options.windows * _WINDOW
        limits = Path(folder) / "limits"
        walkers = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", f"{PACKAGE}.ceilings", server.base_url, account.id),
                    *(str(limits), str(options.ceiling), str(seconds)),
                ]
            )
            for account in accounts
        ]
        for walker in walkers:
            walker.wait()
    # At best every window begins with a request that its ceiling had no room for in the one before.
    taken = arrivals[options.windows * options.ceiling] - arrivals[0]
    used = options.windows * _WINDOW / taken
    busiest = max(bisect_left(arrivals, at + _WINDOW) - index for index, at in enumerate(arrivals))
    print(f"\n{options.processes} processes under one ceiling of {options.ceiling} in any 10 s;")
    print(f"{describe_machine()}.\n")
    print(f"- used of the ceiling: {used:.1%} over {options.windows} windows")
    print(f"- arrivals in the busiest 10 s: {busiest}")


def main() -> None:
    """Walk one account until the time is over."""
    url, key, path, ceiling, seconds = sys.argv[1:]
    options = ClientOptions(base_url=url, page_size=1, requests_per_10_seconds=int(ceiling))

    async def land(page: Page) -> None:
        del page

    async def walk() -> None:
        request = GroupsRequest(
            integrated_account_id=key, integration="okta", requests_per_10_seconds=0
        )
        limits = RequestLimits(FileStartLog(Path(path)))
        async with TrutoClient(options, token=TOKEN, limits=limits) as client:
            await client.walk_groups(request, land=land, stats=SyncStats())

    async def run() -> None:
        try:
            await asyncio.wait_for(walk(), float(seconds))
        except TimeoutError:
            return

    asyncio.run(run())


if __name__ == "__main__":
    main()
