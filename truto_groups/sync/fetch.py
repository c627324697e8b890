"""Fetch many accounts side by side, and hand on what comes.

The coroutines know no thread: whoever runs their loop takes the events. Here that is a thread of
its own. What becomes of a page is the receiver's business, but no more than a few pages wait for
it: then fetching waits too.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from truto_groups.errors import DatabaseError, TokenRejectedError, TrutoGroupsError, tell_unforeseen
from truto_groups.truto import GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import CompleteWalk, Page, SyncStats

_WAITING_BYTES = 48 << 20
_STOP_SECONDS = 5.0
# What no account can be blamed for; everything else is the failure of the account it happened to.
_OF_ALL = (TokenRejectedError, DatabaseError, MemoryError)


@dataclass(frozen=True, slots=True)
class Began:
    """The first request of an account leaves now.

    Attributes:
        integrated_account_id: The account.
        answer_order: Counts first requests, over all runs.
        at: Aware UTC instant.
        stats: Counts what is sent, as long as the account is fetched.
    """

    integrated_account_id: str
    answer_order: int
    at: datetime
    stats: SyncStats = field(default_factory=SyncStats, compare=False)


@dataclass(frozen=True, slots=True)
class StartedOver:
    """The walk begins anew, and why: the pages of the account that arrived so far are void."""

    integrated_account_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A page of an account."""

    integrated_account_id: str
    page: Page


@dataclass(frozen=True, slots=True)
class Throttled:
    """Truto or an app asks for an account to slow down."""

    integrated_account_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Walked:
    """An account of which every page has arrived."""

    integrated_account_id: str
    walk: CompleteWalk


@dataclass(frozen=True, slots=True)
class Failed:
    """An account that could not be fetched; no more pages of it arrive."""

    integrated_account_id: str
    error: TrutoGroupsError
    stats: SyncStats


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing more arrives: the token was rejected, or the fetching itself broke."""

    error: BaseException


Event = Began | StartedOver | Arrived | Throttled | Walked | Failed | Broken


class Fetches(Protocol):
    """What a run wants of whoever fetches for it."""

    accounts_at_once: int

    def fetch(self, request: GroupsRequest) -> None:
        """Fetch an account as soon as it is its turn."""
        ...

    def give_up(self, integrated_account_id: str) -> None:
        """Fetch no more of an account whose pages proved to be useless."""
        ...

    def release(self, byte_count: int) -> None:
        """Say that pages of this size wait no longer."""
        ...

    def next_event(self, *, timeout: float | None) -> Event | None:
        """Wait so many seconds for the next event, None: for ever; None when none came."""
        ...


class OpenFetcher(Protocol):
    """Makes who fetches for one run, to be used in a ``with``."""

    def __call__(
        self,
        open_client: Callable[[], TrutoClient],
        *,
        accounts_at_once: int,
        count_order: Callable[[], int],
        clock: Callable[[], datetime],
    ) -> contextlib.AbstractContextManager[Fetches]:
        """Prepare; nothing is fetched before ``with``. The arguments are AccountFetcher's."""
        ...


