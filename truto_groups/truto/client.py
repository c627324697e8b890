"""The calls to Truto that the pipeline needs, as one object.

Which calls there are, and what each gives; how a request is sent is exchange.py's, how pages are
walked is walk.py's.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from truto_groups.accounts.model import ListedAccount, Listing
from truto_groups.coordination.seam import Ceiling
from truto_groups.errors import AnswerTooLargeError, NotFoundError, PaginationError, TrutoError
from truto_groups.truto.account_answers import (
    UnreadableRow,
    find_groups_support,
    read_account,
    read_accounts,
)
from truto_groups.truto.bodies import MOST_OF_A_PAGE, MOST_OF_A_SMALL_ANSWER
from truto_groups.truto.encoding import encode_path, encode_query, encode_text, plan_listings
from truto_groups.truto.envelope import (
    MalformedError,
    read_envelope,
    read_object,
    read_spoiled_envelope,
)
from truto_groups.truto.exchange import Exchange
from truto_groups.truto.limits import RequestLimits
from truto_groups.truto.options import ClientOptions, GroupsRequest
from truto_groups.truto.redaction import guard_logs
from truto_groups.truto.refusals import Subject
from truto_groups.truto.retry import Headers
from truto_groups.truto.walk import GROUPS_PATH, GroupsWalk, Land, Restart
from truto_groups.truto.walk_results import CompleteWalk, SyncStats

T = TypeVar("T")

_ACCOUNTS_PATH: Final = "/integrated-account"
# Rows of accounts are small as a rule, and Truto's own default for them is 5,000; where they have
# much of their own in them, a page is too large and a smaller one is asked for.
_ACCOUNTS_ON_A_PAGE: Final = (1000, 100, 10)
_MAX_LISTING_PAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class DebugPage:
    """A page of groups in the debug format, as it came.

    Attributes:
        url: Where it was asked for; the token is in a header.
        listing_count: How many listings the query has.
        status: Of the answer; None where none came.
        headers: Names in small letters.
        body: As received: the vendor's credentials may be in it.
        records: The JSON text of the array of groups.
        error: What is wrong with the answer; None where nothing is.
    """

    url: str
    listing_count: int
    status: int | None
    headers: Headers
    body: bytes
    records: str
    error: TrutoError | None


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
            limits: The ceilings, shared with other processes through its log. None counts for
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
        restart: Restart | None = None,
    ) -> CompleteWalk:
        """Fetch all groups of an account, page by page.

        Args:
            request: What to fetch.
            land: Awaited for each page, one at a time; the listing goes on when it returns.
            stats: Counts while the walk runs, so that a failed one can be told as well.
            restart: Awaited once, before the walk begins anew because Truto refused the cursor of
                a good page, with the words of that. What was landed before is void, and pages are
                numbered from 1 again. None: the walk ends there.

        Returns:
            The proof that no page is missing.

        Raises:
            TokenRejectedError: No account can be fetched.
            TrutoError: This account cannot be fetched; what was landed of it is part of a list.
            SettingsError: The query asks for nothing.
        """
        walk = GroupsWalk(
            self._exchange,
            request,
            page_size=request.page_size or self._options.page_size,
            land=land,
            stats=stats,
            restart=restart,
        )
        return await walk.run()

    async def look_at_groups(self, request: GroupsRequest) -> DebugPage:
        """Ask for the first page of an account's groups in the debug format, once.

        Args:
            request: As for a sync; of several listings the first one is asked.

        Raises:
            RetriesExhaustedError: Requests are paused for longer than is waited.
            SettingsError: The query asks for nothing.
        """
        account = request.integrated_account_id
        listings = plan_listings(request.query)
        query = {
            **{name: value for name, value in listings[0].items() if name != "next_cursor"},
            "integrated_account_id": account,
            "limit": request.page_size or self._options.page_size,
            "truto_response_format": "debug",
        }
        path = f"{GROUPS_PATH}?{encode_query(query)}"
        ceiling = Ceiling(f"account {account}", request.requests_per_10_seconds)
        subject = Subject("List Groups, in the debug format,", account, request.integration)
        with self._exchange.scales.load() as load:
            answer, error = await self._exchange.ask_once(
                path, subject=subject, load=load, account=ceiling
            )
        return DebugPage(
            url=f"{self._options.base_url}{path}",
            listing_count=len(listings),
            status=answer.status if answer else None,
            headers=answer.headers if answer else (),
            body=answer.body if answer else b"",
            records=read_envelope(answer.body).records if answer and error is None else "[]",
            error=error,
        )

    async def list_integrated_accounts(self, *, stats: SyncStats | None = None) -> Listing:
        """List every integrated account that the token sees.

        Args:
            stats: Counts what is sent.

        Returns:
            All of the listing; never part of it.

        Raises:
            TrutoError: The listing failed or broke off, so that nothing is known.
        """
        *larger, smallest = _ACCOUNTS_ON_A_PAGE
        for page_size in larger:
            try:
                return await self._list_accounts(page_size, stats)
            except AnswerTooLargeError:
                continue
        return await self._list_accounts(smallest, stats)

    async def _list_accounts(self, page_size: int, stats: SyncStats | None) -> Listing:
        def read_page(
            body: bytes,
        ) -> tuple[list[ListedAccount | UnreadableRow], str | None]:
            page = read_spoiled_envelope(body)
            return read_accounts(page.records, redact=self._exchange.redact), page.next_cursor

        found: dict[str, ListedAccount] = {}
        unreadable: list[str] = []
        seen: set[str] = set()
        first = path = f"{_ACCOUNTS_PATH}?limit={page_size}"
        for number in range(1, _MAX_LISTING_PAGES + 1):
            subject = Subject(f"List Integrated Accounts, page {number}")
            rows, next_cursor = await self._fetch(
                path, read_page, subject, stats, most=MOST_OF_A_PAGE
            )
            for row in rows:
                if isinstance(row, UnreadableRow):
                    unreadable.append(f"row {row.number} on page {number} ({row.told})")
                else:
                    found[row.id] = row
            if next_cursor is None:
                return Listing(tuple(found.values()), tuple(unreadable))
            if next_cursor in seen:
                break
            seen.add(next_cursor)
            path = f"{first}&next_cursor={encode_text(next_cursor)}"
        raise PaginationError(
            "The pages of List Integrated Accounts never end: a cursor came twice, or there are "
            f"more than {_MAX_LISTING_PAGES}.",
            advice="No account was taken as gone. Report it to Truto's support.",
        )

    async def get_integrated_account(
        self, integrated_account_id: str, *, stats: SyncStats | None = None
    ) -> ListedAccount:
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

        def read(body: bytes) -> ListedAccount:
            account = read_account(body, redact=self._exchange.redact)
            if account.id != integrated_account_id:
                raise MalformedError("it is another account")
            return account

        return await self._fetch(path, read, subject, stats)

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
        path = f"{path}?type=unified&resource=groups"
        try:
            return find_groups_support(await self._fetch(path, read_object, subject, stats))
        except NotFoundError:
            return None

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
        return await self._fetch(path, read_object, subject, stats)

    async def _fetch(
        self,
        path: str,
        read: Callable[[bytes], T],
        subject: Subject,
        stats: SyncStats | None,
        *,
        most: int = MOST_OF_A_SMALL_ANSWER,
    ) -> T:
        with self._exchange.scales.load() as load:
            answer = await self._exchange.fetch(
                path, read, subject=subject, stats=stats or SyncStats(), load=load, most=most
            )
        return answer.value
