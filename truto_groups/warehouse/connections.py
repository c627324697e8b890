"""Connections: opened, lent, given their variables, and their transactions.

In memory, and with nothing attached; what they attach is database.py's business.
"""

import contextlib
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Generator
from functools import cache
from pathlib import Path

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.duckdb_errors import ROOM_ADVICE, first_line
from truto_groups.warehouse.json_equality import register_sameness
from truto_groups.warehouse.temporary_folders import make_temporary_folder

logger = get_logger(__name__)

Connection = duckdb.DuckDBPyConnection

# Each keeps three megabytes. As many as threads of one process read or write at once, as a rule.
_MOST_IDLE = 4
_UNMOVED_SIGN = "CHECKPOINT during DETACH failed"


def connect(
    *, knows_json: bool = True, may_load_unsigned: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open a private connection in memory, in UTC, that may spill to a folder of its own.

    Args:
        knows_json: Whether its statements may ask for ``same_json``. For that DuckDB imports numpy,
            for which a probe has no time.
        may_load_unsigned: Whether it loads extensions without checking their signatures, until
            that is taken from it, which nothing gives back.
    """
    connection = duckdb.connect(
        config={
            "threads": 1,
            "temp_directory": name_spill_folder(),
            "allow_unsigned_extensions": may_load_unsigned,
        }
    )
    configure(connection)
    if knows_json:
        register_sameness(connection)
    return connection


@contextlib.contextmanager
def lend_connection() -> Generator[duckdb.DuckDBPyConnection]:
    """Lend a way through a connection that nobody else uses meanwhile.

    Opening and closing one takes longer than most of what it is asked. What belongs to the way
    goes with it: temporary tables, macros, variables, settings. After an error it is closed.
    """
    idle = _find_idle(os.getpid())
    with contextlib.ExitStack() as stack:
        try:
            opened = idle.pop()
        except IndexError:
            opened = connect()
        stack.callback(opened.close)
        with contextlib.closing(opened.cursor()) as connection:
            configure(connection)
            yield connection
        if len(idle) < _MOST_IDLE:
            stack.pop_all()
            idle.append(opened)


@cache
def _find_idle(process_id: int) -> deque[duckdb.DuckDBPyConnection]:
    # Of each process, because none may use what another opened before it was forked.
    del process_id
    return deque()


def configure(connection: duckdb.DuckDBPyConnection) -> None:
    """Set what each way through a connection has for itself."""
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    # A statement of two seconds would draw its progress into the output of `status --json`.
    connection.execute("SET enable_progress_bar = false").fetchall()


def name_spill_folder() -> str:
    """Name a folder that DuckDB makes when a connection spills, and removes with the connection.

    No two connections may have the same one: the names of DuckDB's files in it are, so that they
    would read what the other has written.

    Raises:
        DatabaseError: There is no place for temporary files.
    """
    try:
        folder = _make_private_folder(os.getpid()).name
    except OSError as error:
        raise DatabaseError(
            f"No temporary file can be written: {error.strerror or error}.", advice=ROOM_ADVICE
        ) from error
    return str(Path(folder) / uuid.uuid4().hex)


@cache
def _make_private_folder(process_id: int) -> tempfile.TemporaryDirectory[str]:
    # Of each process, and removed when it ends.
    del process_id
    return make_temporary_folder()


def set_variables(connection: duckdb.DuckDBPyConnection, **values: object) -> None:
    """Set variables of the connection, which statements read with ``getvariable``."""
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = $value", {"value": value}).fetchall()


def reset_variables(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Forget variables of the connection."""
    for name in names:
        # After an error that has aborted the transaction it fails, and would be told instead.
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute(f"RESET VARIABLE {name}").fetchall()


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[contextlib.ExitStack]:
    """Commit what the block wrote when it ends; roll it back when it raises.

    Yields:
        What it enters ends when the COMMIT is answered, and learns of its failure.
    """
    try:
        connection.execute("BEGIN").fetchall()
        with contextlib.ExitStack() as committing:
            yield committing
            connection.execute("COMMIT").fetchall()
    except BaseException:
        # A failed COMMIT or a full disk has ended the transaction already.
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK").fetchall()
        raise


@contextlib.contextmanager
def detaching(
    connection: duckdb.DuckDBPyConnection, catalog: str, *, stays_attached: bool = False
) -> Generator[None]:
    """Detach what the block attaches, also where a signal comes right behind its ATTACH."""
    try:
        yield
    finally:
        connection.execute("USE memory").fetchall()
        if not stays_attached:
            _detach(connection, catalog)


def _detach(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    try:
        connection.execute(f'DETACH DATABASE IF EXISTS "{catalog}"').fetchall()
    except duckdb.IOException as error:
        if _UNMOVED_SIGN not in str(error):
            raise
        # What was committed is in the journal, where every reader finds it, and is no failure.
        logger.warning("%s. See that the disk has room.", first_line(error))
