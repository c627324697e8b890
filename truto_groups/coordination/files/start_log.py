"""When requests started, in an SQLite file that processes of one machine share.

Counts requests, nothing else: which answer means "slow down", and who waits for whom in a process,
is truto/'s to know.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from truto_groups.coordination.seam import (
    LONGEST_PAUSE_SECONDS,
    RECOVERY_SECONDS,
    SAFETY_MARGIN,
    SMALLEST_SHARE,
    WINDOW_SECONDS,
    Ceiling,
    Room,
)
from truto_groups.errors import DatabaseError

BUSY_SECONDS: Final = 5.0

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


class _Slot(NamedTuple):
    """A ceiling's room, and the turn that a start would be."""

    room: Room
    turn: int = 0


# Not pyrate-limiter (4.5 was tried): its file is shared by processes and serves in order of
# arrival, but a request takes one bucket at a time, so that an account's turn is spent while the
# token has no room (10 counted, 2 sent); and a bucket's rate is fixed, without a pause after a 429
# that other processes see too.
class FileStartLog:
    """A sliding window over the starts of requests. See the seam's StartLog.

    One call takes well under a millisecond, so that an event loop may wait for it.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        window_seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the log; the file is opened at the first start that is counted.

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
        self._claims = 0

    @property
    def remembered_in(self) -> str | None:
        """The file that remembers, or None when only this process does."""
        if self._path is None:
            return None
        return f"the file {self._path} remembers it, and may be deleted while nothing runs"

    def close(self) -> None:
        """Close the file; it is opened again when it is needed again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    async def claim(self, ceilings: Sequence[Ceiling]) -> Sequence[Room]:
        """Count one start under all of the ceilings, if all of them have room. See the seam."""
        try:
            database = self._begin()
            try:
                # Read inside the transaction: turns are then in the order of their instants.
                now = self._clock()
                slots = [self._find_slot(database, ceiling, now=now) for ceiling in ceilings]
                if all(slot.room.wait <= 0 for slot in slots):
                    starts = [
                        (ceiling.key, slot.turn, now)
                        for ceiling, slot in zip(ceilings, slots, strict=True)
                    ]
                    database.executemany("insert or replace into starts values (?, ?, ?)", starts)
                    self._forget_old_starts(database, now=now)
                return [slot.room for slot in slots]
            finally:
                database.execute("commit")
        except _UNUSABLE as error:
            raise self._explain(error) from error

    async def slow_down(self, ceiling: Ceiling, *, seconds: float, told: str) -> None:
        """Let no request start under a key for some seconds, then at half speed. See the seam."""
        try:
            database = self._begin()
            try:
                now = self._clock()
                until = now + seconds
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

    def _find_slot(self, database: sqlite3.Connection, ceiling: Ceiling, *, now: float) -> _Slot:
        paused_until, share = _read_slowdown(database, ceiling.key, now=now)
        if paused_until > now:
            told = _read_reason(database, ceiling.key)
            return _Slot(Room(paused_until - now, is_paused=True, told=told))
        last = database.execute(
            "select turn from starts where key = ? order by turn desc limit 1", (ceiling.key,)
        ).fetchone()
        turn = 1 if last is None else int(last[0]) + 1
        allowed = max(1, int(ceiling.requests * share))
        first = database.execute(_READ_START, (ceiling.key, turn - allowed)).fetchone()
        # An instant in the future was written before the machine restarted.
        if first is None or first[0] > now:
            return _Slot(Room(), turn)
        return _Slot(Room(max(0.0, first[0] + self._window - now)), turn)

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
        path: As ``FileStartLog`` was given it; nothing is done where it is not there.
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
