"""The calls to Truto that the pipeline needs, as one object.

Which calls there are, and what each gives; how a request is sent is exchange.py's, how pages are
walked is walk.py's.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

import httpx

from truto_groups.client.accounts import (
    IntegratedAccount,
    find_groups_support,
    read_account,
    read_accounts,
)
from truto_groups.client.encoding import encode_path
from truto_groups.client.envelope import MalformedError, read_envelope, read_object
from truto_groups.client.exchange import Answer, Exchange
from truto_groups.client.options import ClientOptions, GroupsRequest
from truto_groups.client.refusals import Subject
from truto_groups.client.secrecy import guard_logs
from truto_groups.client.walk import (
    GROUPS_PATH,
    GroupsWalk,
    Land,
    build_envelope_error,
)
from truto_groups.errors import NotFoundError, PaginationError
from truto_groups.limits import RequestLimits
from truto_groups.walks import CompleteWalk, SyncStats

T = TypeVar("T")

_ACCOUNTS_PATH: Final = "/integrated-account"
# Rows of accounts are small, and Truto's own default for them is 5,000.
_ACCOUNTS_ON_A_PAGE: Final = 1000
_MAX_LISTING_PAGES: Final = 10_000


class TrutoClient:
    """Truto, read-only, for as long as its ``async with`` block lasts.

    All accounts share its connection pool and its token's ceiling. A cancelled call ends at once.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        token: str,
        limits: RequestLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            options: How to reach Truto.
            token: The API token. It is in no repr, log or error of this client.
            limits: The ceilings, shared with other processes where it has a file. None counts for
                this client alone. The file is closed with the client.
            transport: Stands in for the network, in tests.
            jitter: Draws the share of a backoff that is waited, from 0 to 1.

        Raises:
            SettingsError: The token is nothing that could be sent.
        """
        self._options = options
        self._exchange = Exchange(
            options, token=token, limits=limits, transport=transport, jitter=jitter
        )
        self._open = ExitStack()

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._open.enter_context(guard_logs(self._exchange.redact))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pool."""
        try:
            await self._exchange.close()
        finally:
            self._open.close()

    async def walk_groups(
        self,
        request: GroupsRequest,
        *,
        land: Land,
        stats: SyncStats,
        restart: Callable[[], Awaitable[None]] | None = None,
    ) -> CompleteWalk:
        """Fetch all groups of an account, page by page.

        Args:
            request: What to fetch.
            land: Awaited for each page, one at a time; the listing goes on when it returns.
            stats: Counts while the walk runs, so that a failed one can be told as well.
            restart: Awaited before the walk begins anew.

        Returns:
            The proof that no page is missing.

        Raises:
            TokenRejectedError: No account can be fetched.
            TrutoError: This account cannot be fetched; what was landed of it is part of a list.
            SettingsError: The query asks for nothing.
        """
        del restart
        walk = GroupsWalk(
            self._exchange, request, page_size=self._options.page_size, land=land, stats=stats
        )
        return await walk.run()

    async def list_integrated_accounts(
        self, *, stats: SyncStats | None = None
    ) -> list[IntegratedAccount]:
        """List every integrated account that the token sees.

        Args:
            stats: Counts what is sent.

        Returns:
            One entry per account in the order of the listing; never part of a listing.

        Raises:
            TrutoError: The listing failed or broke off, so that nothing is known.
        """

        def read_page(body: bytes) -> tuple[list[IntegratedAccount], str | None]:
            page = read_envelope(body)
            return read_accounts(page.records, redact=self._exchange.redact), page.next_cursor

        found: dict[str, IntegratedAccount] = {}
        seen: set[str] = set()
        first = path = f"{_ACCOUNTS_PATH}?limit={_ACCOUNTS_ON_A_PAGE}"
        for number in range(1, _MAX_LISTING_PAGES + 1):
            subject = Subject(f"List Integrated Accounts, page {number}")
            answer = await self._fetch(path, subject, stats)
            accounts, next_cursor = self._read(answer, subject, read_page)
            found |= {account.id: account for account in accounts}
            if next_cursor is None:
                return list(found.values())
            if next_cursor in seen:
                break
            seen.add(next_cursor)
            path = f"{first}&next_cursor={quote(next_cursor, safe='')}"
        raise PaginationError(
            "The pages of List Integrated Accounts never end: a cursor came twice, or there are "
            f"more than {_MAX_LISTING_PAGES}.",
            advice="No account was taken as gone. Report it to Truto's support.",
        )

    async def get_integrated_account(
        self, integrated_account_id: str, *, stats: SyncStats | None = None
    ) -> IntegratedAccount:
        """Read one integrated account.

        Args:
            integrated_account_id: Its UUID.
            stats: Counts what is sent.

        Raises:
            NotFoundError: There is none, or the token does not see it.
            TrutoError: Nothing is known.
        """
        subject = Subject("Get Integrated Account", integrated_account_id)
        path = f"{_ACCOUNTS_PATH}/{encode_path(integrated_account_id)}"
        answer = await self._fetch(path, subject, stats)
        redact = self._exchange.redact
        account = self._read(answer, subject, lambda body: read_account(body, redact=redact))
        if account.id != integrated_account_id:
            raise build_envelope_error(subject, "it is another account", answer, redact=redact)
        return account

    async def supports_groups(
        self, integrated_account_id: str, *, stats: SyncStats | None = None
    ) -> bool | None:
        """Ask whether an account's integration has groups to list.

        Args:
            integrated_account_id: The account.
            stats: Counts what is sent.

        Returns:
            None when Truto's answer does not tell.

        Raises:
            TrutoError: Truto could not be asked.
        """
        subject = Subject("Capabilities", integrated_account_id)
        path = f"{_ACCOUNTS_PATH}/{encode_path(integrated_account_id)}/capabilities"
        try:
            answer = await self._fetch(f"{path}?type=unified&resource=groups", subject, stats)
        except NotFoundError:
            return None
        return find_groups_support(self._read(answer, subject, read_object))

    async def read_declared_contract(
        self, integration: str, *, stats: SyncStats | None = None
    ) -> dict[str, object]:
        """Read what an integration declares of List Groups: fields and query parameters.

        Args:
            integration: Slug of the app.
            stats: Counts what is sent.

        Returns:
            Truto's ``meta`` answer: ``response_schema``, ``query_schema`` and more.

        Raises:
            NotFoundError: The integration maps no groups, or is not installed.
            TrutoError: Nothing is known.
        """
        subject = Subject(f"The contract of List Groups for {integration}")
        path = f"{GROUPS_PATH}/{encode_path(integration)}/meta/list"
        answer = await self._fetch(path, subject, stats)
        return self._read(answer, subject, read_object)

    async def _fetch(self, path: str, subject: Subject, stats: SyncStats | None) -> Answer:
        return await self._exchange.fetch(path, subject=subject, stats=stats or SyncStats())

    def _read(self, answer: Answer, subject: Subject, read: Callable[[bytes], T]) -> T:
        try:
            return read(answer.body)
        except MalformedError as error:
            reason = str(error)
        raise build_envelope_error(subject, reason, answer, redact=self._exchange.redact)
