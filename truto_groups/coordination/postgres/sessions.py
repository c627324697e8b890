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

from truto_groups.coordination.postgres.conninfo import DEFAULTS
from truto_groups.coordination.postgres.layout import IS_MADE, MAKE, SCHEMA
from truto_groups.errors import DatabaseError

T = TypeVar("T")
Row = tuple[Any, ...]

# How long a server that was there may be away: a restart, a failover.
RETRY_SECONDS: Final = 60.0
_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 2.0
# May heal; a standby that is about to take over is read-only until then.
_HEALING = (psycopg2.OperationalError, psycopg2.InterfaceError, ReadOnlySqlTransaction)


class Server:
    """The Postgres of one database.

    Args:
        conninfo: libpq's connection string or URI. It may hold a secret.
        retry_seconds: How long a server that was there may be away.
    """

    def __init__(self, conninfo: str, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._conninfo = conninfo
        self._retry_seconds = retry_seconds
        self._was_reached = False

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
            # libpq takes less than two seconds for two, and 0 for no bound.
            longest = int(settings["connect_timeout"]) or math.inf
            settings["connect_timeout"] = min(longest, max(2, math.ceil(within_seconds)))
        connection = psycopg2.connect(make_dsn(**settings))
        try:
            # A claim must see what others committed while it waited for its lock.
            connection.set_session(isolation_level="READ COMMITTED", autocommit=True)
            if not self._was_reached:
                _make_layout(connection)
                self._was_reached = True
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

        A server that was never reached is not waited for: its address or the password is wrong as
        a rule.

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
        while True:
            began = time.monotonic()
            try:
                return action()
            except psycopg2.Error as error:
                failed = time.monotonic()
                # What had waited for long had a server until then.
                if failing_since is None or failed - began > self._retry_seconds:
                    failing_since, wait = failed, _FIRST_WAIT_SECONDS
                is_over = failed - failing_since > self._retry_seconds or (
                    until is not None and failed >= until
                )
                if is_over or not (self._was_reached and isinstance(error, _HEALING)):
                    raise explain(error) from None
            # Not all that wait at the same instant.
            pause = wait * random.uniform(0.5, 1)  # noqa: S311 - no secret
            if until is not None:
                pause = min(pause, max(0.0, until - time.monotonic()))
            if ended.wait(pause):
                raise DatabaseError("Postgres was away, and is not waited for any longer.")
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


class Session:
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
    told = (str(error).strip().splitlines() or ["it gives no reason"])[0]
    return DatabaseError(
        f"Postgres, through which runs are coordinated, cannot be used: {told}",
        advice="See that the server of TRUTO_GROUPS_DATABASE runs and lets this machine in, and "
        f"that its user may write the tables of the schema {SCHEMA}, or create it.",
    )


def _make_layout(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(IS_MADE)
        if cursor.fetchone() != (True,):
            cursor.execute(MAKE)
