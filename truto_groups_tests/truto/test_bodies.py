"""How much of an answer is taken in: its weight, its packing, and what that costs in memory.

Real HTTP on loopback against a scripted server; the client is whole. Memory is that of a process
of its own.
"""

import asyncio
import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truto_groups.errors import (
    AccountNeedsReauthError,
    AnswerTooLargeError,
    EnvelopeError,
    ForbiddenError,
    RetriesExhaustedError,
    TrutoError,
    find_permanent_kinds,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.bodies import MOST_OF_A_PAGE, MOST_OF_A_REFUSAL
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    reply_json,
    run_server,
)

TEXT = json.dumps({"result": [{"id": "1", "name": "ä" * 500}]}).encode()
BLANK = b" " * (MOST_OF_A_PAGE + 1)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


async def land(page: Page) -> None:
    pass


def walk(server: ScriptedServer, **request: Any) -> tuple[list[Page], SyncStats]:
    pages: list[Page] = []
    stats = SyncStats()

    async def land(page: Page) -> None:
        pages.append(page)

    async def run() -> None:
        options = ClientOptions(server.base_url, retry_attempts=1)
        async with TrutoClient(options, token="a-token") as client:
            asked = GroupsRequest("account-1", "okta", **request)
            await asyncio.wait_for(client.walk_groups(asked, land=land, stats=stats), 60)

    asyncio.run(run())
    return pages, stats


def deflate_without_header(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKED_IN_EACH_WAY = pytest.mark.parametrize(
    "pack",
    [deflate_without_header, zlib.compress, gzip.compress],
    ids=["without header", "deflate", "gzip"],
)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("X-GZip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + b"\0" * 512),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", deflate_without_header(TEXT)),
        ("identity", TEXT),
        ("nonsense", TEXT),
        ("", TEXT),
    ],
    ids=[
        *("gzip", "x-gzip", "in members", "padded", "deflate", "without header"),
        *("identity", "unknown", "empty"),
    ],
)
def test_a_packed_page_is_unpacked(server: ScriptedServer, encoding: str, body: bytes) -> None:
    server.answer = lambda asked: Reply(body, headers={"content-encoding": encoding})
    (page,), stats = walk(server)
    assert json.loads(page.records) == json.loads(TEXT)["result"]
    assert page.byte_count == stats.byte_count == len(TEXT)


@PACKED_IN_EACH_WAY
@pytest.mark.parametrize("more", [1, 100, 257])
def test_a_packed_page_ends_where_it_ends_however_far_the_last_step_reached(
    server: ScriptedServer, pack: Callable[[bytes], bytes], more: int
) -> None:
    """One of a megabyte and some bytes, without a checksum behind it, seemed to be cut off."""
    body = b'{"result":[]}'.ljust((1 << 20) + more)
    server.answer = lambda asked: Reply(pack(body), headers={"content-encoding": "deflate"})
    ((page,), _) = walk(server)
    assert page.byte_count == len(body)


@PACKED_IN_EACH_WAY
def test_a_packed_page_that_comes_byte_by_byte_is_unpacked(
    server: ScriptedServer, pack: Callable[[bytes], bytes]
) -> None:
    packed = {"content-encoding": "deflate"}
    server.answer = lambda asked: Reply(pack(TEXT), headers=packed, drip_seconds=0.001)
    ((page,), _) = walk(server)
    assert json.loads(page.records) == json.loads(TEXT)["result"]


@pytest.mark.parametrize(
    ("encoding", "body", "told"),
    [
        ("gzip", TEXT, "not compressed as it says"),
        ("deflate", TEXT, "not compressed as it says"),
        ("gzip", gzip.compress(TEXT)[:-20], "ends before its compression"),
        ("gzip", gzip.compress(TEXT) + gzip.compress(TEXT)[:9], "ends before its compression"),
        ("gzip", gzip.compress(TEXT)[:10] + b"\xff" * 99, "not compressed as it says"),
        ("gzip", gzip.compress(TEXT)[:1], "ends before its compression"),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT)), "more than once"),
    ],
    ids=["not at all", "not deflated", "cut", "cut in a member", "broken", "a byte", "twice"],
)
def test_a_page_that_is_not_packed_as_it_says_is_no_answer(
    server: ScriptedServer, encoding: str, body: bytes, told: str
) -> None:
    server.answer = lambda asked: Reply(body, headers={"content-encoding": encoding})
    with pytest.raises(RetriesExhaustedError, match=told):
        walk(server)


