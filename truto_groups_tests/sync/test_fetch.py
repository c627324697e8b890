"""Fetching side by side: it waits for whoever takes the pages, and each account fails alone.

Real: the coroutines, and HTTP on loopback where a thread of its own fetches. Faked elsewhere: the
client, so that what arrives when is the test's to say.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest

from truto_groups.errors import DatabaseError, NotFoundError, TokenRejectedError, UnforeseenError
from truto_groups.sync import fetch
from truto_groups.sync.fetch import (
    AccountFetcher,
    Arrived,
    Began,
    Broken,
    Event,
    Failed,
    Fetcher,
    StartedOver,
    Walked,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import CompleteWalk, Page, SyncStats, seal_walk
from truto_groups_tests.stand import A, B, C, Stand, counting_requests, groups_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RESTART = "restart"

Step = int | str | BaseException
"""A page of so many bytes, a walk that begins anew, or what it fails with."""


class ScriptedClient:
    """A client whose walks are told beforehand, account by account."""

    def __init__(self, walks: Mapping[str, Sequence[Step]]) -> None:
        self._walks = walks

    async def walk_groups(
        self,
        request: GroupsRequest,
        *,
        land: Callable[[Page], Any],
        stats: SyncStats,
        restart: Callable[[str], Any],
    ) -> CompleteWalk:
        number = 0
        for step in self._walks[request.integrated_account_id]:
            stats.count_request()
            await asyncio.sleep(0)
            if isinstance(step, BaseException):
                raise step
            if step == RESTART:
                number = 0
                await restart("A cursor is refused.")
            else:
                number += 1
                await land(Page(number, "[]", int(step)))
        return seal_walk(page_count=number, stats=stats)


class Play:
    """An AccountFetcher on a loop that goes on only as long as the test lets it."""

    def __init__(self, walks: Mapping[str, Sequence[Step]], *, count_order: Any = None) -> None:
        self.events: list[Event] = []
        client = ScriptedClient(walks)

        @asynccontextmanager
        async def open_client() -> AsyncGenerator[Any]:
            yield client

        orders = count(1)
        self.fetcher = AccountFetcher(
            cast("Callable[[], TrutoClient]", open_client),
            accounts_at_once=8,
            count_order=count_order or (lambda: next(orders)),
            clock=lambda: NOW,
            tell=self.events.append,
        )
        for key in walks:
            self.fetcher.fetch(GroupsRequest(key, "okta"))

    async def settle_down(self) -> None:
        """Let everything happen that can happen by itself."""
        for _ in range(50):
            await asyncio.sleep(0)

    @property
    def arrived_bytes(self) -> int:
        return sum(event.page.byte_count for event in self.events if isinstance(event, Arrived))

    def of(self, key: str) -> list[Event]:
        """What happened to an account."""
        return [
            event
            for event in self.events
            if not isinstance(event, Broken) and event.integrated_account_id == key
        ]


def test_no_more_than_a_page_beyond_the_bound_waits_however_many_accounts_wait_for_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each release makes room for as much as it names, not for everybody who waits."""
    monkeypatch.setattr(fetch, "_WAITING_BYTES", 10)
    keys = [f"account {number}" for number in range(6)]

    async def run() -> None:
        stage = Play({key: [8, 8] for key in keys})
        serving = asyncio.create_task(stage.fetcher.serve())
        released = 0
        while released < 6 * 2 * 8:
            await stage.settle_down()
            waiting = stage.arrived_bytes - released
            assert waiting in (8, 16)  # 10 bytes, and the page that went beyond them
            stage.fetcher.release(8)
            released += 8
        serving.cancel()
        assert sum(isinstance(event, Walked) for event in stage.events) == 6

    asyncio.run(run())


def test_what_goes_wrong_in_the_walk_of_one_account_is_its_failure_alone() -> None:
    """Behaviour 2: foreseen or not."""
    walks: dict[str, Sequence[Step]] = {
        A: [1, ZeroDivisionError("odd")],
        B: [1, NotFoundError("gone")],
        C: [1, 1],
    }

    async def run() -> None:
        stage = Play(walks)
        serving = asyncio.create_task(stage.fetcher.serve())
        await stage.settle_down()
        assert not serving.done()
        serving.cancel()
        unforeseen, foreseen, whole = (stage.of(key)[-1] for key in (A, B, C))
        assert isinstance(unforeseen, Failed)
        assert isinstance(unforeseen.error, UnforeseenError)
        assert A in str(unforeseen.error)
        assert "ZeroDivisionError: odd" in str(unforeseen.error)
        assert isinstance(foreseen, Failed)
        assert (foreseen.error.kind, foreseen.stats.request_count) == ("not_found", 2)
        assert isinstance(whole, Walked)
        assert whole.walk.page_count == 2

    asyncio.run(run())


