"""Fetch many accounts side by side, in a thread of its own, and hand on what comes.

The event loop lives here; whoever receives stays free of it. What becomes of a page is the
receiver's business, but no more than a few pages wait for it: then fetching waits too.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from truto_groups.client import GroupsRequest, TrutoClient
from truto_groups.errors import TokenRejectedError, TrutoGroupsError
from truto_groups.logs import get_logger
from truto_groups.walks import CompleteWalk, Page, SyncStats

logger = get_logger(__name__)

_WAITING_BYTES = 48 << 20
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A page of an account."""

    integrated_account_id: str
    page: Page


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


Event = Arrived | Walked | Failed | Broken


class Fetcher:
    """Fetches the accounts that it is given, so many at once, until it is stopped.

    Use it in a ``with``: leaving it ends every request that is under way.
    """

    def __init__(self, open_client: Callable[[], TrutoClient], *, accounts_at_once: int) -> None:
        """Prepare; nothing is fetched before ``with``."""
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._open_client = open_client
        self.accounts_at_once = accounts_at_once
        self._loop = asyncio.new_event_loop()
        self._requests: asyncio.Queue[GroupsRequest] = asyncio.Queue()
        self._room = asyncio.Event()
        self._waiting_bytes = 0
        self._cancelled: set[str] = set()
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="truto-fetcher", daemon=True)

    def __enter__(self) -> "Fetcher":
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever is under way."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(_STOP_SECONDS)

    def fetch(self, request: GroupsRequest) -> None:
        """Fetch an account as soon as it is its turn."""
        self._call(self._requests.put_nowait, request)

    def give_up(self, integrated_account_id: str) -> None:
        """Fetch no more of an account whose pages proved to be useless."""
        self._call(self._cancelled.add, integrated_account_id)

    def release(self, byte_count: int) -> None:
        """Say that pages of this size wait no longer."""
        self._call(self._make_room, byte_count)

    def _call(self, function: Callable[..., object], argument: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, argument)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the thread that can tell it
            self.events.put(Broken(error))

    def _stop(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _make_room(self, byte_count: int) -> None:
        self._waiting_bytes -= byte_count
        self._room.set()

    async def _serve(self) -> None:
        self._main = asyncio.current_task()
        try:
            async with self._open_client() as client, asyncio.TaskGroup() as group:
                for _ in range(self.accounts_at_once):
                    group.create_task(self._work(client))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _work(self, client: TrutoClient) -> None:
        while True:
            request = await self._requests.get()
            await self._fetch(client, request)

    async def _fetch(self, client: TrutoClient, request: GroupsRequest) -> None:
        stats = SyncStats()
        account_id = request.integrated_account_id

        async def land(page: Page) -> None:
            if account_id in self._cancelled:
                raise _GaveUpError
            while self._waiting_bytes > _WAITING_BYTES:
                self._room.clear()
                await self._room.wait()
            self._waiting_bytes += page.byte_count
            self.events.put(Arrived(account_id, page))

        try:
            walk = await client.walk_groups(request, land=land, stats=stats)
        except TokenRejectedError:
            raise
        except _GaveUpError:
            return
        except TrutoGroupsError as error:
            self.events.put(Failed(account_id, error, stats))
        else:
            self.events.put(Walked(account_id, walk))


class _GaveUpError(Exception):
    pass
