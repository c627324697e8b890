"""Ask Truto for integrated accounts and contracts from code that has no event loop.

Each call opens a client, asks, and closes it. What the answers mean is accounts/listing.py's and
contracts/declared.py's.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from truto_groups.accounts.model import ListedAccount, Listing
from truto_groups.errors import RetriesExhaustedError, TokenRejectedError, TrutoError
from truto_groups.truto import TrutoClient

T = TypeVar("T")
OpenClient = Callable[[], TrutoClient]

_AT_ONCE = 8


def list_accounts(open_client: OpenClient, *, within_seconds: float | None = None) -> Listing:
    """List all integrated accounts of the token's environment.

    Args:
        open_client: Makes the client.
        within_seconds: After which the listing fails, all its pages and retries together; None:
            however long they take.

    Raises:
        TrutoError: The listing failed or broke off; part of it is never returned.
    """

    async def run() -> Listing:
        async with open_client() as client, _limit(within_seconds, "list the integrated accounts"):
            return await client.list_integrated_accounts()

    return asyncio.run(run())


def look_up_accounts(
    open_client: OpenClient, integrated_account_ids: Sequence[str]
) -> dict[str, ListedAccount | TrutoError]:
    """Get single accounts; an error stands in the place of one that could not be had.

    Raises:
        TokenRejectedError: Truto refuses the token.
    """
    return _ask_all(
        open_client,
        integrated_account_ids,
        lambda client, key: client.get_integrated_account(key),
    )


def ask_support(
    open_client: OpenClient,
    integrated_account_ids: Sequence[str],
    *,
    within_seconds: float | None = None,
) -> dict[str, bool | TrutoError | None]:
    """Ask through accounts whether their integrations list groups.

    Args:
        open_client: Makes the client.
        integrated_account_ids: The accounts.
        within_seconds: After which a question that is not answered has failed; None: never.

    Returns:
        By account: the answer, None when it does not tell, or the error.

    Raises:
        TokenRejectedError: Truto refuses the token.
    """
    return _ask_all(
        open_client,
        integrated_account_ids,
        lambda client, key: client.supports_groups(key),
        within_seconds=within_seconds,
    )


def read_declared_contracts(
    open_client: OpenClient, integrations: Sequence[str]
) -> dict[str, dict[str, object] | TrutoError]:
    """Read what integrations declare of List Groups; an error stands in the place of an answer.

    Raises:
        TokenRejectedError: Truto refuses the token.
    """
    return _ask_all(
        open_client, integrations, lambda client, key: client.read_declared_contract(key)
    )


def _ask_all(
    open_client: OpenClient,
    keys: Sequence[str],
    ask: Callable[[TrutoClient, str], Awaitable[T]],
    *,
    within_seconds: float | None = None,
) -> dict[str, T | TrutoError]:
    async def run() -> dict[str, T | TrutoError]:
        at_once = asyncio.Semaphore(_AT_ONCE)
        async with open_client() as client:

            async def ask_one(key: str) -> T | TrutoError:
                try:
                    async with _limit(within_seconds, "answer what was asked"), at_once:
                        return await ask(client, key)
                except TokenRejectedError:
                    raise
                except TrutoError as error:
                    return error

            answers = await asyncio.gather(*(ask_one(key) for key in keys))
        return dict(zip(keys, answers, strict=True))

    return asyncio.run(run()) if keys else {}


@asynccontextmanager
async def _limit(seconds: float | None, what: str) -> AsyncGenerator[None]:
    """End what takes longer with an error of its own."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise RetriesExhaustedError(
            f"Truto did not {what} within {seconds:g} s, which is all the time that there was.",
            advice="Nothing was changed; the next tick tries again, and `truto-groups sync` waits "
            "longer. If it stays like this, look at Truto's status page.",
        ) from None
