"""Connections to DuckDB that fail, or whose program dies, at a chosen statement.

What they do is real. A program that died lets go of its connections without a commit, and gets
nothing more done; opening them anew is dear, so they are cleaned and lent to the next one.
"""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import duckdb

from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.statements import statement, statements

Kind = Literal["statement", "write", "landing", "commit"]
Harm = Literal["full", "full for good", "no memory", "unforeseen", "killed", "cancelled"]

_LAND = statement("land/land")
_MAKING_ROOM = (
    "ATTACH ':memory:' AS staging",
    *statements("land/instants"),
    *statements("land/staging"),
)
_FILE_OPTIONS = "ROW_GROUP_SIZE 8192, STORAGE_VERSION 'v1.4.0'"
_WRITING = ("INSERT", "UPDATE", "DELETE", "CREATE")
# These undo: DuckDB reports no failure of theirs, and a signal that hits them is as good as later.
_NEVER_HARMED = ("ROLLBACK", "DETACH", "USE", "SET")
_CLEANING = ("ROLLBACK", "USE memory", "DETACH warehouse")


class Killed(BaseException):
    """The program is no more."""


@dataclass
class Sabotage:
    """What befalls the statements of one program.

    Attributes:
        harm: What happens; None: nothing.
        at: The number, from 1, of the statement that it happens to.
        kind: Which statements are counted.
        is_after: Whether the statement is done before the program dies or is cancelled.
        counts: How many there were of each kind.
        has_struck: Whether it has happened.
        is_dead: Whether the program was killed.
        has_lost_count: Whether first requests could not be counted for a while.
    """

    harm: Harm | None = None
    at: int = 1
    kind: Kind = "statement"
    is_after: bool = False
    counts: dict[str, int] = field(default_factory=dict[str, int])
    has_struck: bool = False
    is_dead: bool = False
    has_lost_count: bool = False
    lent: "list[SimulatedConnection]" = field(default_factory=list["SimulatedConnection"])

    def kill(self) -> None:
        """Let the program die: what it has not committed is gone."""
        self.is_dead = True
        for connection in self.lent[:]:
            connection.close()
        raise Killed

    def strikes(self, kinds: Sequence[Kind]) -> bool:
        """Count a statement, and say whether it is harmed."""
        for kind in kinds:
            self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.harm is None or self.kind not in kinds:
            return False
        if self.harm == "full for good":
            is_hit = self.counts[self.kind] >= self.at
        else:
            is_hit = self.counts[self.kind] == self.at
        self.has_struck |= is_hit
        return is_hit


class SimulatedConnection:
    """A connection that fails when its program's sabotage says so."""

    def __init__(self, lent: "Lent", sabotage: Sabotage, give_back: "GiveBack") -> None:
        self._lent = lent
        self._connection = lent.connection
        self._sabotage = sabotage
        self._give_back = give_back
        self._is_open = True
        sabotage.lent.append(self)

    def execute(self, text: str, *arguments: Any) -> Any:
        sabotage = self._sabotage
        if sabotage.is_dead or not self._is_open:
            raise Killed
        kinds = _classify(text)
        if not kinds or not sabotage.strikes(kinds):
            return self._lent.execute(text, *arguments)
        if sabotage.is_after and sabotage.harm in ("killed", "cancelled"):
            self._lent.execute(text, *arguments)
        if "commit" in kinds and sabotage.harm not in ("killed", "cancelled"):
            self._connection.execute("ROLLBACK")  # a COMMIT that fails has ended the transaction
        raise self._harm(text)

    def cursor(self) -> "SimulatedConnection":
        cursor = Lent(self._connection.cursor())
        return SimulatedConnection(cursor, self._sabotage, lambda one: one.connection.close())

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._sabotage.lent.remove(self)
            self._give_back(self._lent)

    def __getattr__(self, name: str) -> Any:
        """Everything else is DuckDB's."""
        if self._sabotage.is_dead:
            raise Killed
        return getattr(self._connection, name)

    def _harm(self, text: str) -> BaseException:
        match self._sabotage.harm:
            case "killed":
                self._sabotage.kill()
            case "cancelled":
                return KeyboardInterrupt()
            case "no memory":
                return duckdb.OutOfMemoryException("Out of Memory Error: simulated")
            case "unforeseen":
                return duckdb.ConversionException("Conversion Error: simulated")
            case _ if text == "COMMIT":
                return duckdb.TransactionException("TransactionContext Error: simulated, disk full")
            case _:
                return duckdb.IOException("IO Error: simulated, no space left on device")
        raise AssertionError


