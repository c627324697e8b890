"""What only a real connection shows: concurrency, cancelling, compression, throttling, redirects.

Real HTTP on loopback against a scripted server; instants are compared with each other only.
"""

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.errors import (
    EnvelopeError,
    NotFoundError,
    RedirectRefusedError,
    RetriesExhaustedError,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.limits import RequestLimits
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    reply_json,
    run_server,
)

EMPTY = reply_json({"result": []})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


async def land(page: Page) -> None:
    pass


def build_client(
    server: ScriptedServer, *, limits: RequestLimits | None = None, attempts: int = 3
) -> TrutoClient:
    options = ClientOptions(server.base_url, retry_attempts=attempts)
    return TrutoClient(options, token="a-token", limits=limits, jitter=lambda: 0.0)


async def walk(
    client: TrutoClient, account: str, *, at_once: int = 4, organizations: int = 1
) -> SyncStats:
    stats = SyncStats()
    request = GroupsRequest(
        account,
        "okta",
        query={"organization_id": [str(number) for number in range(organizations)]},
        requests_at_once=at_once,
    )
    await client.walk_groups(request, land=land, stats=stats)
    return stats


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_requests_of_an_account_are_under_way_than_allowed(
    server: ScriptedServer, at_once: int
) -> None:
    server.answer = lambda asked: Reply(EMPTY.body, seconds=0.03)

    async def run() -> None:
        async with build_client(server) as client:
            await walk(client, "a", at_once=at_once, organizations=9)

    asyncio.run(run())
    assert server.most_at_once == at_once
    assert len(server.asked) == 9


def test_completions_share_the_bound_of_the_account(server: ScriptedServer) -> None:
    groups = [{"id": str(number)} for number in range(8)]

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/groups"):
            return reply_json({"result": groups, "is_partial_response": True})
        return Reply(json.dumps({"id": asked.path.rsplit("/", 1)[1]}).encode(), seconds=0.03)

    server.answer = answer

    async def run() -> SyncStats:
        async with build_client(server) as client:
            return await walk(client, "a", at_once=3)

    assert asyncio.run(run()).request_count == 9
    assert server.most_at_once == 3


def test_accounts_are_fetched_at_once_and_a_slow_one_delays_no_other(
    server: ScriptedServer,
) -> None:
    def answer(asked: Asked) -> Reply:
        is_slow = asked.query["integrated_account_id"] == "slow"
        return Reply(EMPTY.body, seconds=30 if is_slow else 0)

    server.answer = answer

    async def run() -> bool:
        async with build_client(server) as client:
            slow = asyncio.create_task(walk(client, "slow"))
            # No more than the server lets wait to be connected: the next would try again after 1 s.
            await asyncio.gather(*(walk(client, f"quick {number}") for number in range(4)))
            was_waiting = not slow.done()
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            return was_waiting

    assert asyncio.run(run())
    assert len(server.asked) == 5


@pytest.mark.parametrize("where", ["answer", "backoff", "pause", "landing"])
def test_a_cancelled_walk_ends_at_once(server: ScriptedServer, where: str) -> None:
    replies = {
        "answer": Reply(EMPTY.body, seconds=30),
        "backoff": reply_json({}, status=503, retry_after="60"),
        "pause": reply_json({}, status=429, retry_after="60"),
        "landing": EMPTY,
    }
    server.answer = lambda asked: replies[where]

    async def land_for_ever(page: Page) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        async with build_client(server) as client:
            request = GroupsRequest("a", "okta", query={"organization_id": ["1", "2", "3"]})
            task = asyncio.create_task(
                client.walk_groups(request, land=land_for_ever, stats=SyncStats())
            )
            while len(server.asked) < 3:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 10  # not the 30 or 60 s of what it waited for


def test_the_first_failure_of_an_account_ends_its_other_requests(server: ScriptedServer) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.query["organization_id"] == "0":
            return reply_json({}, status=404)
        return Reply(EMPTY.body, seconds=30)

    server.answer = answer

    async def run() -> None:
        async with build_client(server) as client:
            with pytest.raises(NotFoundError):
                await walk(client, "a", organizations=4)

    asyncio.run(run())
    assert len(server.asked) <= 4


@pytest.mark.parametrize("end", [0, 1, 20, -1])
def test_a_page_that_ends_with_its_connection_before_its_json_does_is_asked_for_again(
    server: ScriptedServer, end: int
) -> None:
    body = json.dumps({"result": [{"id": "1"}]}).encode()
    server.answer = lambda asked: Reply(
        body[:end] if len(server.asked) == 1 else body, has_length=False
    )

    async def run() -> SyncStats:
        async with build_client(server) as client:
            return await walk(client, "a")

    assert asyncio.run(run()).retry_count == 1


def test_a_page_of_the_length_that_it_says_is_not_asked_for_again_for_broken_json(
    server: ScriptedServer,
) -> None:
    server.answer = lambda asked: Reply(b'{"result": [')

    async def run() -> None:
        async with build_client(server) as client:
            await walk(client, "a")

    with pytest.raises(EnvelopeError, match="truncated"):
        asyncio.run(run())
    assert len(server.asked) == 1


