"""Walk all pages of one integrated account's groups, and complete what is partial.

Pages are followed, guarded and handed on; nothing is sent here (exchange.py does) and nothing is
known of what becomes of a page.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from truto_groups.client.encoding import encode_path, encode_query, plan_listings
from truto_groups.client.envelope import (
    Envelope,
    MalformedError,
    read_envelope,
    read_group,
    read_ids,
)
from truto_groups.client.exchange import Answer, Exchange
from truto_groups.client.options import GroupsRequest
from truto_groups.client.refusals import Subject
from truto_groups.errors import (
    CompletionError,
    EnvelopeError,
    NotFoundError,
    PaginationError,
    RetriesExhaustedError,
    TokenRejectedError,
    TooManyPagesError,
    TrutoError,
)
from truto_groups.limits import Ceiling
from truto_groups.logs import get_logger
from truto_groups.query import QueryValue
from truto_groups.walks import CompleteWalk, Page, SyncStats, seal_walk

GROUPS_PATH: Final = "/unified/user-directory/groups"
PARTIAL_INTEGRATIONS: Final = frozenset({"15five", "jfrog"})

T = TypeVar("T")
_log = get_logger(__name__)


Land = Callable[[Page], Awaitable[None]]


class GroupsWalk:
    """One walk over the groups of one account."""

    def __init__(
        self,
        exchange: Exchange,
        request: GroupsRequest,
        *,
        page_size: int,
        land: Land,
        stats: SyncStats,
    ) -> None:
        """Prepare a walk; it can be run once."""
        self._exchange = exchange
        self._request = request
        self._page_size = page_size
        self._land_page = land
        self._stats = stats
        self._ceiling = Ceiling(
            f"account {request.integrated_account_id}", request.requests_per_10_seconds
        )
        self._at_once = asyncio.Semaphore(request.requests_at_once)
        self._landing = asyncio.Lock()
        self._asked_count = 0
        self._landed_count = 0
        self._is_partial = is_completed(request.integration, request.complete)

    async def run(self) -> CompleteWalk:
        """Walk every listing to its end.

        Raises:
            TrutoError: A page could not be had, or the pages do not end.
            SettingsError: The query asks for nothing.
        """
        listings = plan_listings(self._request.query)
        await gather_all(
            self._walk_listing(query, number=number) for number, query in enumerate(listings)
        )
        return seal_walk(page_count=self._landed_count, stats=self._stats)

    async def _walk_listing(self, query: Mapping[str, QueryValue], *, number: int) -> None:
        query = {name: value for name, value in query.items() if name != "next_cursor"}
        own = {"integrated_account_id": self._request.integrated_account_id}
        # Ours last: nothing in a query may lead to another account or another page size.
        asked = encode_query({**query, **own})
        first = f"{GROUPS_PATH}?{encode_query({**query, **own, 'limit': self._page_size})}"
        path, seen = first, set[str]()
        while True:
            subject = self._name_page()
            answer = await self._fetch(path, subject)
            page = self._open(answer, subject)
            records = page.records
            if self._request.complete != "never" and (self._is_partial or page.is_partial):
                records = await self._complete(records, query=asked, subject=subject)
            await self._land(records, byte_count=len(answer.body), listing=number)
            if page.next_cursor is None:
                return
            self._guard(page.next_cursor, seen=seen, subject=subject)
            path = f"{first}&next_cursor={quote(page.next_cursor, safe='')}"

    def _name_page(self) -> Subject:
        self._asked_count += 1
        subject = self._name(f"List Groups, page {self._asked_count},")
        if self._asked_count > self._request.max_pages:
            raise TooManyPagesError(
                f"{subject} would be more than the {self._request.max_pages} pages allowed.",
                advice="Raise `max_pages` in the settings file if the account is that large; "
                "nothing was published.",
                integrated_account_id=subject.integrated_account_id,
            )
        return subject

    def _guard(self, cursor: str, *, seen: set[str], subject: Subject) -> None:
        if cursor in seen:
            raise PaginationError(
                f"{subject} leads back to a page seen before: the pages never end.",
                advice="Nothing was published. The integration's paging is broken at Truto: report "
                "it to Truto's support with this account's id.",
                integrated_account_id=subject.integrated_account_id,
            )
        seen.add(cursor)

    def _open(self, answer: Answer, subject: Subject) -> Envelope:
        try:
            return read_envelope(answer.body)
        except MalformedError as error:
            reason = str(error)
        raise build_envelope_error(subject, reason, answer, redact=self._exchange.redact)

    async def _land(self, records: str, *, byte_count: int, listing: int) -> None:
        async with self._landing:
            self._landed_count += 1
            page = Page(self._landed_count, records, byte_count, listing)
            await self._land_page(page)
        _log.debug(
            "Landed page %d of integrated account %s: %d bytes",
            page.number,
            self._request.integrated_account_id,
            byte_count,
        )

    async def _fetch(self, path: str, subject: Subject) -> Answer:
        async with self._at_once:
            return await self._exchange.fetch(
                path, subject=subject, stats=self._stats, account=self._ceiling
            )

    async def _complete(self, records: str, *, query: str, subject: Subject) -> str:
        try:
            group_ids = read_ids(records)
        except MalformedError as error:
            reason = str(error)
        else:
            groups = await gather_all(self._get_group(one, query=query) for one in group_ids)
            return f"[{','.join(groups)}]"
        raise self._fail_completion(subject, f"a group on the page cannot be asked for: {reason}")

    async def _get_group(self, group_id: str, *, query: str) -> str:
        subject = self._name(f"Get Group {self._exchange.redact(group_id)!r}")
        path = f"{GROUPS_PATH}/{encode_path(group_id)}?{query}"
        try:
            answer = await self._fetch(path, subject)
            answered_id, group = read_group(answer.body)
        except (NotFoundError, RetriesExhaustedError) as error:
            reason = error.message
        except MalformedError as error:
            reason = f"the answer is not a group: {error}"
        else:
            if answered_id == group_id:
                return group
            reason = f"the answer is another group, {self._exchange.redact(answered_id)!r}"
        raise self._fail_completion(subject, reason)

    def _fail_completion(self, subject: Subject, reason: str) -> CompletionError:
        return CompletionError(
            f"{subject}, to complete a partial list, failed: {reason.rstrip('.')}.",
            advice="Nothing was published; the next sync tries again. `complete: never` in the "
            "settings file publishes the groups as the list shows them.",
            integrated_account_id=subject.integrated_account_id,
        )

    def _name(self, what: str) -> Subject:
        return Subject(what, self._request.integrated_account_id, self._request.integration)


def is_completed(integration: str, complete: Literal["auto", "always", "never"]) -> bool:
    """Say whether an integration's lists are completed whatever Truto says of a page."""
    if complete == "auto":
        return "".join(filter(str.isalnum, integration)).casefold() in PARTIAL_INTEGRATIONS
    return complete == "always"


def build_envelope_error(
    subject: Subject, reason: str, answer: Answer, *, redact: Callable[[str], str]
) -> EnvelopeError:
    """Tell that an answer with status 200 is not what Truto documents, without its body."""
    kind = redact(answer.content_type[:100]) or "nothing"
    return EnvelopeError(
        f"The answer to {subject} is not what Truto documents: {redact(reason)} "
        f"(it calls itself {kind}, {len(answer.body)} bytes).",
        advice="Nothing was taken from it. If this stays, check the base URL and whether a proxy "
        "answers in Truto's place, then ask Truto's support.",
        integrated_account_id=subject.integrated_account_id,
    )


async def gather_all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all at once; the first failure ends the others and is raised by itself.

    A rejected token wins over what failed beside it, because it concerns every account.
    """
    coroutines = list(work)
    if len(coroutines) == 1:
        return [await coroutines[0]]
    failures: list[BaseException]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in coroutines]
    except BaseExceptionGroup as error:
        failures = list(error.exceptions)
    else:
        return [task.result() for task in tasks]
    raise min(failures, key=_rank)


def _rank(failure: BaseException) -> int:
    if isinstance(failure, TokenRejectedError):
        return 0
    return 2 if isinstance(failure, TrutoError) else 1