def test_an_empty_body_is_never_broken_compression(server: ScriptedServer) -> None:
    server.answer = lambda asked: Reply(headers={"content-encoding": "gzip"})
    with pytest.raises(EnvelopeError, match="0 bytes"):
        walk(server)


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
def test_a_page_larger_than_memory_can_bear_is_told_with_its_remedy(
    server: ScriptedServer, *, is_packed: bool
) -> None:
    body, headers = BLANK, dict[str, str]()
    if is_packed:
        body, headers = gzip.compress(BLANK, 1), {"content-encoding": "gzip"}
    server.answer = lambda asked: Reply(body, headers=headers)
    with pytest.raises(AnswerTooLargeError, match="page_size") as caught:
        walk(server)
    assert caught.value.integrated_account_id == "account-1"
    assert caught.value.kind in find_permanent_kinds()


@pytest.mark.long
def test_a_page_as_large_as_allowed_passes(server: ScriptedServer) -> None:
    end = b'{"result":[]}'
    server.answer = lambda asked: Reply(BLANK[len(end) + 1 :] + end)
    (page,), _ = walk(server)
    assert (page.records, page.byte_count) == ("[]", MOST_OF_A_PAGE)


def test_a_refusal_without_end_still_refuses(server: ScriptedServer) -> None:
    body = b'{"message": "no"' + b" " * MOST_OF_A_REFUSAL + b"}"
    server.answer = lambda asked: Reply(body, status=403)
    with pytest.raises(ForbiddenError):
        walk(server)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AccountNeedsReauthError), (403, ForbiddenError)]
)
def test_a_refusal_that_bears_the_packing_of_an_app_s_answer_is_read_as_it_is(
    server: ScriptedServer, status: int, error: type[TrutoError]
) -> None:
    """Truto passes on the app's headers with it."""
    body = json.dumps({"truto_is_remote_error": True, "message": "Ask Ann"}).encode()
    server.answer = lambda asked: Reply(body, status, {"content-encoding": "gzip"})
    with pytest.raises(error, match="Ask Ann"):
        walk(server)


@pytest.mark.parametrize(
    "unreadable",
    [
        {"missing_bytes": 10},
        {"headers": {"retry-after": "600", "content-encoding": "gzip"}},
    ],
    ids=["cut", "not packed as it says"],
)
def test_a_wait_is_honoured_though_the_body_of_its_answer_cannot_be_read(
    server: ScriptedServer, unreadable: dict[str, Any]
) -> None:
    throttled = Reply(b"<html>", 429, **{"headers": {"retry-after": "600"}, **unreadable})
    healthy = reply_json({"result": []})
    server.answer = lambda asked: (
        throttled if asked.query["integrated_account_id"] == "account-1" else healthy
    )

    async def run() -> None:
        async with TrutoClient(ClientOptions(server.base_url), token="a-token") as client:
            for account in ("account-1", "account-2", "account-1"):
                stats = SyncStats()
                walking = client.walk_groups(GroupsRequest(account, "okta"), land=land, stats=stats)
                if account == "account-2":
                    await walking
                    continue
                with pytest.raises(RetriesExhaustedError, match="Retry-After: 600"):
                    await walking

    server.asked.clear()
    asyncio.run(run())
    assert [asked.query["integrated_account_id"] for asked in server.asked] == [
        "account-1",
        "account-2",
    ]