def test_a_compressed_page_is_read(server: ScriptedServer) -> None:
    text = json.dumps({"result": [{"id": "1"}]})
    server.answer = lambda asked: Reply(
        gzip.compress(text.encode()), headers={"content-encoding": "gzip"}
    )

    async def run() -> SyncStats:
        async with build_client(server) as client:
            return await walk(client, "a")

    assert asyncio.run(run()).byte_count == len(text)
    assert "gzip" in server.asked[0].headers["accept-encoding"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("told", "is_of_account"),
    [
        ({"truto_is_remote_error": True}, True),
        ({"message": "Too many requests for this integrated account"}, True),
        ({"message": "Too many requests"}, False),
    ],
    ids=["the app", "the account", "the token"],
)
def test_throttling_slows_the_account_or_the_token_and_nobody_else(
    server: ScriptedServer, told: dict[str, object], *, is_of_account: bool
) -> None:
    throttled: list[float] = []
    others: list[float] = []
    # The other must come while the token waits, on a busy machine too.
    seconds = 1 if is_of_account else 2

    def answer(asked: Asked) -> Reply:
        if asked.query["integrated_account_id"] == "other":
            others.append(time.monotonic())
        elif not throttled:
            throttled.append(time.monotonic())
            return reply_json(told, status=429, retry_after=str(seconds))
        return EMPTY

    server.answer = answer

    async def run() -> tuple[SyncStats, SyncStats]:
        async with build_client(server) as client:
            first = asyncio.create_task(walk(client, "throttled"))
            while not throttled:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)
            other = await walk(client, "other")
            return await first, other

    first, other = asyncio.run(run())
    assert (first.request_count, first.retry_count) == (2, 1)
    assert first.throttled_seconds > 0.1
    # Another account that is not slowed comes when it comes, on a busy machine late.
    assert is_of_account or others[0] - throttled[0] >= seconds
    assert (other.throttled_seconds == 0.0) is is_of_account


@pytest.mark.long
def test_the_ceilings_hold_on_the_wire_over_two_clients_of_one_file(
    server: ScriptedServer, tmp_path: Path
) -> None:
    arrivals: list[float] = []

    def answer(asked: Asked) -> Reply:
        arrivals.append(time.monotonic())
        return EMPTY

    server.answer = answer
    window = 0.4
    instants: list[float] = []

    def clock() -> float:
        instants.append(time.monotonic())
        return instants[-1]

    def open_limits() -> RequestLimits:
        log = FileStartLog(tmp_path / "limits", window_seconds=window, clock=clock)
        return RequestLimits(log)

    async def run() -> None:
        options = ClientOptions(server.base_url, requests_per_10_seconds=8)
        first = open_limits()
        second = open_limits()
        async with (
            TrutoClient(options, token="a-token", limits=first) as one,
            TrutoClient(options, token="a-token", limits=second) as other,
        ):
            await asyncio.gather(
                walk(one, "a", organizations=10), walk(other, "b", organizations=10)
            )
        first.close()
        second.close()

    asyncio.run(run())
    assert len(arrivals) == 20
    # How long requests are under way differs, but none arrives before its window has begun.
    early = [at for n, at in enumerate(sorted(arrivals)) if at - instants[0] < n // 8 * window]
    assert early == []


def test_a_redirect_to_another_server_never_shows_it_the_token(server: ScriptedServer) -> None:
    with run_server() as elsewhere:
        elsewhere.answer = lambda asked: EMPTY
        server.answer = lambda asked: Reply(
            status=302, headers={"location": f"{elsewhere.base_url}/x"}
        )

        async def run() -> None:
            async with build_client(server) as client:
                with pytest.raises(RedirectRefusedError):
                    await walk(client, "a")

        asyncio.run(run())
        assert elsewhere.asked == []


def test_a_server_that_goes_away_in_the_middle_is_an_error() -> None:
    with run_server() as server:
        server.answer = lambda asked: reply_json(
            {"result": [], "next_cursor": "2"}, connection="close"
        )

        async def close(page: Page) -> None:
            await asyncio.to_thread(server.close)

        async def run() -> None:
            async with build_client(server, attempts=2) as client:
                with pytest.raises(RetriesExhaustedError, match="page 2"):
                    await client.walk_groups(
                        GroupsRequest("a", "okta"), land=close, stats=SyncStats()
                    )

        asyncio.run(run())


@pytest.mark.long
def test_a_server_that_drips_an_answer_is_not_waited_for_beyond_patience(
    server: ScriptedServer,
) -> None:
    server.answer = lambda asked: Reply(b" " * 600 + EMPTY.body, drip_seconds=0.1)
    options = ClientOptions(
        server.base_url,
        retry_attempts=1,
        retry_seconds=0.5,
        connect_timeout_seconds=0.5,
        read_timeout_seconds=0.5,
    )

    async def run() -> None:
        async with TrutoClient(options, token="a-token") as client:
            with pytest.raises(RetriesExhaustedError, match="no whole answer within 1 s"):
                await walk(client, "a")

    asyncio.run(asyncio.wait_for(run(), 20))
