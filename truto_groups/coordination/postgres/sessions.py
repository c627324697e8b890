"""Sessions with the Postgres of one database: opened anew when lost, their errors told in words.

What is said in a session is the other modules' to know. An error of the driver never leaves the
folder: it may quote a part of the connection string.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import psycopg2
from psycopg2.errors import ReadOnlySqlTransaction
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from psycopg2.extensions import make_dsn, parse_dsn

from truto_groups.coordination.postgres.conninfo import DEFAULTS, bound_timeout, is_refused
from truto_groups.coordination.postgres.layout import IS_MADE, MAKE, SCHEMA
from truto_groups.coordination.seam import PATIENCE_SECONDS
from truto_groups.errors import DatabaseError
from truto_groups.text.logs import get_logger

logger = get_logger(__name__)

T = TypeVar("T")
Row = tuple[Any, ...]

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 2.0
# May heal; a standby that is about to take over is read-only until then.
_HEALING = (psycopg2.OperationalError, psycopg2.InterfaceError, ReadOnlySqlTransaction)


class Server:
    """The Postgres of one database.

    Args:
        conninfo: libpq's connection string or URI. It may hold a secret.
        patience_seconds: How long it may be away.
    """

    def __init__(self, conninfo: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._conninfo = conninfo
        self._patience_seconds = patience_seconds
        self._is_laid_out = False
        self._reached_at = -math.inf

    def connect(self, *, within_seconds: float | None = None) -> Connection:
        """Open a session in which every statement is a transaction; the tables are there.

        Args:
            within_seconds: How long each address may take to answer, at least two; None leaves it
                to the connection string.

        Raises:
            psycopg2.Error: It cannot be opened.
            DatabaseError: The connection string is none.
        """
        try:
            told = parse_dsn(self._conninfo)
        except psycopg2.ProgrammingError:
            raise DatabaseError(
                "What stands behind `ducklake:postgres:` is no connection string of Postgres.",
                advice="Set TRUTO_GROUPS_DATABASE to, say, "
                "`ducklake:postgres:host=db.example dbname=groups user=truto`.",
            ) from None
        settings = {**DEFAULTS, **told}
        if within_seconds is not None:
            settings["connect_timeout"] = bound_timeout(
                str(settings["connect_timeout"]), within_seconds=within_seconds
            )
        connection = psycopg2.connect(make_dsn(**settings))
        try:
            # A claim must see what others committed while it waited for its lock.
            connection.set_session(isolation_level="READ COMMITTED", autocommit=True)
            if not self._is_laid_out:
                _make_layout(connection)
                self._is_laid_out = True
            self._reached_at = time.monotonic()
        except BaseException:
            connection.close()
            raise
        return connection

    def retry(
        self,
        action: Callable[[], T],
        *,
        ended: threading.Event | None = None,
        until: float | None = None,
    ) -> T:
        """Do what needs the server, again and again while the server is away.

        Args:
            action: May be done more than once.
            ended: Ends the waiting when it is set.
            until: The instant of ``time.monotonic`` after which it is not tried again.

        Raises:
            DatabaseError: It was away for too long, or refuses what is asked.
        """
        ended = ended or threading.Event()
        wait = _FIRST_WAIT_SECONDS
        failing_since = None
        is_told = False
        while True:
            began = time.monotonic()
            try:
                return action()
            except psycopg2.Error as error:
                failed = time.monotonic()
                # What waited for long on a server had it until then.
                had_it = began < self._reached_at < failed - self._patience_seconds
                if failing_since is None or had_it:
                    failing_since, wait = failed, _FIRST_WAIT_SECONDS
                # A session that was lost is opened anew in the meantime, as a rule.
                elif not is_told and _may_heal(error):
                    is_told = True
                    logger.warning(
                        "Postgres, through which runs are coordinated, is away (%s). It is waited "
                        "for, for up to %.0f s.",
                        _first_line(error),
                        self._patience_seconds if until is None else max(0.0, until - failed),
                    )
                is_over = failed - failing_since > self._patience_seconds or (
                    until is not None and failed >= until
                )
                if is_over or not _may_heal(error):
                    raise explain(error) from None
            # Not all that wait at the same instant.
            pause = wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
            if until is not None:
                pause = min(pause, max(0.0, until - time.monotonic()))
            if ended.wait(pause):
                raise DatabaseError("Postgres was away, and is not waited for any longer.")
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


class PostgresSession:
    """A session for short statements, of any thread; opened anew when it was lost."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def run(
        self, sql: str, values: Mapping[str, object], *, ended: threading.Event | None = None
    ) -> list[Row]:
        """Send statements as one transaction, and return the rows of the last.

        They may be carried out twice, when the answer to the first time is lost.

        Args:
            sql: The statements.
            values: Their parameters, by name.
            ended: Ends the waiting for a server that is away, when it is set.

        Raises:
            DatabaseError: The server was away for too long, or refuses them.
        """
        return self._server.retry(lambda: self._run_once(sql, values), ended=ended or self._ended)

    def close(self) -> None:
        """Close it, and let nobody wait any longer; it is opened again when it is needed again."""
        self._ended.set()
        with self._lock:
            self._ended = threading.Event()
            self._drop()

    def _run_once(self, sql: str, values: Mapping[str, object]) -> list[Row]:
        with self._lock:
            if self._connection is None:
                self._connection = self._server.connect()
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute(sql, values)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.Error:
                self._drop()
                raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def explain(error: psycopg2.Error) -> DatabaseError:
    """Say what an error of the driver means to a person."""
    return DatabaseError(
        f"Postgres, through which runs are coordinated, cannot be used: {_first_line(error)}",
        advice="See that the server of TRUTO_GROUPS_DATABASE runs and lets this machine in, and "
        f"that its user may write the tables of the schema {SCHEMA}, or create it.",
    )


def _may_heal(error: psycopg2.Error) -> bool:
    return isinstance(error, _HEALING) and not is_refused(str(error))


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or ["it gives no reason"])[0]


def _make_layout(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(IS_MADE)
        if cursor.fetchone() != (True,):
            cursor.execute(MAKE)
