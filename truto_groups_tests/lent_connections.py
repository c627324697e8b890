"""Connections to DuckDB that outlive who uses them, for tests that work in this process.

To open and close one takes longer than most of what is done through it. What its last user left is
undone before the next one has it; where that cannot be told for sure, it is closed for good.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import duckdb
import pytest

from truto_groups.sync import land as staging_module
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.statements import statements

MAKING_ROOM = (
    "ATTACH ':memory:' AS staging",
    *statements("instants"),
    *statements("staging"),
)
"""What a staging begins with, and what is there still for the next one."""

# Comments and texts, in which anything may stand.
_QUOTED = re.compile(r"--[^\n]*|'[^']*'")
_SETTING = re.compile(r"SET (?!VARIABLE)")
# Who did only these has left nothing.
_HARMLESS = re.compile(
    r"(SELECT|FROM|WITH|VALUES|DESCRIBE|EXPLAIN|BEGIN|COMMIT|ROLLBACK|USE|DETACH|CHECKPOINT|INSERT|"
    r"UPDATE|DELETE|MERGE|COMMENT|ALTER|RESET VARIABLE|CREATE (OR REPLACE )?(TABLE|VIEW|MACRO))\b"
)
_LEFT = (
    (re.compile(r"ATTACH .* AS (\w+)( \([^)]*\))?"), "DETACH DATABASE IF EXISTS {}"),
    (re.compile(r"SET VARIABLE (\w+) = .*"), "RESET VARIABLE {}"),
    (re.compile(r"CREATE OR REPLACE TEMP TABLE (\w+) .*", re.DOTALL), "DROP TABLE IF EXISTS {}"),
    (re.compile(r"CREATE OR REPLACE TEMP MACRO (\w+)\(.*", re.DOTALL), "DROP MACRO IF EXISTS {}"),
)
# The rest of what a connection can do may leave anything.
_HARMLESS_CALLS = frozenset(
    {"description", "fetchall", "fetchone", "fetchmany", "interrupt", "register", "unregister"}
)


class LentConnection:
    """A connection that knows what its user leaves, and what it need not do again."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.is_spoilt = False
        self._settings: dict[str, Any] = {}
        self._made = 0
        self._left: dict[str, None] = {}

    @property
    def is_set(self) -> bool:
        """Whether something was set for good."""
        return bool(self._settings)

    def execute(self, text: str, *arguments: Any) -> Any:
        if _SETTING.match(text):
            if self._settings.get(text) == arguments:
                return _NOTHING_TO_FETCH
            self.connection.execute(text, *arguments)
            self._settings[text] = arguments
            return _NOTHING_TO_FETCH
        if text in MAKING_ROOM:
            position = MAKING_ROOM.index(text)
            if position < self._made:
                return _NOTHING_TO_FETCH
            self._made = position + 1
        else:
            left = _find_left(text)
            if left is None:
                self.is_spoilt = True
            else:
                self._left.update(left)
        return self.connection.execute(text, *arguments)

    def clean(self) -> None:
        """Undo what its last user left, so that the next one finds it as new."""
        for text in ("ROLLBACK", "USE memory", *self._left):
            with contextlib.suppress(duckdb.Error):
                self.connection.execute(text)
        self._left.clear()
        if self._made == len(MAKING_ROOM):
            self.connection.execute("DELETE FROM staging.landed")
        elif self._made:
            self.connection.execute("DETACH staging")
            self._made = 0


class _Nothing:
    def fetchall(self) -> list[tuple[Any, ...]]:
        return []


_NOTHING_TO_FETCH = _Nothing()


@lru_cache(1000)
def _find_left(text: str) -> dict[str, None] | None:
    """What undoes what a statement leaves in the connection; None where that is not known."""
    text = _QUOTED.sub("", text).strip("; \n")
    if ";" in text:
        return None
    for pattern, undo in _LEFT:
        if found := pattern.fullmatch(text):
            return {undo.format(found[1]): None}
    return {} if _HARMLESS.match(text) else None


Pool = list[LentConnection]


class _Borrowed:
    """What whoever opens a connection gets in its place."""

    def __init__(self, lent: LentConnection, pool: Pool) -> None:
        self._lent: LentConnection | None = lent
        self._pool = pool

    def execute(self, text: str, *arguments: Any) -> Any:
        lent = self._open()
        try:
            return lent.execute(text, *arguments)
        except BaseException:
            lent.is_spoilt = True
            raise

    def close(self) -> None:
        lent, self._lent = self._lent, None
        if lent is None:
            return
        # A staging sets the same each time; of others nobody knows what it was before.
        lent.is_spoilt |= lent.is_set and self._pool is not _STAGING
        if not lent.is_spoilt:
            lent.clean()
        if lent.is_spoilt:
            lent.connection.close()
        else:
            self._pool.append(lent)

    def __getattr__(self, name: str) -> Any:
        """Everything else is DuckDB's."""
        lent = self._open()
        lent.is_spoilt |= name not in _HARMLESS_CALLS
        return getattr(lent.connection, name)

    def _open(self) -> LentConnection:
        if self._lent is None:
            raise duckdb.ConnectionException("Connection Error: Connection already closed!")
        return self._lent


_PRIVATE: Pool = []
_STAGING: Pool = []
_CONNECT = database_module.connect


def _lend_from(pool: Pool) -> Callable[..., Any]:
    def connect(**options: Any) -> Any:
        if options:  # a connection of its own kind
            return _CONNECT(**options)
        return _Borrowed(pool.pop() if pool else LentConnection(_CONNECT()), pool)

    return connect


@contextlib.contextmanager
def lent_connections() -> Iterator[None]:
    """Until the block ends, lend what is there to whoever opens a private connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_module, "connect", _lend_from(_PRIVATE))
        patch.setattr(staging_module, "connect", _lend_from(_STAGING))
        yield
