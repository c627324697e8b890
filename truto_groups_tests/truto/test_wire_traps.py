"""What a server can do to a walk: each trap at the first, a middle and the last page.

The server is real HTTP on loopback and scripted; the client is whole. A walk either hands on every
group or ends with the one error that names the trap.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from truto_groups.errors import (
    AccountNeedsReauthError,
    EnvelopeError,
    ForbiddenError,
    MethodNotAllowedError,
    PaginationError,
    RetriesExhaustedError,
    TokenRejectedError,
    TooManyPagesError,
    TrutoError,
    UnexpectedAnswerError,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    reply_json,
    run_server,
)

TOKEN = "a-token-for-traps"
ACCOUNT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
PAGE_COUNT = 5
POSITIONS = {"first": 0, "middle": 2, "last": PAGE_COUNT - 1}
EVERY_ID = [f"g{number}" for number in range(2 * PAGE_COUNT)]

Chain = list[Reply]
Trap = Callable[[Chain, int], Chain]


def build_group(number: int) -> dict[str, Any]:
    return {"id": f"g{number}", "name": f"Group {number}", "remote_data": {"n": number}}


def build_page(index: int, *, cursor: str | None = "next", **changes: Any) -> dict[str, Any]:
    groups = [build_group(2 * index), build_group(2 * index + 1)]
    if cursor == "next":
        cursor = f"c{index + 1}" if index < PAGE_COUNT - 1 else None
    return {"result": groups, "next_cursor": cursor, "result_count": 2, **changes}


def build_chain() -> Chain:
    return [reply_json(build_page(index)) for index in range(PAGE_COUNT)]


def change(**changes: Any) -> Trap:
    """Change members of the page's envelope."""

    def trap(chain: Chain, at: int) -> Chain:
        chain[at] = reply_json(build_page(at, **changes))
        return chain

    return trap


def answer_with(reply: Reply) -> Trap:
    def trap(chain: Chain, at: int) -> Chain:
        chain[at] = reply
        return chain

    return trap


def drop_result(chain: Chain, at: int) -> Chain:
    page = build_page(at)
    del page["result"]
    chain[at] = reply_json(page)
    return chain


def rename_result(chain: Chain, at: int) -> Chain:
    page = build_page(at)
    page["results"] = page.pop("result")
    chain[at] = reply_json(page)
    return chain


def key_result(chain: Chain, at: int) -> Chain:
    page = build_page(at)
    page["result"] = {group["id"]: group for group in page["result"]}
    chain[at] = reply_json(page)
    return chain


def cut_json(chain: Chain, at: int) -> Chain:
    chain[at] = replace(chain[at], body=chain[at].body[:-30])
    return chain


def break_off(chain: Chain, at: int) -> Chain:
    chain[at] = replace(chain[at], body=chain[at].body[:-30], missing_bytes=30)
    return chain


def repeat_at_once(chain: Chain, at: int) -> Chain:
    """The page leads to itself; the first page, which no cursor leads to, to the second."""
    if at == 0:
        chain[1] = reply_json(build_page(1, next_cursor="c1"))
    chain[at] = reply_json(build_page(at, next_cursor=f"c{max(at, 1)}"))
    return chain


def cycle(chain: Chain, at: int) -> Chain:
    """From the page on the cursors go round in a circle of two."""
    start = max(at - 1, 1)
    chain[at] = reply_json(build_page(at, next_cursor=f"c{start}"))
    chain[start + 1 if at == 0 else start] = reply_json(
        build_page(start, next_cursor=f"c{1 if at == 0 else at}")
    )
    return chain


def tell_twice(fields: bytes) -> Trap:
    """Put fields before the page's own, of which the later ones would win."""

    def trap(chain: Chain, at: int) -> Chain:
        chain[at] = Reply(b"{" + fields + chain[at].body[1:])
        return chain

    return trap


def insert_empty_page(chain: Chain, at: int) -> Chain:
    chain[at] = reply_json({"result": [], "next_cursor": f"behind-{at}"})
    return [*chain, reply_json(build_page(at))]