def test_a_listing_of_accounts_that_is_too_large_is_asked_for_in_smaller_pages(
    server: ScriptedServer,
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.query["limit"] != "100":
            return Reply(BLANK)
        cursor = None if "next_cursor" in asked.query else "2"
        row = {"id": f"account-{cursor}", "status": "active"}
        return reply_json({"result": [row], "next_cursor": cursor})

    server.answer = answer
    server.asked.clear()

    async def run() -> list[str]:
        async with TrutoClient(ClientOptions(server.base_url), token="a-token") as client:
            listing = await client.list_integrated_accounts()
            return [account.id for account in listing.accounts]

    assert asyncio.run(run()) == ["account-2", "account-None"]
    assert [asked.query["limit"] for asked in server.asked] == ["1000", "100", "100"]


# Completed pages


def serve_partial(group_bytes: int, *, count: int) -> Any:
    groups = [{"id": str(number)} for number in range(count)]
    page = {"result": groups, "is_partial_response": True}

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/groups"):
            return reply_json(page)
        group = json.dumps({"id": asked.path.rsplit("/", 1)[1], "x": ""}).encode()
        return Reply(b" " * (group_bytes - len(group)) + group)

    return answer, len(json.dumps(page))


def test_a_completed_page_weighs_what_completed_it(server: ScriptedServer) -> None:
    server.answer, page_bytes = serve_partial(5000, count=3)
    (page,), stats = walk(server)
    assert page.byte_count == page_bytes + 3 * 5000
    assert stats.byte_count == page.byte_count


@pytest.mark.long
def test_groups_that_are_too_large_together_are_told_with_the_remedy(
    server: ScriptedServer,
) -> None:
    server.answer, _ = serve_partial(MOST_OF_A_PAGE // 4, count=6)
    with pytest.raises(AnswerTooLargeError, match="page_size"):
        walk(server)


def test_large_groups_of_several_large_pages_do_not_wait_for_each_other_for_ever(
    server: ScriptedServer,
) -> None:
    """All of an account's requests wait for a turn, which its own pages must not hold."""
    groups = [{"id": str(number)} for number in range(3)]
    page = json.dumps({"result": groups, "is_partial_response": True}).encode()

    def answer(asked: Asked) -> Reply:
        is_page = asked.path.endswith("/groups")
        body = page if is_page else json.dumps({"id": asked.path.rsplit("/", 1)[1]}).encode()
        return Reply(b" " * (3 << 20) + body)

    server.answer = answer
    query = {"organization_id": [str(number) for number in range(5)]}
    pages, stats = walk(server, query=query, requests_at_once=2)
    assert (len(pages), stats.request_count) == (5, 20)


# Memory

MEASURE = """
import asyncio, sys
from pathlib import Path
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.errors import TrutoError
from truto_groups.truto.walk_results import SyncStats

def read_peak_megabytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

async def land(page):
    await asyncio.sleep(0.05)

async def walk(client, account):
    try:
        await client.walk_groups(GroupsRequest(account, "okta"), land=land, stats=SyncStats())
    except TrutoError as error:
        return error.kind
    return "walked"

async def run():
    options = ClientOptions(sys.argv[1], retry_attempts=1)
    async with TrutoClient(options, token="a-token") as client:
        names = [f"{kind} {number}" for kind in sys.argv[2:] for number in range(4)]
        return await asyncio.gather(*(walk(client, name) for name in names))

before = read_peak_megabytes()
print(*sorted(set(asyncio.run(run()))), round(read_peak_megabytes() - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_many_large_answers_at_once_are_not_in_memory_at_once(server: ScriptedServer) -> None:
    """Four that unpack to 100 MB each, and four good ones of 30 MB, side by side."""
    bomb = gzip.compress(b" " * (100 << 20), 1)
    good = b'{"result":[' + b" " * (30 << 20) + b"]}"

    def answer(asked: Asked) -> Reply:
        if asked.query["integrated_account_id"].startswith("bomb"):
            return Reply(bomb, headers={"content-encoding": "gzip"})
        return Reply(good)

    server.answer = answer
    command = [sys.executable, "-c", MEASURE, server.base_url, "bomb", "good"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *ends, megabytes = done.stdout.split()
    assert ends == ["answer_too_large", "walked"]
    assert int(megabytes) < 250
