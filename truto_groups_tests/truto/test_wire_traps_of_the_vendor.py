"""The vendor's Python client against the same traps as ours: where it loses groups or never ends.

A record of why ours guards what it guards. The server is the same scripted one; the client is as
installed, which needs Python 3.12 or newer.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from truto_groups_tests.truto.scripted_server import ScriptedServer, run_server
from truto_groups_tests.truto.test_wire_traps import (
    ACCOUNT,
    COMPLETE,
    EVERY_ID,
    FAILING,
    POSITIONS,
    TOKEN,
    build_chain,
    serve,
)

SDK = pytest.importorskip(
    "truto_python_sdk.truto_api",
    reason="truto-python-sdk is not installed: it needs Python 3.12 or newer",
)
MOST_GROUPS = 100
# Where it says nothing and has less than everything, or goes on for ever; ours does neither.
LOSES_GROUPS = {
    "result is called results",
    "result missing",
    "result null",
    "result is a number",
    "201",
    "202",
    "203",
    "206",
    "226",
}
NEVER_ENDS = {"cursor repeated at once", "cursor cycle"}
READS = {"pages overlap", "partial by its flag", "result and results"}


@pytest.fixture(scope="module", name="server")
def provide_server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


def read(server: ScriptedServer, *, seconds: float = 5.0) -> str:
    """Say in a word what becomes of a whole list: complete, loses groups, an error, or no end."""

    async def run() -> str:
        api = SDK.TrutoApi(TOKEN, base_url=server.base_url)
        query: dict[str, Any] = {"integrated_account_id": ACCOUNT, "limit": 2}
        ids: list[str] = []
        async for group in api.unified_api.list("user-directory", "groups", query):
            ids.append(group["id"])
            if len(ids) > MOST_GROUPS:
                return "never ends"
        return "complete" if set(ids) == set(EVERY_ID) else "loses groups"

    try:
        return asyncio.run(asyncio.wait_for(run(), seconds))
    except TimeoutError:
        return "never ends"
    except Exception:  # noqa: BLE001 - whatever it raises, it is loud
        return "error"


def spring(server: ScriptedServer, name: str, at: int) -> str:
    trap = COMPLETE[name] if name in COMPLETE else FAILING[name][0]
    serve(server, trap(build_chain(), at))
    return read(server)


def test_without_a_trap_it_reads_everything(server: ScriptedServer) -> None:
    serve(server, build_chain())
    assert read(server) == "complete"


@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
@pytest.mark.parametrize("name", [*COMPLETE, *FAILING])
def test_what_becomes_of_a_trap(server: ScriptedServer, name: str, at: int) -> None:
    expected = "error"
    if name in LOSES_GROUPS or (name == "empty page with a cursor" and at > 0):
        expected = "loses groups"
    elif name in NEVER_ENDS:
        expected = "never ends"
    elif name in READS or name == "empty page with a cursor":
        expected = "complete"
    assert spring(server, name, at) == expected
