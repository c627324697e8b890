"""One database, the Truto beside it, and the programs that run on both, each as if on its own.

What a program is (a run, with its clock, its connections and its luck) is put together here; which
programs there are and what befalls them is history.py's.
"""

import contextlib
import hashlib
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import httpx

from truto_groups.accounts.discovery import discover_accounts
from truto_groups.session import Session
from truto_groups.settings import Settings, read_settings, resolve_knobs
from truto_groups.sync import fetch as fetching_module
from truto_groups.sync import pipeline as pipeline_module
from truto_groups.sync.fetch import AccountFetcher, Broken, Event
from truto_groups.sync.refresh import PassedOver, refresh_accounts, replay_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto import exchange as exchange_module
from truto_groups.truto.limits import RequestLimits
from truto_groups.warehouse.database import Database
from truto_groups_tests.simulation.disk import Disk, Sabotage, keep_folder, make_empty_file
from truto_groups_tests.simulation.scheduling import Program, Scheduler
from truto_groups_tests.simulation.truto import (
    ACCOUNTS_PATH,
    PARTIAL,
    Account,
    Conduct,
    Truto,
    Version,
    change_records,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE_URL = "http://127.0.0.1:9"
MOST_ACCOUNTS = 6

# Whose step it is: a coroutine of one program may be run by the thread of another.
_owner: ContextVar[str] = ContextVar("owner")

# What an account may become from one version to the next is not what is tried here.
_SETTINGS = """
truto: {retry_attempts: 3, retry_seconds: 30}
defaults: {volume: {max_fall: 1.0, max_rise: 1000, hold_back: false}, unmapped_limit: 1.0}
"""


@dataclass
class Luck:
    """What befalls a program besides what Truto and the disk do.

    Attributes:
        clock_error: What its clock is ahead of the right time.
        cancelled_at: The number of the wait, from 1, that ends with a KeyboardInterrupt.
        killed_at: The number of the wait that ends the program.
        left_after: After so many results nobody takes them any more.
    """

    clock_error: timedelta = timedelta()
    cancelled_at: int | None = None
    killed_at: int | None = None
    left_after: int | None = None


@dataclass
class Run:
    """A program that refreshes accounts, and what became of it.

    Attributes:
        id: Of the run.
        keys: The accounts that it is to refresh.
        conduct: How Truto treats it.
        sabotage: What befalls its statements.
        luck: What befalls itself.
        program: Its thread.
        results: What it told.
        is_left: Whether somebody stopped taking its results.
        wait_count: How often it waited for the next event.
    """

    id: str
    keys: Sequence[str]
    conduct: Conduct = field(default_factory=Conduct)
    sabotage: Sabotage = field(default_factory=Sabotage)
    luck: Luck = field(default_factory=Luck)
    program: Program = field(default_factory=lambda: Program("none"))
    results: list[AccountResult | PassedOver] = field(
        default_factory=list[AccountResult | PassedOver]
    )
    is_left: bool = False
    wait_count: int = 0

    @property
    def has_been_stopped(self) -> bool:
        """Whether somebody, or something, ended it before its end."""
        return self.is_left or self.sabotage.is_dead or self.program.error is not None


class World:
    """Everything that a history changes."""

    def __init__(self, random: Random, folder: Path, *, account_count: int) -> None:
        self.random = random
        self.folder = folder
        self.scheduler = Scheduler(random)
        self.loop = self.scheduler.loop
        self.truto = Truto(random, make_accounts(random, account_count))
        self.keys = list(self.truto.accounts)
        self.runs: dict[str, Run] = {}
        self.trace: list[str] = []
        self._nobody = Sabotage()
        self.disk = Disk(self._find_sabotage)
        self._ticks = 0
        self.database = Database(str(folder / "groups.duckdb"))
        self.accounts_at_once = random.choice([1, 2, 3, 8])
        self.ceiling = random.choice([0, 0, 2, 20])

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        """Let all that reads time or the disk read this world's."""
        real_time = exchange_module.time
        exchange_module.time = SimpleNamespace(monotonic=self.loop.time)
        try:
            with self.disk.inserted(), self._thresholds():
                yield
        finally:
            exchange_module.time = real_time

    def note(self, text: str) -> None:
        """Write what has happened."""
        name = self.scheduler.current.name
        self.trace.append(f"{self.loop.time() - 1000:.3f} {name}: {text}")

    def pass_time(self, seconds: float) -> None:
        """Let happen what happens by itself within so many seconds."""
        self.scheduler.wait(bool, seconds=seconds)

    def clock_of(self, luck: Luck) -> Callable[[], datetime]:
        """The clock of a program's machine; no two readings are the same."""

        def clock() -> datetime:
            self._ticks += 1
            right = timedelta(seconds=self.loop.time() - 1000, microseconds=self._ticks)
            return START + timedelta(days=1) + right + luck.clock_error

        return clock

    def start(self, run: Run) -> Run:
        """Let a run begin."""
        self.runs[run.id] = run
        session = self.session(run)

        def work() -> None:
            _owner.set(run.id)
            self.note(f"begins with {len(run.keys)} accounts")
            results = refresh_accounts(
                session,
                run.keys,
                run_id=run.id,
                open_fetcher=partial(SimulatedFetcher, self, run),
            )
            for result in results:
                run.results.append(result)
                self.note(_tell(result))
                if len(run.results) == run.luck.left_after:
                    run.is_left = True
                    results.close()  # pyright: ignore[reportAttributeAccessIssue]
                    return

        run.program = self.scheduler.start(run.id, work)
        return run

    def start_work(self, name: str, work: Callable[[Session], object]) -> Program:
        """Let something else begin that works on the same database."""
        run = Run(name, ())
        self.runs[name] = run
        session = self.session(run)

        def own_work() -> None:
            _owner.set(name)
            work(session)

        run.program = self.scheduler.start(name, own_work)
        return run.program

    def session(self, run: Run) -> Session:
        """What a run works with."""
        knobs = resolve_knobs(
            {
                "accounts_at_once": self.accounts_at_once,
                "page_size": self.random.choice([1, 2, 3]),
                "requests_per_10_seconds_per_account": self.ceiling,
            },
            section=_read_settings().truto,
            base_url=BASE_URL,
        )
        options = ClientOptions(
            base_url=knobs.base_url,
            page_size=knobs.page_size,
            accounts_at_once=knobs.accounts_at_once,
            retry_attempts=knobs.retry_attempts,
            retry_seconds=knobs.retry_seconds,
            requests_per_10_seconds=5 * self.ceiling,
        )

        def open_client() -> TrutoClient:
            limits = RequestLimits(clock=self.loop.time)
            transport = _Transport(self, run)
            jitter = self.random.random
            return TrutoClient(
                options, token="token", limits=limits, transport=transport, jitter=jitter
            )

        return Session(
            _read_settings(),
            knobs,
            self.database,
            lambda: open_client,
            clock=self.clock_of(run.luck),
            monotonic=self.loop.time,
        )

    def discover(self, session: Session) -> None:
        """List the accounts, as the sensor does."""
        found = discover_accounts(
            session, partition_keys=[], in_flight=(), run_id="discovery", is_removing=False
        )
        self.note(f"listed {found.listed_count}")

    def replay(self, session: Session) -> None:
        """Rebuild all groups from raw records."""
        for result in replay_accounts(session, self.keys, run_id="replay"):
            self.note(_tell(result))

    def _find_sabotage(self) -> Sabotage:
        run = self.runs.get(_owner.get(""))
        return self._nobody if run is None else run.sabotage

    @contextlib.contextmanager
    def _thresholds(self) -> Generator[None]:
        """Let few accounts and small pages meet what many and large ones meet."""
        few = self.random.random() < 0.7
        landed_together = self.random.choice([50, 200, 1000])
        values: dict[Any, dict[str, int]] = {
            pipeline_module: {
                "_PAGES_LANDED_TOGETHER": self.random.choice([1, 2, 5]),
                "_BYTES_LANDED_TOGETHER": landed_together,
                "_ACCOUNTS_SETTLED_TOGETHER": self.random.choice([1, 3, 250]),
                "_BYTES_SETTLED_TOGETHER": self.random.choice([300, 3000, 30_000]),
                "_BYTES_SETTLED_AT_THE_END": self.random.choice([300, 3000, 30_000]),
                "_SECONDS_TO_WAIT": self.random.choice([1, 10, 30]),
                "_SECONDS_BETWEEN_RECORDS": self.random.choice([0, 10, 60]),
            },
            # What is landed at last must have had room to arrive.
            fetching_module: {"_WAITING_BYTES": landed_together * self.random.choice([1, 3])},
        }
        with contextlib.ExitStack() as stack:
            for module, names in values.items() if few else ():
                for name, value in names.items():
                    stack.callback(setattr, module, name, getattr(module, name))
                    setattr(module, name, value)
            yield


class SimulatedFetcher:
    """An AccountFetcher on the world's loop, in the place of one in a thread of its own."""

    def __init__(
        self, world: World, run: Run, open_client: Callable[[], TrutoClient], **options: Any
    ) -> None:
        self.accounts_at_once = options["accounts_at_once"]
        self._world, self._run = world, run
        self._events: deque[Event] = deque()
        self._fetcher = AccountFetcher(open_client, tell=self._events.append, **options)

    def __enter__(self) -> "SimulatedFetcher":
        """Let the world's loop fetch."""
        self._main = self._world.loop.create_task(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        """End what is under way; a program that died does not wait for it."""
        self._main.cancel()
        if not self._run.sabotage.is_dead:
            self._world.scheduler.wait(self._main.done, seconds=5)

    def fetch(self, request: GroupsRequest) -> None:
        self._world.loop.call_soon(self._fetcher.fetch, request)

    def give_up(self, integrated_account_id: str) -> None:
        self._world.loop.call_soon(self._fetcher.give_up, integrated_account_id)

    def release(self, byte_count: int) -> None:
        self._world.loop.call_soon(self._fetcher.release, byte_count)

    def next_event(self, *, timeout: float | None) -> Event | None:
        run = self._run
        run.wait_count += 1
        self._world.scheduler.wait(lambda: bool(self._events), seconds=timeout)
        if run.wait_count == run.luck.cancelled_at:
            self._world.note("is cancelled")
            raise KeyboardInterrupt
        if run.wait_count == run.luck.killed_at:
            self._world.note("is killed")
            run.sabotage.kill()
        return self._events.popleft() if self._events else None

    async def _serve(self) -> None:
        try:
            await self._fetcher.serve()
        except Exception as error:  # noqa: BLE001 - as Fetcher hands it on
            self._events.append(Broken(error))


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, world: World, run: Run) -> None:
        self._world, self._run = world, run

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == ACCOUNTS_PATH:
            response = self._world.truto.list_accounts()
            # Not on the world's loop: others go on while this program waits for the answer.
            self._world.scheduler.wait(bool, seconds=self._world.random.random() * 5)
            return response
        if request.url.path.startswith(ACCOUNTS_PATH):
            return httpx.Response(404, json={})
        path = request.url.raw_path.decode().removeprefix("/unified/user-directory/")
        self._world.trace.append(f"{self._world.loop.time() - 1000:.3f} {self._run.id} asks {path}")
        response = await self._world.truto.answer(request, self._run.conduct)
        self._world.trace.append(f"  {response.status_code} to {path}")
        response.request = request
        return response


def make_world(random: Random, folder: Path, *, account_count: int) -> World:
    """Make a world whose database knows its accounts, none of which was ever synced."""
    shutil.copy(_make_database(), folder / "groups.duckdb")
    return World(random, folder, account_count=account_count)


def digest_trace(trace: Sequence[str]) -> str:
    """Digest of all that has happened."""
    return hashlib.sha256("\n".join(trace).encode()).hexdigest()[:16]


def make_accounts(random: Random, count: int) -> list[Account]:
    """Make the accounts that a new database knows of, with what they hold at first."""
    accounts: list[Account] = []
    for key, integration in _list_ids()[:count]:
        records: tuple[str, ...] = ()
        for _ in range(random.randrange(6)):
            records = change_records(random, records)
        accounts.append(Account(key, integration, [Version(1, records)]))
    return accounts


def _list_ids() -> list[tuple[str, str]]:
    kinds = ["okta", "okta", PARTIAL, "gitlab", "okta", "asana"]
    return [
        (f"{number:08x}-0000-4000-8000-{number:012x}", kinds[number])
        for number in range(MOST_ACCOUNTS)
    ]


def _tell(result: AccountResult | PassedOver) -> str:
    if isinstance(result, PassedOver):
        return f"{result.integrated_account_id[:8]} passed over"
    attempt = result.attempt
    return f"{attempt.integrated_account_id[:8]} {attempt.outcome} {attempt.error_kind or ''}"


@cache
def _read_settings() -> Settings:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(_SETTINGS)
        file.flush()
        return read_settings(Path(file.name))


@cache
def _make_database() -> Path:
    """A database that knows all accounts, made once: its tables take longer than a history."""
    random = Random(0)
    world = World(random, keep_folder(), account_count=MOST_ACCOUNTS)
    make_empty_file(world.database.location)
    world.discover(world.session(Run("first", ())))
    return Path(world.database.location)