def test_a_cancellation_that_nobody_asked_for_is_the_failure_of_its_account() -> None:
    """Its worker goes on: a group of tasks would take it for an end and say nothing."""
    keys = [f"account {number}" for number in range(20)]

    async def run() -> None:
        stage = Play({key: [1, asyncio.CancelledError("odd")] for key in keys} | {C: [1]})
        serving = asyncio.create_task(stage.fetcher.serve())
        await stage.settle_down()
        serving.cancel()
        for key in keys:
            failed = stage.of(key)[-1]
            assert isinstance(failed, Failed)
            assert isinstance(failed.error, UnforeseenError)
            assert "CancelledError: odd" in str(failed.error)
            assert failed.stats.request_count == 2
        assert isinstance(stage.of(C)[-1], Walked)

    asyncio.run(run())


def test_fetching_that_is_ended_tells_no_failure_of_what_was_under_way() -> None:
    async def run() -> None:
        stage = Play({A: [1] * 40, B: [1] * 40})
        serving = asyncio.create_task(stage.fetcher.serve())
        for _ in range(10):
            await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert {type(event) for event in stage.events} == {Began, Arrived}

    asyncio.run(run())


@pytest.mark.parametrize(
    "error", [TokenRejectedError("no"), DatabaseError("full"), MemoryError()], ids=repr
)
def test_what_no_account_can_be_blamed_for_ends_the_fetching(error: BaseException) -> None:
    async def run() -> None:
        stage = Play({A: [1, error], B: [1] * 40})
        with pytest.raises(type(error)):
            await stage.fetcher.serve()
        assert not any(isinstance(event, Failed) for event in stage.events)

    asyncio.run(run())


def test_a_first_request_that_cannot_be_counted_ends_the_fetching() -> None:
    def count_order() -> int:
        raise DatabaseError("The count cannot be written.")

    async def run() -> None:
        stage = Play({A: [1]}, count_order=count_order)
        with pytest.raises(DatabaseError, match="count"):
            await stage.fetcher.serve()
        assert stage.events == []

    asyncio.run(run())


def test_an_account_begins_when_its_first_request_leaves_and_once() -> None:
    async def run() -> None:
        stage = Play({A: [1, RESTART, 2, 3]})
        serving = asyncio.create_task(stage.fetcher.serve())
        await stage.settle_down()
        serving.cancel()
        assert [type(event) for event in stage.of(A)] == [
            Began,
            Arrived,
            StartedOver,
            Arrived,
            Arrived,
            Walked,
        ]
        assert stage.events[0] == Began(A, answer_order=1, at=NOW)
        walked = stage.events[-1]
        assert isinstance(walked, Walked)
        assert walked.walk.page_count == 2  # of the second walk alone

    asyncio.run(run())


def test_nothing_more_comes_of_an_account_that_was_given_up() -> None:
    async def run() -> None:
        stage = Play({A: [1] * 200, B: [1] * 30})
        serving = asyncio.create_task(stage.fetcher.serve())
        await asyncio.sleep(0)
        stage.fetcher.give_up(A)
        await stage.settle_down()
        await stage.settle_down()
        serving.cancel()
        assert not any(isinstance(event, Failed | Walked) for event in stage.of(A))
        assert len(stage.of(A)) < 10
        assert isinstance(stage.of(B)[-1], Walked)

    asyncio.run(run())


def open_fetcher(stand: Stand, *, accounts_at_once: int, token: str | None = None) -> Fetcher:
    options = ClientOptions(stand.server.base_url, page_size=10, requests_per_10_seconds=0)
    orders = count(1)
    return Fetcher(
        lambda: TrutoClient(options, token=token or stand.server.token),
        accounts_at_once=accounts_at_once,
        count_order=lambda: next(orders),
        clock=lambda: NOW,
    )


def take_all(fetcher: Fetcher) -> list[Event]:
    """Take what arrives until nothing more does."""
    events: list[Event] = []
    while (event := fetcher.next_event(timeout=0.3 if events else 20)) is not None:
        events.append(event)
    return events


@pytest.mark.slow
def test_no_more_pages_are_fetched_than_may_wait_until_some_are_released(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_WAITING_BYTES", 1)
    for key in (A, B):
        stand.put(key, groups_of(50))
    with counting_requests(stand) as asked, open_fetcher(stand, accounts_at_once=2) as fetcher:
        for key in (A, B):
            fetcher.fetch(GroupsRequest(key, "okta"))
        taken = events = take_all(fetcher)
        # One page waits to be released, and of each account one more to be handed on.
        assert sum(isinstance(event, Arrived) for event in taken) == 1
        assert len(asked) <= 3
        while sum(isinstance(event, Walked) for event in events) < 2:
            for event in taken:
                if isinstance(event, Arrived):
                    fetcher.release(event.page.byte_count)
            taken = take_all(fetcher)
            events = [*events, *taken]
    assert len(asked) == sum(isinstance(event, Arrived) for event in events) == 10


def test_a_rejected_token_is_the_last_that_comes(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    with open_fetcher(stand, accounts_at_once=1, token="another") as fetcher:
        fetcher.fetch(GroupsRequest(A, "okta"))
        events = take_all(fetcher)
    assert [type(event) for event in events] == [Began, Broken]
    assert isinstance(events[1], Broken)
    assert isinstance(events[1].error, TokenRejectedError)
