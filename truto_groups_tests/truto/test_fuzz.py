"""Whatever an answer looks like, the client raises its own exceptions, or none.

Answers are drawn by hypothesis, always the same ones. The wire is httpx.MockTransport, where only
bodies and headers matter, and a raw socket on loopback, where anything may come.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truto_groups.errors import TrutoError
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.test_client import ACCOUNT

pytestmark = pytest.mark.long

Call = Callable[[TrutoClient], Awaitable[object]]


async def land(page: Page) -> None:
    json.loads(page.records)


async def restart(reason: str) -> None:
    pass


def walk(complete: Any) -> Call:
    request = GroupsRequest(ACCOUNT, "okta", complete=complete, max_pages=5)
    return lambda client: client.walk_groups(request, land=land, stats=SyncStats(), restart=restart)


CALLS: dict[str, Call] = {
    "list": walk("never"),
    "get": walk("always"),
    "accounts": lambda client: client.list_integrated_accounts(),
    "account": lambda client: client.get_integrated_account(ACCOUNT),
    "capabilities": lambda client: client.supports_groups(ACCOUNT),
    "contract": lambda client: client.read_declared_contract("okta"),
}

WORDS = st.sampled_from(
    ["", "null", "active", "user-directory", "groups", "list", ACCOUNT, "2025-01-01", "401", "x"]
)
TEXTS = WORDS | st.text(max_size=8)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, 401, 500, -0.0])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("result", "results", "next_cursor", "is_partial_response", "debug", "nextCursor"),
    *("error", "errors", "statusCode", "message", "raw_response", "truto_error_insight"),
    *("truto_is_remote_error", "rate_limit_error", "forbidden_error", "value", "description"),
    *("missing_required_query_parameters", "missing_scopes"),
    *("id", "status", "integration", "environment_integration", "tenant_id", "name", "context"),
    *("created_at", "updated_at", "last_error", "unified_model_override", "is_sandbox"),
    *("unified", "resources", "resource", "model", "methods"),
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5)
NESTED = st.dictionaries(st.sampled_from(FIELDS), OBJECTS | st.lists(OBJECTS, max_size=3) | JSON)
# What no library writes: half a character, a text that does not end, nesting without end.
SPOILERS = st.sampled_from(
    [
        rb"\ud83d",
        b"\xff",
        b"\x00",
        b"\n",
        b'"',
        b"[" * 2000,
        b"{",
        b"NaN",
        b"1e999",
        b"\xef\xbb\xbf",
    ]
)


@st.composite
def draw_bodies(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["JSON", "spoiled", "anything"]))
    if kind == "anything":
        return draw(st.binary(max_size=30))
    body = json.dumps(draw(NESTED | OBJECTS | JSON)).encode()
    if kind == "spoiled":
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(SPOILERS) + body[at:]
    return body


HEADER_NAMES = st.sampled_from(
    [
        *("retry-after", "date", "ratelimit-reset", "x-ratelimit-reset", "ratelimit-remaining"),
        *("location", "set-cookie", "content-type", "content-encoding", "content-length", "x"),
    ]
)
HEADER_TEXTS = st.sampled_from(
    [
        *(b"", b"0", b"-1", b"1e400", b"nan", b"1767225640000", b"9" * 400, b"\xff\xfe", b"1, 2"),
        *(b"Thu, 01 Jan 99999999999 00:00:00 GMT", b"Thu, 01 Jan 2026 00:00:30 +9999", b"gzip"),
        *(b"http://[", b"//[", b"http://xn--/", b"http://a:99999999/", b"http:///x", b"/\x7f"),
        *(b"a=b; expires=Thu, 99 Jan", b"=;", b"br", b"gzip, deflate", b"https://\xe2\x80\xa8/"),
    ]
) | st.binary(max_size=12).filter(lambda text: not set(text) & set(b"\r\n\0"))
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_TEXTS), max_size=4)
STATUSES = st.sampled_from([200] * 12 + [202, 302, 400, 401, 403, 404, 410, 422, 429, 500, 520])
ANSWERS = st.lists(st.tuples(STATUSES, HEADERS, draw_bodies()), min_size=1, max_size=3)

Drawn = list[tuple[int, list[tuple[str, bytes]], bytes]]

# Time is measured elsewhere, and on a busy machine a first answer takes its time.
bounded = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Raw(httpx.AsyncByteStream):
    """A body that comes as it is: the library's own would unpack it when it is made."""

    def __init__(self, body: bytes) -> None:
        """Keep it."""
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All of it at once."""
        yield self._body


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@bounded
@given(answers=ANSWERS)
def test_no_answer_raises_anything_but_ours(call: Call, answers: Drawn) -> None:
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        status, headers, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        named = [(name.encode(), text) for name, text in headers]
        return httpx.Response(status, headers=named, stream=Raw(body))

    async def run() -> None:
        options = ClientOptions(
            "http://127.0.0.1:1", retry_attempts=2, retry_seconds=0.4, requests_per_10_seconds=0
        )
        transport = httpx.MockTransport(answer)
        async with TrutoClient(
            options, token="a-token", transport=transport, jitter=lambda: 0.0
        ) as client:
            with suppress(TrutoError):
                await call(client)

    asyncio.run(run())


LINES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 999 \xff", b"HTTP/1.1 000", b"HTTP/1.1 101 x", b"HTTP/9"),
        *(
            b"HTTP/1.1 100 x",
            b"HTTP/1.1 204 x",
            b"HTTP/1.1 302 x",
            b"HTTP/1.0 200",
            b"\x16\x03\x01",
        ),
    ]
)
RAW_HEADERS = st.sampled_from(
    [
        *(b"content-length: 9", b"content-length: -1", b"content-length: 99999999999999999999"),
        *(b"transfer-encoding: chunked", b"transfer-encoding: x", b"connection: upgrade"),
        *(b"content-encoding: gzip", b": x", b"no colon", b" folded", b"x: \x00", b"\xff: \xff"),
        *(
            b"location: //[",
            b"location: http://xn--/",
            b"retry-after: \xff",
            b"x: " + b"y" * 200_000,
        ),
    ]
)


@bounded
@given(
    line=LINES,
    headers=st.lists(RAW_HEADERS, max_size=3),
    body=draw_bodies() | st.just(b"5\r\nabc") | st.just(b"-1\r\n\r\n"),
    is_ended=st.booleans(),
)
def test_no_bytes_on_the_wire_raise_anything_but_ours(
    line: bytes, headers: list[bytes], body: bytes, *, is_ended: bool
) -> None:
    head = b"\r\n".join([line, *headers, b"", b""] if is_ended else [line, *headers])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            options = ClientOptions(
                f"http://127.0.0.1:{port}", retry_attempts=1, read_timeout_seconds=2
            )
            async with TrutoClient(options, token="a-token") as client:
                with suppress(TrutoError):
                    await CALLS["list"](client)

    asyncio.run(run())
