"""Walk all pages of one integrated account's groups, and complete what is partial.

Pages are followed, guarded and handed on; nothing is sent here (exchange.py does) and nothing is
known of what becomes of a page.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from truto_groups.coordination.seam import Ceiling
from truto_groups.errors import (
    AnswerTooLargeError,
    CompletionError,
    CursorRefusedError,
    EnvelopeError,
    ErrorAnswerError,
    NotFoundError,
    PaginationError,
    RetriesExhaustedError,
    TokenRejectedError,
    TooManyPagesError,
    TrutoError,
)
from truto_groups.settings.query import QueryValue
from truto_groups.text.logs import get_logger
from truto_groups.truto.bodies import MOST_OF_A_PAGE, BodyLoad
from truto_groups.truto.encoding import encode_path, encode_query, encode_text, plan_listings
from truto_groups.truto.envelope import (
    Envelope,
    MalformedError,
    read_envelope,
    read_group,
    read_ids,
)
from truto_groups.truto.exchange import Answer, Exchange
from truto_groups.truto.options import GroupsRequest
from truto_groups.truto.refusals import Subject, shorten
from truto_groups.truto.walk_results import CompleteWalk, Page, SyncStats, seal_walk

GROUPS_PATH: Final = "/unified/user-directory/groups"
PARTIAL_INTEGRATIONS: Final = frozenset({"15five", "jfrog"})

T = TypeVar("T")
_log = get_logger(__name__)


Land = Callable[[Page], Awaitable[None]]
Restart = Callable[[str], Awaitable[None]]


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
        restart: Restart | None = None,
    ) -> None:
        """Prepare a walk; it can be run once."""
        self._exchange = exchange
        self._request = request
        self._page_size = page_size
        self._land_page = land
        self._stats = stats
        self._restart = restart
        self._ceiling = Ceiling(
            f"account {request.integrated_account_id}", request.requests_per_10_seconds
        )
        self._at_once = asyncio.Semaphore(request.requests_at_once)
        self._landing = asyncio.Lock()
        self._asked_count = 0
        self._landed_count = 0
        self._is_partial = is_completed(request.integration, request.complete)

    async def run(self) -> CompleteWalk:
        """Walk every listing to its end; all of them anew, once, where a cursor is refused.

        Raises:
            TrutoError: A page could not be had, or the pages do not end.
            SettingsError: The query asks for nothing.
        """
        listings = plan_listings(self._request.query)
        restart = self._restart
        try:
            await self._walk(listings)
        except CursorRefusedError as error:
            if restart is None:
                raise
            refusal = error.message
        else:
            return self._seal()
        await restart(refusal)
        self._asked_count = self._landed_count = 0
        await self._walk(listings)
        return self._seal()

    def _seal(self) -> CompleteWalk:
        return seal_walk(page_count=self._landed_count, stats=self._stats)

    async def _walk(self, listings: Sequence[Mapping[str, QueryValue]]) -> None:
        """Walk all listings; when this ends, by an error or not, no page is landed any more."""
        await gather_all(
            self._walk_listing(query, number=number) for number, query in enumerate(listings)
        )

    async def _walk_listing(self, query: Mapping[str, QueryValue], *, number: int) -> None:
        query = {name: value for name, value in query.items() if name != "next_cursor"}
        own = {"integrated_account_id": self._request.integrated_account_id}
        # Ours last: nothing in a query may lead to another account or another page size.
        asked = encode_query({**query, **own})
        first = path = f"{GROUPS_PATH}?{encode_query({**query, **own, 'limit': self._page_size})}"
        seen = set[str]()
        while True:
            subject = self._name_page(is_continued=bool(seen))
            cursor = await self._walk_page(path, subject, query=asked, listing=number)
            if cursor is None:
                return
            self._guard(cursor, seen=seen, subject=subject)
            path = f"{first}&next_cursor={encode_text(cursor)}"

    async def _walk_page(
        self, path: str, subject: Subject, *, query: str, listing: int
    ) -> str | None:
        """Fetch, complete and land a page, and return the cursor that it leads on with."""
        with self._exchange.scales.load() as load:
            answer = await self._fetch(path, read_envelope, subject, load)
            records, byte_count = answer.value.records, answer.byte_count
            if self._is_to_be_completed(answer.value):
                group_ids = self._read_ids(records, subject)
                # The groups weigh anew, each by itself; to keep the turn could block their own.
                load.put_down()
                records, weight = await self._complete(group_ids, query=query, subject=subject)
                byte_count += weight
            await self._land(records, byte_count=byte_count, listing=listing)
        return answer.value.next_cursor

    def _is_to_be_completed(self, page: Envelope) -> bool:
        return self._request.complete != "never" and (self._is_partial or page.is_partial)

    def _name_page(self, *, is_continued: bool) -> Subject:
        self._asked_count += 1
        subject = self._name(f"List Groups, page {self._asked_count},", is_continued=is_continued)
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

    async def _fetch(
        self, path: str, read: Callable[[bytes], T], subject: Subject, load: BodyLoad
    ) -> Answer[T]:
        async with self._at_once:
            return await self._exchange.fetch(
                path, read, subject=subject, stats=self._stats, load=load, account=self._ceiling
            )

    def _read_ids(self, records: str, subject: Subject) -> list[str]:
        try:
            return read_ids(records)
        except MalformedError as error:
            reason = str(error)
        raise self._fail_completion(subject, f"a group on the page cannot be asked for: {reason}")

    async def _complete(
        self, group_ids: Sequence[str], *, query: str, subject: Subject
    ) -> tuple[str, int]:
        """Read groups whole: the JSON text of their array, and the bytes of all answers."""
        weight = 0

        async def get(group_id: str) -> str:
            nonlocal weight
            group, byte_count = await self._get_group(group_id, query=query)
            weight += byte_count
            if weight > MOST_OF_A_PAGE:
                raise self._fail_weight(subject)
            return group

        groups = await gather_all(get(group_id) for group_id in group_ids)
        return f"[{','.join(groups)}]", weight

    async def _get_group(self, group_id: str, *, query: str) -> tuple[str, int]:
        subject = self._name(f"Get Group {self._show(group_id)}")
        path = f"{GROUPS_PATH}/{encode_path(group_id)}?{query}"
        try:
            with self._exchange.scales.load() as load:
                answer = await self._fetch(path, read_group, subject, load)
        except (NotFoundError, RetriesExhaustedError, EnvelopeError, ErrorAnswerError) as error:
            reason = error.message
        else:
            answered_id, group = answer.value
            if answered_id == group_id:
                return group, answer.byte_count
            reason = f"the answer is another group, {self._show(answered_id)}"
        raise self._fail_completion(subject, reason)

    def _show(self, group_id: str) -> str:
        return repr(shorten(self._exchange.redact(group_id), 100))

    def _fail_completion(self, subject: Subject, reason: str) -> CompletionError:
        return CompletionError(
            f"{subject}, to complete a partial list, failed: {reason.rstrip('.')}.",
            advice="Nothing was published; the next sync tries again. `complete: never` in the "
            "settings file publishes the groups as the list shows them.",
            integrated_account_id=subject.integrated_account_id,
        )

    def _fail_weight(self, subject: Subject) -> AnswerTooLargeError:
        return AnswerTooLargeError(
            f"The whole groups of {subject} are larger than the {MOST_OF_A_PAGE >> 20} MB that one "
            "page may have.",
            advice="Set a smaller `page_size` for it in the settings file. Nothing was published.",
            integrated_account_id=subject.integrated_account_id,
        )

    def _name(self, what: str, *, is_continued: bool = False) -> Subject:
        request = self._request
        return Subject(what, request.integrated_account_id, request.integration, is_continued)


def is_completed(integration: str, complete: Literal["auto", "always", "never"]) -> bool:
    """Say whether an integration's lists are completed whatever Truto says of a page."""
    if complete == "auto":
        return "".join(filter(str.isalnum, integration)).casefold() in PARTIAL_INTEGRATIONS
    return complete == "always"


async def gather_all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all at once; the first failure ends the others and is raised by itself.

    A rejected token wins over what failed beside it, because it concerns every account; a refused
    cursor, after which all begins anew, loses to what would only fail again.
    """
    coroutines = list(work)
    if len(coroutines) < 2:
        return [await one for one in coroutines]
    # A TaskGroup takes a cancellation that comes while it ends for its own, before Python 3.13.
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        ended = [task for task in tasks if not task.cancelled()]
        failures = [error for error in (task.exception() for task in ended) if error is not None]
    if failures:
        raise min(failures, key=_rank)
    return [task.result() for task in tasks]


def _rank(failure: BaseException) -> int:
    if isinstance(failure, TokenRejectedError):
        return 0
    if isinstance(failure, CursorRefusedError):
        return 3
    return 2 if isinstance(failure, TrutoError) else 1