class AccountFetcher:
    """The coroutines that fetch: so many accounts at once, until their task is cancelled.

    All of it belongs to one event loop.
    """

    def __init__(
        self,
        open_client: Callable[[], TrutoClient],
        *,
        accounts_at_once: int,
        count_order: Callable[[], int],
        clock: Callable[[], datetime],
        tell: Callable[[Event], None],
    ) -> None:
        """Prepare; nothing is fetched before ``serve``.

        Args:
            open_client: Makes the client.
            accounts_at_once: How many are fetched side by side.
            count_order: Counts first requests.
            clock: Gives the present as an aware UTC instant.
            tell: Takes the events.
        """
        self._open_client = open_client
        self._accounts_at_once = accounts_at_once
        self._count_order = count_order
        self._clock = clock
        self._tell = tell
        self._requests: asyncio.Queue[GroupsRequest] = asyncio.Queue()
        self._room = asyncio.Event()
        self._waiting_bytes = 0
        self._given_up: set[str] = set()

    def fetch(self, request: GroupsRequest) -> None:
        """Fetch an account as soon as it is its turn."""
        self._requests.put_nowait(request)

    def give_up(self, integrated_account_id: str) -> None:
        """Fetch no more of an account whose pages proved to be useless."""
        self._given_up.add(integrated_account_id)

    def release(self, byte_count: int) -> None:
        """Say that pages of this size wait no longer."""
        self._waiting_bytes -= byte_count
        self._room.set()

    async def serve(self) -> None:
        """Fetch what is asked for until cancelled.

        Raises:
            TokenRejectedError: Truto refuses the token.
            DatabaseError: Requests cannot be counted.
        """
        try:
            async with self._open_client() as client, asyncio.TaskGroup() as group:
                for _ in range(self._accounts_at_once):
                    group.create_task(self._work(client))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _work(self, client: TrutoClient) -> None:
        while True:
            request = await self._requests.get()
            await self._fetch(client, request)

    async def _fetch(self, client: TrutoClient, request: GroupsRequest) -> None:
        account_id = request.integrated_account_id

        def begin() -> None:
            self._tell(Began(account_id, self._count_order(), self._clock(), stats))

        async def land(page: Page) -> None:
            if account_id in self._given_up:
                raise _GaveUpError
            while self._waiting_bytes > _WAITING_BYTES:
                self._room.clear()
                await self._room.wait()
            self._waiting_bytes += page.byte_count
            self._tell(Arrived(account_id, page))

        async def restart(reason: str) -> None:
            self._tell(StartedOver(account_id, reason))

        def tell_throttled(seconds: float) -> None:
            self._tell(Throttled(account_id, seconds))

        stats = SyncStats(on_first_request=begin, on_throttled=tell_throttled)
        worker = cast("asyncio.Task[None]", asyncio.current_task())
        cancel_count = worker.cancelling()
        try:
            walk = await client.walk_groups(request, land=land, stats=stats, restart=restart)
        except _GaveUpError:
            return
        except _OF_ALL:
            raise
        except asyncio.CancelledError as error:
            if worker.cancelling() > cancel_count:
                raise
            # Nobody asked for it, a library let it out: the worker would end without a word.
            self._tell(Failed(account_id, tell_unforeseen(account_id, error), stats))
        except TrutoGroupsError as error:
            self._tell(Failed(account_id, error, stats))
        except Exception as error:  # noqa: BLE001 - it becomes this account's failure
            self._tell(Failed(account_id, tell_unforeseen(account_id, error), stats))
        else:
            self._tell(Walked(account_id, walk))


class Fetcher:
    """An AccountFetcher in a thread of its own.

    Use it in a ``with``: leaving it ends every request that is under way.
    """

    def __init__(
        self,
        open_client: Callable[[], TrutoClient],
        *,
        accounts_at_once: int,
        count_order: Callable[[], int],
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare; nothing is fetched before ``with``. The arguments are AccountFetcher's."""
        self.accounts_at_once = accounts_at_once
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._fetcher = AccountFetcher(
            open_client,
            accounts_at_once=accounts_at_once,
            count_order=count_order,
            clock=clock,
            tell=self._events.put,
        )
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="truto-fetcher", daemon=True)

    def __enter__(self) -> "Fetcher":
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever is under way."""
        self._call(self._stop)
        self._thread.join(_STOP_SECONDS)

    def fetch(self, request: GroupsRequest) -> None:
        """Fetch an account as soon as it is its turn."""
        self._call(self._fetcher.fetch, request)

    def give_up(self, integrated_account_id: str) -> None:
        """Fetch no more of an account whose pages proved to be useless."""
        self._call(self._fetcher.give_up, integrated_account_id)

    def release(self, byte_count: int) -> None:
        """Say that pages of this size wait no longer."""
        self._call(self._fetcher.release, byte_count)

    def next_event(self, *, timeout: float | None) -> Event | None:
        """Wait so many seconds for the next event, None: for ever; None when none came."""
        try:
            return self._events.get(block=timeout != 0, timeout=timeout)
        except queue.Empty:
            return None

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the thread that can tell it
            self._events.put(Broken(error))

    def _stop(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _serve(self) -> None:
        self._main = asyncio.current_task()
        await self._fetcher.serve()


class _GaveUpError(Exception):
    pass
