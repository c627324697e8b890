"""Hold the ceilings on requests in any ten seconds, over all processes of this machine.

Counts requests, nothing else: what a request is, and which answer means "slow down", is truto/'s
to know. Processes that are given the same file share one log of starts and one set of pauses.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from truto_groups.errors import DatabaseError

# The server counts arrivals, and we space out departures: a slow handshake can bring two of them
# nearer together. Costs 3.8 % of the ceiling, which leaves more than the 95 % that we promise.
SAFETY_MARGIN: Final = 0.04
# A key that was slowed down is back at its full ceiling this long after its pause.
RECOVERY_SECONDS: Final = 60.0
# Whatever a server says, and whatever the file does: nothing is kept waiting for longer.
LONGEST_PAUSE_SECONDS: Final = 3600.0
BUSY_SECONDS: Final = 5.0
SMALLEST_SHARE: Final = 1 / 16

_SCHEMA = """
create table if not exists starts (
    key text not null, turn integer not null, at real not null, primary key (key, turn)
) without rowid;
create table if not exists slowdowns (
    key text not null primary key, at real not null, paused_until real not null, share real not null
) without rowid;
create table if not exists reasons (
    key text not null primary key, told text not null
) without rowid;
"""
# SQLite keeps in a column whatever it was given, and somebody else may have given it.
_READ_START = "select cast(at as real) from starts where key = ? and turn = ?"
_READ_SLOWDOWN = """
select cast(at as real), cast(paused_until as real), cast(share as real)
from slowdowns where key = ?
"""
_UNUSABLE = (sqlite3.Error, OSError, ValueError, TypeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """At most ``requests`` starts under ``key`` in any window; 0 is no ceiling."""

    key: str
    requests: int


class PausedTooLongError(Exception):
    """Nothing may start for longer than the caller can wait.

    Attributes:
        seconds: For how long.
        key: Of the ceiling that is paused.
        told: What asked for the pause, in the words of whoever was asked; empty where not known.
    """

    def __init__(self, seconds: float, *, key: str, told: str) -> None:
        super().__init__(f"paused for {seconds:.0f} s more")
        self.seconds = seconds
        self.key = key
        self.told = told


class _Pause(NamedTuple):
    """Until when nothing may start, under which key, and what asked for it."""

    until: float
    key: str = ""
    told: str = ""


# Not pyrate-limiter (4.5 was tried): its file is shared by processes and serves in order of
# arrival, but a request takes one bucket at a time, so that an account's turn is spent while the
# token has no room (10 counted, 2 sent); and a bucket's rate is fixed, without a pause after a 429
# that other processes see too.
class RequestLimits:
    """A sliding window over the starts of requests, shared through an SQLite file.

    One request may have to respect several ceilings (its account's and the token's): it starts
    when all of them have room, and is counted under all of them at once. Waiting requests of a
    process are served first come, first served, and one that waits for its account holds up no
    other account. Belongs to one event loop.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        window_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the limits; the file is opened at the first request that has a ceiling.

        Args:
            path: SQLite file that other processes share; None keeps the log in this process.
            window_seconds: Length of the window that a ceiling counts in.
            clock: Seconds since a point that is the same for all processes of the machine, which
                the monotonic clock's is until the machine restarts.
        """
        self._path = path
        self._window = window_seconds * (1 + SAFETY_MARGIN)
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._turns: dict[str, asyncio.Lock] = {}
        self._pauses: dict[str, _Pause] = {}
        self._claims = 0

    def __enter__(self) -> "RequestLimits":
        """Nothing is opened before it is needed."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    @property
    def path(self) -> Path | None:
        """The file that remembers, or None when only this process does."""
        return self._path

    def close(self) -> None:
        """Close the file; it is opened again when it is needed again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    async def wait_for(
        self, account: Ceiling | None, token: Ceiling, *, longest_pause: float = inf
    ) -> float:
        """Wait until one more request may start, and count it.

        Args:
            account: The ceiling of the integrated account that the request is for, if any.
            token: The ceiling of the token, over all accounts.
            longest_pause: Seconds of a pause that are worth waiting for. Waiting for room under a
                ceiling is ordinary and has no bound.

        Returns:
            The seconds that were waited because Truto had asked to slow down; waiting for room
            under a ceiling is ordinary and not in it.

        Raises:
            PausedTooLongError: Nothing may start for longer than that, here or, by the word of
                another process, since before this one.
            DatabaseError: The shared file cannot be used.
        """
        ceilings = (token,) if account is None else (account, token)
        started = self._clock()
        until = started + longest_pause
        if not any(ceiling.requests for ceiling in ceilings):
            await self._wait_out_pauses(ceilings, until=until)
        elif account is None:
            await self._take_turn(ceilings, token, until=until)
        else:
            async with self._turn(account.key):
                await self._take_turn(ceilings, token, until=until)
        return self._find_throttled(ceilings, since=started)

    def slow_down(self, ceiling: Ceiling, *, seconds: float, told: str = "") -> None:
        """Let no request start under a key for some seconds, then start again at half speed.

        A key that is paused already is not halved again: the answers to requests that were under
        way together are one and the same message.

        Args:
            ceiling: The key, with the ceiling that is normally in force for it.
            seconds: Length of the pause from now on; an hour is the longest.
            told: What asks for it, for whoever has to wait.

        Raises:
            DatabaseError: The shared file cannot be used.
        """
        now = self._clock()
        until = now + min(max(0.0, seconds), LONGEST_PAUSE_SECONDS)
        self._remember_pause(_Pause(until, ceiling.key, told))
        if not ceiling.requests:
            return
        try:
            database = self._begin()
            try:
                paused_until, share = _read_slowdown(database, ceiling.key, now=now)
                if paused_until <= now:
                    share = max(share / 2, SMALLEST_SHARE)
                database.execute(
                    "insert or replace into slowdowns values (?, ?, ?, ?)",
                    (ceiling.key, now, max(paused_until, until), share),
                )
                if until >= paused_until:
                    database.execute(
                        "insert or replace into reasons values (?, ?)", (ceiling.key, told)
                    )
            finally:
                database.execute("commit")
        except _UNUSABLE as error:
            raise self._explain(error) from error

    def _turn(self, key: str) -> asyncio.Lock:
        lock = self._turns.get(key)
        if lock is None:
            lock = self._turns[key] = asyncio.Lock()
        return lock

    async def _take_turn(
        self, ceilings: tuple[Ceiling, ...], token: Ceiling, *, until: float
    ) -> None:
        while True:
            async with self._turn(token.key):
                while True:
                    wait, is_token = self._claim(ceilings, token=token)
                    if wait <= 0:
                        return
                    self._guard_pauses(ceilings, until=until)
                    if not is_token:
                        break
                    await asyncio.sleep(wait)
            await asyncio.sleep(wait)

    async def _wait_out_pauses(self, ceilings: tuple[Ceiling, ...], *, until: float) -> None:
        while (wait := self._find_pause(ceilings)) > 0:
            self._guard_pauses(ceilings, until=until)
            await asyncio.sleep(wait)

    def _guard_pauses(self, ceilings: tuple[Ceiling, ...], *, until: float) -> None:
        pause = self._find_longest(ceilings)
        now = self._clock()
        if max(now, pause.until) > until:
            raise PausedTooLongError(max(0.0, pause.until - now), key=pause.key, told=pause.told)

    def _find_pause(self, ceilings: tuple[Ceiling, ...]) -> float:
        """For how many seconds more nothing may start, as far as this process has seen."""
        return max(0.0, self._find_longest(ceilings).until - self._clock())

    def _find_longest(self, ceilings: tuple[Ceiling, ...]) -> _Pause:
        nothing = _Pause(0.0)
        if not self._pauses:
            return nothing
        return max(self._pauses.get(one.key, nothing) for one in ceilings)

    def _remember_pause(self, pause: _Pause) -> None:
        self._pauses[pause.key] = max(pause, self._pauses.get(pause.key, pause))

    def _find_throttled(self, ceilings: tuple[Ceiling, ...], *, since: float) -> float:
        if not self._pauses:
            return 0.0
        return max(0.0, min(self._find_longest(ceilings).until, self._clock()) - since)

    def _claim(self, ceilings: tuple[Ceiling, ...], *, token: Ceiling) -> tuple[float, bool]:
        """Count one start now, or say how long to wait, and whether it is the token that waits."""
        try:
            database = self._begin()
            try:
                # Read inside the transaction: turns are then in the order of their instants.
                now = self._clock()
                longest = (0.0, True)
                starts: list[tuple[str, int, float]] = []
                for ceiling in ceilings:
                    wait, turn = self._find_room(database, ceiling, now=now)
                    if wait > longest[0]:
                        longest = (wait, ceiling is token)
                    if ceiling.requests:
                        starts.append((ceiling.key, turn, now))
                if longest[0] <= 0:
                    database.executemany("insert or replace into starts values (?, ?, ?)", starts)
                    self._forget_old_starts(database, now=now)
                return longest
            finally:
                database.execute("commit")
        except _UNUSABLE as error:
            raise self._explain(error) from error

    def _find_room(
        self, database: sqlite3.Connection, ceiling: Ceiling, *, now: float
    ) -> tuple[float, int]:
        """How long until there is room for one more start, and which turn it would be."""
        if not ceiling.requests:
            return self._pauses.get(ceiling.key, _Pause(0.0)).until - now, 0
        paused_until, share = _read_slowdown(database, ceiling.key, now=now)
        if paused_until > now:
            told = _read_reason(database, ceiling.key)
            self._remember_pause(_Pause(paused_until, ceiling.key, told))
            return paused_until - now, 0
        last = database.execute(
            "select turn from starts where key = ? order by turn desc limit 1", (ceiling.key,)
        ).fetchone()
        turn = 1 if last is None else int(last[0]) + 1
        allowed = max(1, int(ceiling.requests * share))
        first = database.execute(_READ_START, (ceiling.key, turn - allowed)).fetchone()
        # An instant in the future was written before the machine restarted.
        if first is None or first[0] > now:
            return 0.0, turn
        return first[0] + self._window - now, turn

    def _forget_old_starts(self, database: sqlite3.Connection, *, now: float) -> None:
        self._claims += 1
        if self._claims % 1000 == 1:
            database.execute(
                "delete from starts where at < ? or at > ?", (now - 2 * self._window, now)
            )
            # Written before the machine restarted: else it would hold again once the clock, which
            # began anew, gets there.
            database.execute("delete from slowdowns where at > ?", (now,))

    def _begin(self) -> sqlite3.Connection:
        if self._database is None:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                ":memory:" if self._path is None else self._path,
                isolation_level=None,
                check_same_thread=False,  # one event loop, but whoever closes it may be elsewhere
                timeout=BUSY_SECONDS,
            )
            _prepare(self._database)
        self._database.execute("begin immediate")
        return self._database

    def _explain(self, error: Exception) -> DatabaseError:
        return DatabaseError(
            f"The file that holds the ceilings on requests, {self._path}, cannot be used: {error}.",
            advice="Make it writable and leave room on its disk, or delete it: it only remembers "
            "the requests of the last seconds.",
        )


def forget_keys(path: Path, part: str) -> None:
    """Forget all keys of the shared file in which a text stands, and leave nothing of them in it.

    Args:
        path: As ``RequestLimits`` was given it; nothing is done where it is not there.
        part: Say an account's id.
    """
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        for table in ("starts", "slowdowns", "reasons"):
            database.execute(f"delete from {table} where instr(key, ?) > 0", [part]).close()  # noqa: S608
        database.execute("vacuum").close()
        database.execute("pragma wal_checkpoint(truncate)").close()


def _read_slowdown(database: sqlite3.Connection, key: str, *, now: float) -> tuple[float, float]:
    """Until when the key is paused, and the share of its ceiling that it may use."""
    row = database.execute(_READ_SLOWDOWN, (key,)).fetchone()
    if row is None or row[0] > now:
        return 0.0, 1.0
    # An hour from when it was written, whoever wrote it.
    paused_until = min(float(row[1]), float(row[0]) + LONGEST_PAUSE_SECONDS)
    share = min(max(float(row[2]), SMALLEST_SHARE), 1.0)
    if paused_until > now:
        return paused_until, share
    recovered = (now - paused_until) / RECOVERY_SECONDS
    return paused_until, min(1.0, share + (1 - share) * recovered)


def _read_reason(database: sqlite3.Connection, key: str) -> str:
    row = database.execute("select told from reasons where key = ?", (key,)).fetchone()
    return "" if row is None else str(row[0])


def _prepare(database: sqlite3.Connection) -> None:
    """Set up a new file, or find it set up; several processes may be at it."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            # Two processes that turn one new file to WAL do not wait for each other by themselves.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return