def overlap(chain: Chain, at: int) -> Chain:
    neighbour = at - 1 if at else 1
    groups = [build_group(2 * neighbour), *build_page(at)["result"]]
    chain[at] = reply_json(build_page(at, result=groups))
    return chain


HTML = Reply(b"<html>Sign in</html>", headers={"content-type": "text/html"})
REMOTE = {"truto_is_remote_error": True, "raw_response": {"error": "nope"}}

COMPLETE: dict[str, Trap] = {
    "empty page with a cursor": insert_empty_page,
    "result is an object": key_result,
    "result is called results": rename_result,
    "pages overlap": overlap,
    "partial by its flag": change(is_partial_response=True),
}
ENDS: dict[str, Any] = {"empty": "", "null": None}
FAILING: dict[str, tuple[Trap, type[TrutoError]]] = {
    "cursor repeated at once": (repeat_at_once, PaginationError),
    "cursor cycle": (cycle, PaginationError),
    "cursor is a number": (change(next_cursor=7), EnvelopeError),
    "result missing": (drop_result, EnvelopeError),
    "result null": (change(result=None), EnvelopeError),
    "result is text": (change(result="none"), EnvelopeError),
    "result is a number": (change(result=0), EnvelopeError),
    "result is an object without records": (change(result={"error": "x"}), EnvelopeError),
    "result and results": (change(results=[build_group(0)]), EnvelopeError),
    **{
        f"{name} twice": (tell_twice(text), EnvelopeError)
        for name, text in {
            "result": b'"result":[],',
            "an escaped result": b'"r\\u0065sult":[],',
            "error": b'"error":"x","error":null,',
            "statusCode": b'"statusCode":500,"statusCode":200,',
            "next_cursor": b'"next_cursor":"x","next_cursor":null,',
        }.items()
    },
    "a bare array": (answer_with(reply_json([build_group(0)])), EnvelopeError),
    "null": (answer_with(reply_json(None)), EnvelopeError),
    "HTML with 200": (answer_with(HTML), EnvelopeError),
    "nothing with 200": (answer_with(Reply()), EnvelopeError),
    **{
        str(status): (answer_with(reply_json({"result": []}, status=status)), UnexpectedAnswerError)
        for status in (201, 202, 203, 204, 206, 226)
    },
    "JSON cut short": (cut_json, EnvelopeError),
    "body broken off": (break_off, RetriesExhaustedError),
    "500 for ever": (answer_with(reply_json({}, status=500)), RetriesExhaustedError),
    "429 for ever": (
        answer_with(reply_json(REMOTE, status=429, retry_after="0")),
        RetriesExhaustedError,
    ),
    "silence": (answer_with(Reply(seconds=1.0)), RetriesExhaustedError),
    "403": (answer_with(reply_json({"message": "no"}, status=403)), ForbiddenError),
    "401 of the token": (answer_with(reply_json({}, status=401)), TokenRejectedError),
    "401 of the app": (answer_with(reply_json(REMOTE, status=401)), AccountNeedsReauthError),
    "405": (answer_with(reply_json({}, status=405)), MethodNotAllowedError),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


def serve(server: ScriptedServer, chain: Chain, *, once: int | None = None) -> None:
    """Serve a chain of pages by cursor, and every group by id; ``once`` heals when asked again."""
    by_cursor = {"": chain[0]} | {f"c{n}": reply for n, reply in enumerate(chain) if n}
    # What a trap appended stands behind the page that it made empty.
    for index in range(PAGE_COUNT):
        by_cursor[f"behind-{index}"] = chain[-1]
    healthy = build_chain()
    asked_again: set[str] = set()

    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("/groups"):
            return reply_json(build_group(int(asked.path.rsplit("/g", 1)[1])) | {"whole": True})
        cursor = asked.query.get("next_cursor", "")
        if once is not None and cursor in asked_again:
            return healthy[once]
        if once is not None and cursor == (f"c{once}" if once else ""):
            asked_again.add(cursor)
        return by_cursor[cursor]

    server.answer = answer
    server.asked.clear()


def wait_not() -> float:
    return 0.0


def walk(server: ScriptedServer, *, max_pages: int = 50) -> list[dict[str, Any]]:
    """Walk with tiny budgets, and return the groups of every page that was handed on."""
    groups: list[dict[str, Any]] = []

    async def land(page: Page) -> None:
        groups.extend(json.loads(page.records))

    async def run() -> None:
        options = ClientOptions(
            server.base_url, page_size=2, retry_attempts=2, read_timeout_seconds=0.3
        )
        async with TrutoClient(options, token=TOKEN, jitter=wait_not) as client:
            request = GroupsRequest(ACCOUNT, "okta", max_pages=max_pages)
            complete = await client.walk_groups(request, land=land, stats=SyncStats())
            assert complete.page_count >= 1

    asyncio.run(run())
    return groups


@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
@pytest.mark.parametrize("trap", COMPLETE.values(), ids=COMPLETE.keys())
def test_a_harmless_oddity_costs_no_group(server: ScriptedServer, trap: Trap, at: int) -> None:
    serve(server, trap(build_chain(), at))
    groups = walk(server)
    assert sorted({group["id"] for group in groups}) == EVERY_ID


@pytest.mark.long
@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
@pytest.mark.parametrize(("trap", "error"), FAILING.values(), ids=FAILING.keys())
def test_a_trap_ends_the_walk_with_its_own_error(
    server: ScriptedServer, trap: Trap, error: type[TrutoError], at: int
) -> None:
    serve(server, trap(build_chain(), at))
    with pytest.raises(TrutoError) as caught:
        walk(server)
    assert type(caught.value) is error
    is_of_account = error is not TokenRejectedError
    assert (ACCOUNT in str(caught.value)) is is_of_account
    assert ("okta" in str(caught.value)) is is_of_account
    assert caught.value.integrated_account_id == ACCOUNT
    assert len(server.asked) <= 2 * PAGE_COUNT


@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_null_or_empty_cursor_is_the_end(server: ScriptedServer, end: Any, at: int) -> None:
    serve(server, change(next_cursor=end)(build_chain(), at))
    assert [group["id"] for group in walk(server)] == EVERY_ID[: 2 * (at + 1)]


@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
def test_a_missing_cursor_is_the_end(server: ScriptedServer, at: int) -> None:
    page = build_page(at)
    del page["next_cursor"]
    serve(server, answer_with(reply_json(page))(build_chain(), at))
    assert [group["id"] for group in walk(server)] == EVERY_ID[: 2 * (at + 1)]


@pytest.mark.long
@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
@pytest.mark.parametrize(
    "reply",
    [
        *(reply_json({}, status=status) for status in (408, 425, 500, 502, 503, 504)),
        reply_json(REMOTE, status=429, retry_after="0"),
        Reply(b'{"result":[', missing_bytes=20),
        Reply(seconds=1.0),
    ],
    ids=["408", "425", "500", "502", "503", "504", "429", "broken off", "silent"],
)
def test_what_heals_at_the_second_attempt_costs_no_group(
    server: ScriptedServer, reply: Reply, at: int
) -> None:
    serve(server, answer_with(reply)(build_chain(), at), once=at)
    assert [group["id"] for group in walk(server)] == EVERY_ID


@pytest.mark.parametrize("at", POSITIONS.values(), ids=POSITIONS.keys())
def test_a_partial_page_is_completed_and_the_others_are_not(
    server: ScriptedServer, at: int
) -> None:
    serve(server, change(is_partial_response=True)(build_chain(), at))
    groups = walk(server)
    assert [group["id"] for group in groups] == EVERY_ID
    assert [group["id"] for group in groups if "whole" in group] == EVERY_ID[2 * at : 2 * at + 2]


@pytest.mark.parametrize("max_pages", [1, 3, PAGE_COUNT - 1])
def test_more_pages_than_allowed_end_the_walk(server: ScriptedServer, max_pages: int) -> None:
    serve(server, build_chain())
    with pytest.raises(TooManyPagesError, match=f"more than the {max_pages} pages"):
        walk(server, max_pages=max_pages)
    assert len(server.asked) == max_pages


def test_as_many_pages_as_allowed_are_fine(server: ScriptedServer) -> None:
    serve(server, build_chain())
    assert [group["id"] for group in walk(server, max_pages=PAGE_COUNT)] == EVERY_ID
