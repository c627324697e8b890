"""Many requests of one walk at once: how they end. Real: the event loop; the requests are not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from truto_groups.errors import (
    CompletionError,
    CursorRefusedError,
    TokenRejectedError,
    TrutoError,
)
from truto_groups.truto.walk import gather_all


async def answer(number: int, *, after: int = 1) -> int:
    for _ in range(after):
        await asyncio.sleep(0)
    return number


async def fail(error: BaseException, *, after: int = 1) -> int:
    await answer(0, after=after)
    raise error


class Slow:
    """A request that takes a while to end when it is cancelled."""

    def __init__(self) -> None:
        self.is_ending = asyncio.Event()
        self.has_ended = False

    async def send(self) -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.is_ending.set()
            await answer(0, after=5)
            self.has_ended = True
            raise
        return 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_gathered_comes_in_the_order_in_which_it_was_asked_for(count: int) -> None:
    async def run() -> list[int]:
        return await gather_all(answer(one, after=count - one) for one in range(count))

    assert asyncio.run(run()) == list(range(count))


def test_the_first_failure_ends_the_others_and_is_raised_by_itself() -> None:
    async def run() -> None:
        slow = Slow()
        with pytest.raises(CompletionError, match="first"):
            await gather_all([slow.send(), fail(CompletionError("first")), answer(1)])
        assert slow.has_ended

    asyncio.run(run())


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_rejected_token_wins_and_a_refused_cursor_loses(is_reversed: bool) -> None:
    errors: list[TrutoError] = [CursorRefusedError("c"), CompletionError("b")]

    async def run(*raised: TrutoError) -> None:
        works: list[Coroutine[Any, Any, int]] = [fail(error) for error in raised]
        await gather_all(reversed(works) if is_reversed else works)

    with pytest.raises(CompletionError):
        asyncio.run(run(*errors))
    with pytest.raises(TokenRejectedError):
        asyncio.run(run(*errors, TokenRejectedError("a")))


def test_who_is_cancelled_while_a_failure_ends_the_others_is_cancelled() -> None:
    """Not told of the failure, upon which a fetcher that was ended would take the next account."""

    async def run() -> None:
        slow = Slow()
        gathering = asyncio.ensure_future(gather_all([slow.send(), fail(CompletionError("no"))]))
        await slow.is_ending.wait()
        gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering

    asyncio.run(run())


def test_who_is_cancelled_ends_all_that_is_under_way() -> None:
    async def run() -> None:
        slow = [Slow(), Slow()]
        gathering = asyncio.ensure_future(gather_all(one.send() for one in slow))
        await answer(0)
        gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering
        assert all(one.has_ended for one in slow)

    asyncio.run(run())
