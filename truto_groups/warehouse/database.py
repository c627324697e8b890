"""Where the database lies, who may open it, and which tables it has.

Every way into the database goes through here, so that processes take turns: an exclusive lock of
ours to write, a shared one to read, always for as short as can be. DuckDB's own lock stays as the
last line, against programs that do not know ours. What is written is the other modules' business.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Generator
from functools import cache
from pathlib import Path

import duckdb

from truto_groups.contract import TABLES
from truto_groups.errors import DatabaseError
from truto_groups.warehouse.statements import statements

logger = logging.getLogger(__name__)

Connection = duckdb.DuckDBPyConnection

_CATALOG = "warehouse"
# A publish that fills whole row groups writes them straight to the file; what does not fill one
# goes through the WAL and is written anew at the checkpoint. Measured with publishes of 40,000
# groups, 8,192 rows take half the CPU of DuckDB's default of 122,880, and the file is smaller.
# Files of 1.4 are the first with zstd: it stores long texts in half the CPU, and in less than half
# of the room, of what DuckDB would choose by itself. DuckDB 2 writes such files too.
_FILE_OPTIONS = " (ROW_GROUP_SIZE 8192, STORAGE_VERSION 'v1.4.0')"
_FILE_COMPRESSION = "zstd"
_REMOTE_PREFIXES = ("md:", "motherduck:", "ducklake:")
_OPEN_WAIT_SECONDS = 20.0
# A full disk is a failed COMMIT, not an IOException.
_UNUSABLE = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)
_BUSY_SIGNS = ("Conflicting lock", "Could not set lock", "Unique file handle conflict")


class Database:
    """One database, wherever ``duckdb.connect`` finds it.

    Args:
        location: A file, ``md:…`` or ``ducklake:…``.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self.is_file = not location.startswith(_REMOTE_PREFIXES)
        self._is_prepared = False

    @property
    def companion(self) -> Path:
        """A path to which suffixes are added for the files that lie beside the database."""
        if self.is_file:
            return Path(self.location).absolute()
        name = hashlib.sha256(self.location.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"truto-groups-{name}"

    @property
    def exists(self) -> bool:
        """Whether there is anything to read; a remote database counts as existing."""
        return not self.is_file or Path(self.location).exists()

    @contextlib.contextmanager
    def writing(
        self,
        connection: duckdb.DuckDBPyConnection | None = None,
        *,
        within_seconds: float | None = None,
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Attach the database for one transaction, alone.

        Committed when the block ends, rolled back when it raises; the tables are there.

        Args:
            connection: A connection whose own tables the block needs; a private one without.

        Raises:
            DatabaseError: It cannot be opened or written, or another program holds it.
        """
        del within_seconds
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(contextlib.closing(connect()))
            with self.owning(connection), transaction(connection):
                yield connection

    @contextlib.contextmanager
    def owning(self, connection: duckdb.DuckDBPyConnection) -> Generator[None]:
        """Attach the database to a connection, alone, without a transaction yet.

        For work that reads the database into tables of the connection before it writes, which one
        transaction may not do, and that nobody may come between.

        Raises:
            DatabaseError: It cannot be opened or written, or another program holds it.
        """
        try:
            with self._locked(exclusive=True), self._attached(connection):
                self._prepare(connection)
                yield
        except _UNUSABLE as error:
            raise self._explain(error) from error

    @contextlib.contextmanager
    def reading(
        self, connection: duckdb.DuckDBPyConnection | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Open the database to read what is committed; writers wait until the block ends.

        Args:
            connection: A connection to attach it to; a private one without.

        Raises:
            DatabaseError: It does not exist yet, cannot be opened, or another program holds it.
        """
        if not self.exists:
            raise DatabaseError(
                f"There is no database at {self.location} yet.",
                advice="Run `truto-groups sync` or start Dagster once; "
                "or set TRUTO_GROUPS_DATABASE to where it lies.",
            )
        private = None
        if connection is None:
            connection = private = connect()
        try:
            with (
                self._locked(exclusive=False),
                self._attached(connection, is_read_only=self.is_file),
            ):
                self._refuse_strangers(connection)
                yield connection
        except duckdb.IOException as error:
            raise self._explain(error) from error
        except duckdb.CatalogException as error:
            raise DatabaseError(
                f"{self.location} is not a database of truto-groups: {first_line(error)}",
                advice="Set TRUTO_GROUPS_DATABASE to another file.",
            ) from error
        finally:
            if private is not None:
                private.close()

    @contextlib.contextmanager
    def _locked(self, *, exclusive: bool) -> Generator[None]:
        path = self.companion.with_name(self.companion.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise DatabaseError(
                f"The lock file {path} cannot be written: {error.strerror}.",
                advice="Set TRUTO_GROUPS_DATABASE to a file in a folder that this user may write.",
            ) from error
        try:
            _take(descriptor, exclusive=exclusive)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _attached(
        self, connection: duckdb.DuckDBPyConnection, *, is_read_only: bool = False
    ) -> Generator[None]:
        catalog = self._attach(connection, is_read_only=is_read_only)
        try:
            connection.execute(f'USE "{catalog}"').fetchall()
            yield
        finally:
            connection.execute("USE memory").fetchall()
            connection.execute(f'DETACH "{catalog}"').fetchall()

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, is_read_only: bool) -> str:
        location = self.location.replace("'", "''")
        options = " (READ_ONLY)" if is_read_only else _FILE_OPTIONS if self.is_file else ""
        # MotherDuck refuses an alias for a database of its own.
        named = self.location.startswith(("md:", "motherduck:"))
        alias = "" if named else f" AS {_CATALOG}"
        waited = 0.0
        while True:
            try:
                connection.execute(f"ATTACH '{location}'{alias}{options}").fetchall()
            except (duckdb.IOException, duckdb.BinderException) as error:
                is_busy = any(sign in str(error) for sign in _BUSY_SIGNS)
                if not is_busy or waited >= _OPEN_WAIT_SECONDS:
                    raise self._explain(error) from error
                time.sleep(0.1)
                waited += 0.1
            except duckdb.Error as error:
                raise self._explain(error) from error
            else:
                return self.location.partition(":")[2].partition("?")[0] if named else _CATALOG

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._is_prepared:
            return
        self._refuse_strangers(connection)
        for table in TABLES:
            ddl = table.ddl(compression=_FILE_COMPRESSION if self.is_file else "")
            connection.execute(ddl).fetchall()
        for text in statements("groups_as_of"):
            connection.execute(text).fetchall()
        self._is_prepared = True

    def _refuse_strangers(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Leave a database alone in which another program has a table of one of our names."""
        if self._is_prepared:
            return
        found: dict[str, set[str]] = {}
        for table_name, column_name in connection.execute(
            "FROM duckdb_columns() SELECT table_name, column_name "
            "WHERE database_name = current_database() AND schema_name = current_schema()"
        ).fetchall():
            found.setdefault(table_name, set()).add(column_name)
        for table in TABLES:
            columns = {column.name for column in table.columns}
            if not columns <= found.get(table.name, columns):
                raise DatabaseError(
                    f"{self.location} holds a table {table.name} that is not ours, or that "
                    "another version of ours has made.",
                    advice="Set TRUTO_GROUPS_DATABASE to another file.",
                )

    def _explain(self, error: duckdb.Error) -> DatabaseError:
        text = first_line(error)
        if any(sign in text for sign in _BUSY_SIGNS):
            return DatabaseError(
                f"The database {self.location} is held by another program: {text}",
                advice="Close that program (a notebook or the duckdb shell?), or let it read "
                "through truto_groups.read, which never holds the database.",
            )
        return DatabaseError(
            f"The database {self.location} cannot be used: {text}",
            advice="Check that TRUTO_GROUPS_DATABASE names a DuckDB database, that its folder "
            "exists and may be written, and that the disk has room.",
        )


def connect() -> duckdb.DuckDBPyConnection:
    """Open a private connection in memory, in UTC, that may spill to a folder of its own."""
    connection = duckdb.connect(config={"threads": 1, "temp_directory": name_spill_folder()})
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    # A statement of two seconds would draw its progress into the output of `status --json`.
    connection.execute("SET enable_progress_bar = false").fetchall()
    return connection


def name_spill_folder() -> str:
    """Name a folder that DuckDB makes when a connection spills, and removes with the connection.

    No two connections may have the same one: the names of DuckDB's files in it are, so that they
    would read what the other has written.
    """
    return str(Path(_make_private_folder(os.getpid()).name) / uuid.uuid4().hex)


@cache
def _make_private_folder(process_id: int) -> tempfile.TemporaryDirectory[str]:
    # Where TMPDIR says, readable for this user alone, and removed when the process ends.
    return tempfile.TemporaryDirectory(prefix=f"truto-groups-{process_id}-")


def set_variables(connection: duckdb.DuckDBPyConnection, **values: object) -> None:
    """Set variables of the connection, which statements read with ``getvariable``."""
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = $value", {"value": value}).fetchall()


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, which is enough to know it by."""
    return str(error).strip().partition("\n")[0]


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Commit what the block wrote when it ends; roll it back when it raises."""
    try:
        connection.execute("BEGIN").fetchall()
        yield
        connection.execute("COMMIT").fetchall()
    except BaseException:
        # A failed COMMIT or a full disk has ended the transaction already.
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK").fetchall()
        raise


def _take(descriptor: int, *, exclusive: bool) -> None:
    # A blocking flock, never a loop on it: measured with eight writers, polling takes twice as
    # long. Whoever holds it is one of ours, and the lock goes with its process.
    fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