class Lent:
    """A connection that outlives who uses it, and knows what it need not do again.

    To make the tables of a staging, and to set what is set, takes longer than most of a history.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._settings: dict[str, Any] = {}
        self._made = 0

    def execute(self, text: str, *arguments: Any) -> Any:
        if text.startswith("SET ") and not text.startswith("SET VARIABLE"):
            if self._settings.get(text) == arguments:
                return _NOTHING_TO_FETCH
            self.connection.execute(text, *arguments)
            self._settings[text] = arguments
            return _NOTHING_TO_FETCH
        if text in _MAKING_ROOM:
            position = _MAKING_ROOM.index(text)
            if position < self._made:
                return _NOTHING_TO_FETCH
            self._made = position + 1
        return self.connection.execute(text, *arguments)

    def clean(self) -> None:
        """Undo what its last user left open, so that the next one finds it as new."""
        for text in _CLEANING:
            with contextlib.suppress(duckdb.Error):
                self.connection.execute(text)
        if self._made == len(_MAKING_ROOM):
            self.connection.execute("DELETE FROM staging.landed")
        elif self._made:
            self.connection.execute("DETACH staging")
            self._made = 0


class _Nothing:
    def fetchall(self) -> list[tuple[Any, ...]]:
        return []


_NOTHING_TO_FETCH = _Nothing()
GiveBack = Callable[[Lent], None]


class Disk:
    """Hands out connections, each to the program that asks for one."""

    def __init__(self, find_sabotage: Callable[[], Sabotage]) -> None:
        self._find_sabotage = find_sabotage

    @contextlib.contextmanager
    def inserted(self) -> Generator[None]:
        """Stand between the warehouse and DuckDB."""
        connect = self._connect_from(_PRIVATE)
        database_module.connect = connect
        database_module.lend_connection = lambda: contextlib.closing(connect())
        connect_for_staging = self._connect_from(_STAGING)

        def connect_own(self: Database, *, knows_json: bool = True) -> Any:
            del self, knows_json
            return connect_for_staging()

        Database.connect = connect_own
        try:
            yield
        finally:
            database_module.connect = _CONNECT
            database_module.lend_connection = _LEND
            Database.connect = _CONNECT_FOR_STAGING

    def _connect_from(self, pool: list[Lent]) -> Callable[..., Any]:
        def give_back(lent: Lent) -> None:
            lent.clean()
            pool.append(lent)

        def connect() -> SimulatedConnection:
            sabotage = self._find_sabotage()
            if sabotage.is_dead:
                raise Killed
            return SimulatedConnection(pool.pop() if pool else _open(), sabotage, give_back)

        return connect


_CONNECT = database_module.connect
_LEND = database_module.lend_connection
_CONNECT_FOR_STAGING = Database.connect
_PRIVATE: list[Lent] = []
_STAGING: list[Lent] = []


def _open() -> Lent:
    connection = _CONNECT()
    # Every statement works on a dozen rows: to find the best way takes longer than any way.
    connection.execute("PRAGMA disable_optimizer")
    return Lent(connection)


@lru_cache(1000)
def _classify(text: str) -> Sequence[Kind]:
    """Say what a statement counts as; nothing for those that are never harmed."""
    if text == "COMMIT":
        return ("statement", "commit")
    if text == _LAND:
        return ("statement", "landing")
    if text.startswith(_NEVER_HARMED):
        return ()
    lines = (line for line in text.splitlines() if line and not line.startswith("--"))
    return ("statement", "write") if next(lines, "").startswith(_WRITING) else ("statement",)


@contextlib.contextmanager
def make_folder() -> Generator[Path]:
    """A folder in memory where there is room, because a disk takes longer than everything else."""
    folder = Path(tempfile.mkdtemp(prefix="truto-groups-", dir=_find_room()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _find_room() -> Path | None:
    memory = Path("/dev/shm")  # noqa: S108
    return memory if memory.is_dir() else None


def make_empty_file(location: str) -> None:
    """Make a database file of the smallest blocks, of which a history writes many."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute(f"ATTACH '{location}' AS empty (BLOCK_SIZE 16384, {_FILE_OPTIONS})")


def keep_folder() -> Path:
    """Make a folder that stays until the process ends."""
    return _KEPT.enter_context(make_folder())


_KEPT = contextlib.ExitStack()
atexit.register(_KEPT.close)
