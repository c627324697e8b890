"""A cursor refused in mid-walk: the walk begins anew, once, and lands nothing of before.

Real HTTP on loopback against a scripted server; the client is whole.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from truto_groups.errors import (
    CursorRefusedError,
    ForbiddenError,
    NotFoundError,
    TooManyPagesError,
    TrutoError,
    find_permanent_kinds,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import CompleteWalk, Page, SyncStats
from truto_groups_tests.truto.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    reply_json,
    run_server,
)

PAGES = {
    "": {"result": [{"id": "1"}], "next_cursor": "b"},
    "b": {"result": [{"id": "2"}], "next_cursor": "c"},
    "c": {"result": [{"id": "3"}]},
}
REFUSALS: dict[str, Reply] = {
    **{str(status): reply_json({}, status=status) for status in (400, 404, 410, 422)},
    "inside a 200": reply_json({"result": [], "statusCode": 410, "error": "Gone"}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


@dataclass
class Account:
    """Everything that a walk did, in order: the ids of a page, or "restart"."""

    events: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    first_requests: list[int] = field(default_factory=list)
    stats: SyncStats = field(default_factory=SyncStats)
    complete: CompleteWalk | None = None

    async def land(self, page: Page) -> None:
        self.events += [group["id"] for group in json.loads(page.records)]
        self.numbers.append(page.number)

    async def restart(self, reason: str) -> None:
        assert "answered" in reason
        self.events.append("restart")
        self.numbers.clear()

    def walk(
        self, server: ScriptedServer, *, has_restart: bool = True, **request: object
    ) -> "Account":
        self.stats.on_first_request = lambda: self.first_requests.append(1)

        async def run() -> None:
            options = ClientOptions(server.base_url, retry_attempts=1)
            async with TrutoClient(options, token="a-token") as client:
                self.complete = await client.walk_groups(
                    GroupsRequest("account-1", "okta", **request),  # pyright: ignore[reportArgumentType]
                    land=self.land,
                    stats=self.stats,
                    restart=self.restart if has_restart else None,
                )

        asyncio.run(run())
        return self


def serve(*, refusing: Callable[[int], bool], refusal: Reply) -> Callable[[Asked], Reply]:
    """Serve the pages, and refuse the last cursor at the times that are told, from 1."""
    times = 0

    def answer(asked: Asked) -> Reply:
        nonlocal times
        cursor = asked.query.get("next_cursor", "")
        if cursor == "c":
            times += 1
            if refusing(times):
                return refusal
        return reply_json(PAGES[cursor])

    return answer


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_cursor_begins_the_walk_anew_and_only_the_second_counts(
    server: ScriptedServer, refusal: Reply
) -> None:
    server.answer = serve(refusing=lambda time: time == 1, refusal=refusal)
    account = Account().walk(server)
    assert account.events == ["1", "2", "restart", "1", "2", "3"]
    assert account.numbers == [1, 2, 3]
    assert account.complete is not None
    assert account.complete.page_count == 3
    assert account.stats.request_count == 6
    assert account.first_requests == [1]


def test_a_cursor_refused_twice_ends_the_walk_until_the_next_turn(server: ScriptedServer) -> None:
    server.answer = serve(refusing=lambda time: True, refusal=REFUSALS["410"])
    account = Account()
    with pytest.raises(CursorRefusedError, match="cursor with the page before") as caught:
        account.walk(server)
    assert account.events == ["1", "2", "restart", "1", "2"]
    assert caught.value.kind == "cursor_refused"
    assert caught.value.kind not in find_permanent_kinds()
    assert caught.value.integrated_account_id == "account-1"


def test_without_a_way_to_begin_anew_a_refused_cursor_ends_the_walk(
    server: ScriptedServer,
) -> None:
    server.answer = serve(refusing=lambda time: time == 1, refusal=REFUSALS["400"])
    account = Account()
    with pytest.raises(CursorRefusedError):
        account.walk(server, has_restart=False)
    assert account.events == ["1", "2"]


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (403, ForbiddenError)])
def test_what_refuses_the_first_page_is_no_refused_cursor(
    server: ScriptedServer, status: int, error: type[TrutoError]
) -> None:
    server.answer = lambda asked: reply_json({}, status=status)
    account = Account()
    with pytest.raises(error):
        account.walk(server)
    assert account.events == []


def test_another_refusal_in_mid_walk_begins_nothing_anew(server: ScriptedServer) -> None:
    server.answer = serve(refusing=lambda time: True, refusal=reply_json({}, status=403))
    account = Account()
    with pytest.raises(ForbiddenError):
        account.walk(server)
    assert account.events == ["1", "2"]


def test_an_account_that_is_gone_in_mid_walk_is_told_as_gone(server: ScriptedServer) -> None:
    asked_count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal asked_count
        asked_count += 1
        return reply_json(PAGES[""]) if asked_count == 1 else reply_json({}, status=404)

    server.answer = answer
    account = Account()
    with pytest.raises(NotFoundError):
        account.walk(server)
    assert account.events == ["1", "restart"]


def test_all_listings_begin_anew_and_none_lands_a_page_of_before(server: ScriptedServer) -> None:
    """While one listing is refused, the other has a page under way and one that is being landed."""
    refused = 0

    def answer(asked: Asked) -> Reply:
        nonlocal refused
        organization, cursor = asked.query["organization_id"], asked.query.get("next_cursor", "")
        groups = [{"id": f"{organization}{cursor}"}]
        if organization == "x" and cursor and not refused:
            refused += 1
            return Reply(b"{}", status=410, seconds=0.05)
        page = {"result": groups, "next_cursor": None if cursor else "2"}
        is_slow = organization == "slow" and not refused
        return Reply(json.dumps(page).encode(), seconds=0.3 if is_slow else 0.0)

    server.answer = answer

    class Slow(Account):
        async def land(self, page: Page) -> None:
            (group,) = json.loads(page.records)
            if group["id"] == "landing" and "restart" not in self.events:
                await asyncio.sleep(30)
            await super().land(page)

    account = Slow().walk(server, query={"organization_id": ["x", "slow", "landing"]})
    after = account.events[account.events.index("restart") + 1 :]
    assert sorted(after) == ["landing", "landing2", "slow", "slow2", "x", "x2"]
    assert account.numbers == [1, 2, 3, 4, 5, 6]


def test_the_page_limit_counts_anew(server: ScriptedServer) -> None:
    server.answer = serve(refusing=lambda time: time == 1, refusal=REFUSALS["410"])
    assert Account().walk(server, max_pages=3).numbers == [1, 2, 3]
    server.answer = serve(refusing=lambda time: time == 1, refusal=REFUSALS["410"])
    with pytest.raises(TooManyPagesError):
        Account().walk(server, max_pages=2)
