"""Turns to write, for processes of any number of machines; in the order of asking.

An advisory lock of a transaction in a session of its own: the server gives it back when the session
ends, however that happens. Readers have a snapshot of the lake and need no turn.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from typing import Final

import psycopg2
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from truto_groups.coordination.postgres.sessions import Server
from truto_groups.errors import TurnLostError

# A machine that is cut off keeps everybody waiting for so long, and no longer.
IDLE_SECONDS: Final = 60.0
KEEP_SECONDS: Final = 10.0
# Of a server that says itself when the waiting is over.
_ANSWER_SECONDS: Final = 1.0

_BEGIN: Final = """
BEGIN;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = %(lock_milliseconds)s;
SET LOCAL idle_in_transaction_session_timeout = %(idle_milliseconds)s;
SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.turn', 0))
"""


class ReaderTurn:
    """What a reader has: nobody can take it away."""

    def require(self) -> None:
        """Nothing to make sure of."""


class WriterTurn:
    """A turn to write, as long as its session lasts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def require(self) -> None:
        """Make sure that the turn is still ours.

        Raises:
            TurnLostError: Its session has ended.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            raise TurnLostError(
                "The session with Postgres that held the turn to write was lost, so that another "
                "run may write by now.",
                advice="Nothing of this was written; it can be done again.",
            ) from None


@contextmanager
def turn(
    server: Server, *, within_seconds: float | None = None, idle_seconds: float = IDLE_SECONDS
) -> Generator[WriterTurn]:
    """Wait for the turn to write, and have it until the block ends.

    Args:
        server: The server.
        within_seconds: How long to wait; None waits until it comes.
        idle_seconds: After what silence the server takes the turn away.

    Raises:
        TimeoutError: It did not come in time.
        DatabaseError: The server was away for too long, or until then; or it refuses.
    """
    until = None if within_seconds is None else time.monotonic() + within_seconds
    connection = server.retry(
        lambda: _take(server, until=until, idle_seconds=idle_seconds), until=until
    )
    ended = threading.Event()
    try:
        taken = WriterTurn(connection)
        keeper = threading.Thread(
            target=_keep, args=(taken, ended), name="keeping a turn", daemon=True
        )
        keeper.start()
        yield taken
    finally:
        ended.set()
        connection.close()


def _take(server: Server, *, until: float | None, idle_seconds: float) -> Connection:
    # 0 would be no bound at all.
    remaining = None if until is None else max(0.001, until - time.monotonic())
    connection = server.connect(within_seconds=remaining)
    try:
        with connection.cursor() as cursor:
            values = {
                "lock_milliseconds": 0 if remaining is None else int(remaining * 1000),
                "idle_milliseconds": int(idle_seconds * 1000),
            }
            _await(
                connection,
                lambda: cursor.execute(_BEGIN, values),
                seconds=None if remaining is None else remaining + _ANSWER_SECONDS,
            )
    except LockNotAvailable:
        connection.close()
        raise TimeoutError from None
    except BaseException:
        connection.close()
        raise
    return connection


def _await(connection: Connection, action: Callable[[], object], *, seconds: float | None) -> None:
    """Do what waits for the server, until a signal comes or the time is over.

    The driver handles no signal while it waits for an answer, and asks nobody whether the way to
    the server is cut. What waits there learns with the turn that nobody wants it any more.
    """
    done: Future[None] = Future()

    def do() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=do, name="waiting for a turn", daemon=True).start()
    try:
        done.result(seconds)
    except BaseException as error:
        if done.done():
            raise
        with closing(socket.socket(fileno=os.dup(connection.fileno()))) as way, suppress(OSError):
            way.shutdown(socket.SHUT_RDWR)
        if isinstance(error, TimeoutError):
            raise psycopg2.OperationalError("it does not answer") from None
        raise


def _keep(taken: WriterTurn, ended: threading.Event) -> None:
    """Let the server hear of a turn in which somebody works for long."""
    with suppress(TurnLostError):  # whoever has it asks before the commit
        while not ended.wait(KEEP_SECONDS):
            taken.require()
