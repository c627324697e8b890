"""The ways into the database: alone to write, together to read, or through a copy.

Every process that writes goes through here, so that processes take turns, always for as short as
can be. DuckDB's own lock stays as the last line, against programs that do not know ours. What is
written is the other modules' business.
"""

import contextlib
import copy
import errno
import hashlib
import itertools
import math
import random
import tempfile
import time
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import duckdb

from truto_groups.coordination.choice import choose_coordination
from truto_groups.coordination.seam import PATIENCE_SECONDS, Coordination, Turn
from truto_groups.errors import DatabaseError, ExportError, LostTransactionError
from truto_groups.schema import SCHEMA_VERSION
from truto_groups.settings import Environment, ObjectStore
from truto_groups.telemetry import record_turn
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.connections import (
    configure,
    connect,
    detaching,
    lend_connection,
    name_spill_folder,
    transaction,
)
from truto_groups.warehouse.copies import (
    Copy,
    NoDatabaseError,
    NoRoomError,
    UnsettledError,
    take_copy,
)
from truto_groups.warehouse.duckdb_errors import (
    ROOM_ADVICE,
    explain,
    find_gone_file,
    first_line,
    is_busy,
    is_lost,
    name_temporary_folder,
    redact_errors,
)
from truto_groups.warehouse.file_rewrite import put_in_place, write_anew
from truto_groups.warehouse.json_equality import register_sameness
from truto_groups.warehouse.lake import Lake, NoLakeError
from truto_groups.warehouse.lake_statistics import narrow_statistics
from truto_groups.warehouse.location import read_location
from truto_groups.warehouse.properties_table import refuse_half_a_copy
from truto_groups.warehouse.statements import statements
from truto_groups.warehouse.upgrades import (
    bring_forward,
    explain_earlier,
    is_current,
    read_layout,
    refuse_earlier_tables,
    require_layout,
    require_readable,
    tell_brought_forward,
)

logger = get_logger(__name__)

T = TypeVar("T")

_CATALOG = "warehouse"
# A publish that fills whole row groups writes them straight to the file; what does not fill one
# goes through the WAL and is written anew at the checkpoint. Measured with publishes of 40,000
# groups, 8,192 rows take half the CPU of DuckDB's default of 122,880, and the file is smaller.
# Files of 1.4 are the first with zstd: it stores long texts in half the CPU, and in less than half
# of the room, of what DuckDB would choose by itself. DuckDB 2 writes such files too.
_FILE_OPTIONS = " (ROW_GROUP_SIZE 8192, STORAGE_VERSION 'v1.4.0')"
_FILE_COMPRESSION = "zstd"
_OPEN_WAIT_SECONDS = 20.0
# A full disk is a failed COMMIT, not an IOException.
_UNUSABLE = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)
# A server that is started anew is away for some seconds, a conflict is over at once.
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)


class Database:
    """One database, wherever ``duckdb.connect`` finds it.

    Args:
        location: A file, ``md:…`` or ``ducklake:…``.
        data_path: Where a lake keeps its files; None where it knows that itself.
        object_store: How the store is reached in which these lie; None without one.
        patience_seconds: How long the server of a lake's catalogue may be away.

    Attributes:
        location: The same. It may hold a secret, and is for DuckDB alone.
        shown: The same as it may be told.
        is_file: Whether it is a file of this machine.
    """

    def __init__(
        self,
        location: str,
        *,
        data_path: str | None = None,
        object_store: ObjectStore | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._location = read_location(location)
        self.location = location
        self.shown = self._location.shown
        self.is_file = self._location.is_file
        self._lake = (
            Lake(self._location, data_path, object_store) if self._location.is_lake else None
        )
        # What others may use at the same time: its readers wait for nobody, and nobody for them.
        self._stays_open = self._lake is not None and self._lake.is_served
        self._is_prepared = False
        self._is_filled = False

    @classmethod
    def of(
        cls, environment: Environment, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> "Database":
        """The database that the variables name."""
        return cls(
            environment.database,
            data_path=environment.data_path,
            object_store=environment.object_store,
            patience_seconds=patience_seconds,
        )

    def to_be_filled(self) -> "Database":
        """The same for who copies tables into it; to all others half a copy is no database."""
        other = copy.copy(self)
        other._is_filled = True
        return other

    @property
    def companion(self) -> Path:
        """A path to which suffixes are added for the files that lie beside the database.

        Raises:
            DatabaseError: The location is none that we take.
        """
        self._refuse_fault()
        if self.is_file:
            return Path(self.location).absolute()
        # Of what is shown: a name tells nothing of a password, and stays when that changes.
        name = hashlib.sha256(self.shown.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"truto-groups-{name}"

    @property
    def file(self) -> Path | None:
        """The file of this machine that it is, or in which a lake's catalogue lies."""
        path = self._location.path
        return None if path is None else Path(path).absolute()

    @cached_property
    def coordination(self) -> Coordination:
        """What the processes that share the database agree on.

        Raises:
            DatabaseError: The location is none that we take.
            MissingPackageError: It lies in Postgres, and the driver for that is not installed.
        """
        return choose_coordination(
            self.companion,
            postgres=self._location.postgres,
            patience_seconds=self._patience_seconds,
        )

    @property
    def lake_name(self) -> str | None:
        """The name under which a lake is attached, for DuckLake's own functions; else None."""
        return None if self._lake is None else self._lake.catalog

    @property
    def exists(self) -> bool:
        """Whether there is anything to read; a remote database that is no lake counts as existing.

        What cannot be told exists, so that whoever opens it says what hinders.
        """
        if self._stays_open and not self._is_prepared:
            return self._is_lake_there()
        if not self.is_file:
            return True
        try:
            Path(self.location).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def guard(self, path: Path, *, what: str) -> None:
        """Refuse to let something be written in the place of the database or its journal.

        Args:
            path: Where it is to be written.
            what: What would be, as a sentence begins with it.

        Raises:
            ExportError: It would.
        """
        if not self.is_file:
            return
        location = Path(self.location).resolve()
        if path.resolve() in (location, location.with_name(f"{location.name}.wal")):
            raise ExportError(
                f"{what} would replace the database itself.", advice="Name another file."
            )

    def connect(self, *, knows_json: bool = True) -> duckdb.DuckDBPyConnection:
        """Open a private connection for work with tables of its own, to be handed to the others.

        Args:
            knows_json: As in ``connections.connect``.

        Raises:
            DatabaseError: The location is none that we take, or an extension that a lake needs is
                missing.
        """
        self._refuse_fault()
        opened = connect if self._lake is None else self._lake.connect
        with self.explaining():
            return opened(knows_json=knows_json)

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
            within_seconds: How long to wait for the turn, and for each answer of a lake's object
                store; None waits until it comes.

        Raises:
            DatabaseError: It cannot be opened or written, another program holds it, or the turn
                did not come in time.
        """
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(self._connection())
            turn = stack.enter_context(self.owning(connection, within_seconds=within_seconds))
            stack.enter_context(self.committing(connection, turn))
            yield connection

    def retried(self, work: Callable[[], T]) -> T:
        """Do work that has its transactions for itself; again where a lake has lost one of them.

        Several times, and each time after a longer wait. Where it was the answer to a COMMIT that
        was lost, what the work wrote is there when it is done again (see commits.py). A file that
        is gone was dropped with the state of the lake that was being read; the same one, looked for
        again in a newer state, stays gone.

        Raises:
            DatabaseError: It was lost each time, or something else is wrong.
        """
        gone: str | None = None
        waits = iter(_RETRY_SECONDS)
        waited = 0.0
        for count in itertools.count(1):
            try:
                with self.explaining():
                    return work()
            except LostTransactionError as error:
                before, gone = gone, find_gone_file(error.__cause__)
                if gone is not None and gone == before:
                    raise DatabaseError(error.message, advice=error.advice) from error
                reason = error.message.rstrip(".")
                # Not all that wait at the same instant.
                seconds = next(waits, math.inf) * random.uniform(0.5, 1)  # noqa: S311 - no secret
                waited += seconds
                if waited > self._patience_seconds:
                    raise DatabaseError(
                        f"{reason}. It was tried {count} times.", advice=error.advice
                    ) from error
                logger.warning("%s. It is done again in %.1f s.", reason, seconds)
                time.sleep(seconds)
        raise AssertionError("It ends with what it was tried for, or for good.")

    @contextlib.contextmanager
    def owning(
        self, connection: duckdb.DuckDBPyConnection, *, within_seconds: float | None = None
    ) -> Generator[Turn]:
        """Attach the database to a connection, alone, without a transaction yet.

        For work that reads the database into tables of the connection before it writes, which one
        transaction may not do, and that nobody may come between.

        Yields:
            The turn, which has to be there still before what was written is committed.

        Raises:
            DatabaseError: As ``writing``.
        """
        with (
            self.explaining(),
            self._turn(is_alone=True, within_seconds=within_seconds) as turn,
            self._attached(connection, within_seconds=within_seconds),
        ):
            self._prepare(connection)
            yield turn

    @contextlib.contextmanager
    def committing(self, connection: duckdb.DuckDBPyConnection, turn: Turn) -> Generator[None]:
        """Have a transaction in a block that owns the database; committed when it ends.

        Raises:
            TurnLostError: The turn was lost meanwhile, so that nothing is committed.
        """
        lake = self._lake if self._stays_open else None
        files = None if lake is None else lake.watch_files(connection)
        with transaction(connection) as committing:
            yield
            if files is not None:
                committing.enter_context(files.kept())
            turn.require()

    @contextlib.contextmanager
    def reading(
        self,
        connection: duckdb.DuckDBPyConnection | None = None,
        *,
        within_seconds: float | None = None,
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Attach the database to read what is committed; writers wait until the block ends.

        Of a lake one state of it is read, for which nobody waits. So it is with the copy through
        which a file is read where this user may not take turns, or where it is of an earlier
        version, which only a writer brings forward.

        Args:
            connection: A connection whose own tables the block needs; a private one without.
            within_seconds: How long to wait for a writer, and for each answer of a lake's object
                store; None waits until the turn comes.

        Raises:
            DatabaseError: It does not exist yet, cannot be opened, another program holds it, or the
                turn did not come in time.
        """
        self._require_existing()
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(self._connection())
            stack.enter_context(self.explaining())
            in_place = stack.enter_context(contextlib.ExitStack())
            if self._stays_open:
                block = self._attached(connection, may_create=False, within_seconds=within_seconds)
                stack.enter_context(block)
                stack.enter_context(transaction(connection))
                version = self._require_layout(connection)
            else:
                version = self._attach_in_place(connection, in_place, within_seconds=within_seconds)
                if version is None or (self.is_file and version < SCHEMA_VERSION):
                    in_place.close()
                    stack.enter_context(self._attached_copy(connection))
                    version = SCHEMA_VERSION
            try:
                yield connection
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                if version is not None and version < SCHEMA_VERSION:
                    raise explain_earlier(version, shown=self.shown) from error
                if isinstance(error, duckdb.BinderException):
                    raise
                raise DatabaseError(
                    f"Something is missing in {self.shown}: {first_line(error)}",
                    advice="Something else has changed its tables: restore them from a backup, or "
                    "set TRUTO_GROUPS_DATABASE to another file.",
                ) from error

    def copy(self) -> Copy:
        """Copy a file as it was last committed, without holding up anybody.

        Raises:
            DatabaseError: It does not exist yet, cannot be read, or there is no room for a copy.
        """
        self._require_existing()
        path = Path(self.location).absolute()
        with self.explaining():
            try:
                try:
                    return take_copy(path, connect=connect, finish=self._finish_copy)
                except UnsettledError:
                    # Written faster than it can be copied: the one wait that is left is a turn.
                    with contextlib.ExitStack() as stack:
                        with contextlib.suppress(_NoTurnError):
                            block = self._turn(is_alone=False, within_seconds=_OPEN_WAIT_SECONDS)
                            stack.enter_context(block)
                        return take_copy(path, connect=connect, finish=self._finish_copy)
            except NoDatabaseError:
                raise DatabaseError(
                    f"{self.shown} is not a DuckDB database.",
                    advice="Set TRUTO_GROUPS_DATABASE to another file.",
                ) from None
            except UnsettledError as error:
                raise DatabaseError(
                    f"The database {self.shown} cannot be read: {error}.",
                    advice="Try again in a moment. If it stays so, the file is damaged: restore it "
                    "from a backup.",
                ) from error
            except NoRoomError as error:
                raise DatabaseError(
                    f"A copy of {self.shown}, through which it is read, cannot be written to "
                    f"{name_temporary_folder()}: {error}.",
                    advice=ROOM_ADVICE,
                ) from error
            except duckdb.Error as error:
                raise explain(error, self._location) from error
            except OSError as error:
                raise DatabaseError(
                    f"The database {self.shown} cannot be read: {error.strerror or error}.",
                    advice="Let this user read the file and enter its folder.",
                ) from error

    def rewrite(self) -> bool:
        """Write the database anew, so that it holds nothing but what its tables hold now.

        DuckDB frees the blocks of what is deleted, and leaves in them what was there. A file is
        copied, table by table, and the copy put in its place; a DuckLake drops its earlier
        snapshots and their files, and what its statistics tell of them. Nobody else has a turn
        meanwhile.

        Returns:
            Whether that could be done; False for MotherDuck, which keeps its own history.

        Raises:
            DatabaseError: It cannot be opened or written; it stays as it was.
        """
        self._require_existing()
        with (
            self._connection() as connection,
            self.explaining(),
            self._turn(is_alone=True) as turn,
        ):
            if self.is_file:
                # Where a link leads, so that it goes on leading there.
                path = Path(self.location).resolve()
                with self._attached(connection):
                    new = write_anew(connection, _CATALOG, beside=path, options=_FILE_OPTIONS)
                put_in_place(new, path, shown=self.shown)
                return True
            if self._lake is None:
                return False
            with self._attached(connection, may_create=False):
                for text in statements("lake/drop_snapshots"):
                    with self.committing(connection, turn):
                        connection.execute(text.replace("{lake}", self._lake.catalog)).fetchall()
                with transaction(connection):
                    narrow_statistics(connection, self._lake.catalog)
            return True

    def open_copy(self) -> duckdb.DuckDBPyConnection:
        """Open a copy of a file to read it alone, as ``duckdb.connect`` would."""
        taken = self.copy()
        with self.explaining(), taken.named(Path(self.location).name) as path:
            connection = duckdb.connect(
                str(path), read_only=True, config={"temp_directory": name_spill_folder()}
            )
            with _closing_if_refused(connection):
                self._refuse_half_a_copy(connection)
            configure(connection)
            register_sameness(connection)
            return connection

    def open_remote(self) -> duckdb.DuckDBPyConnection:
        """Open a database that is no file to read it alone; a lake as it is at this moment.

        Raises:
            DatabaseError: It does not exist yet, or cannot be reached.
        """
        self._refuse_fault()
        with self.explaining():
            if self._lake is None:
                connection = duckdb.connect(self.location, read_only=True)
                with _closing_if_refused(connection):
                    self._refuse_half_a_copy(connection)
                configure(connection)
                register_sameness(connection)
                return connection
            connection = self._lake.open_look()
            with _closing_if_refused(connection):
                require_readable(require_layout(connection, shown=self.shown), shown=self.shown)
                self._refuse_half_a_copy(connection)
            return connection

    @contextlib.contextmanager
    def catalogue(self) -> Generator[duckdb.DuckDBPyConnection | None]:
        """Open the tables of a lake's catalogue themselves to read them; None where it is no lake.

        Raises:
            DatabaseError: It cannot be reached, then or in the block.
        """
        self._refuse_fault()
        with self.explaining():
            if self._lake is None:
                yield None
                return
            with contextlib.closing(self._lake.open_catalogue()) as connection:
                yield connection

    @contextlib.contextmanager
    def _connection(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Have a private connection for one block."""
        if self._lake is not None and self._stays_open:
            with self.explaining():
                cursor = self._lake.open_cursor()
            configure(cursor)
            block = contextlib.closing(cursor)
        elif self.is_file:
            block = lend_connection()
        else:
            block = contextlib.closing(self.connect())
        with block as connection:
            yield connection

    def _attach_in_place(
        self,
        connection: duckdb.DuckDBPyConnection,
        stack: contextlib.ExitStack,
        *,
        within_seconds: float | None,
    ) -> int | None:
        """Attach it to be read where it is; of which version it is, None where that may not be."""
        try:
            stack.enter_context(self._turn(is_alone=False, within_seconds=within_seconds))
        except _NoTurnError:
            if not self.is_file:
                raise
            return None
        stack.enter_context(
            self._attached(connection, is_read_only=self.is_file, within_seconds=within_seconds)
        )
        return self._require_layout(connection)

    def _require_layout(self, connection: duckdb.DuckDBPyConnection) -> int | None:
        """Make sure that the tables are there, and say of which version they are."""
        self._refuse_half_a_copy(connection)
        if self._is_prepared and is_current(connection, shown=self.shown):
            return SCHEMA_VERSION
        layout = require_layout(connection, shown=self.shown)
        self._is_prepared = layout.is_present
        return layout.version

    @contextlib.contextmanager
    def _attached_copy(self, connection: duckdb.DuckDBPyConnection) -> Generator[None]:
        with detaching(connection, _CATALOG):
            with self.copy().named("copy") as path:
                quoted = str(path).replace("'", "''")
                connection.execute(f"ATTACH '{quoted}' AS {_CATALOG} (READ_ONLY)").fetchall()
            connection.execute(f"USE {_CATALOG}").fetchall()
            self._refuse_half_a_copy(connection)
            yield

    def _refuse_half_a_copy(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self._is_filled:
            refuse_half_a_copy(connection, shown=self.shown)

    def _finish_copy(self, connection: duckdb.DuckDBPyConnection) -> None:
        layout = require_layout(connection, shown=self.shown)
        if not layout.is_present:
            with transaction(connection):
                bring_forward(connection, layout, shown=self.shown, compression=_FILE_COMPRESSION)

    def _is_lake_there(self) -> bool:
        try:
            with (
                self.explaining(),
                self._connection() as connection,
                self._attached(connection, may_create=False),
            ):
                return True
        except NoLakeError:
            return False
        except DatabaseError:
            return True

    def _require_existing(self) -> None:
        self._refuse_fault()
        # Whoever opens a lake is told by the lake.
        if not self._stays_open and not self.exists:
            raise DatabaseError(
                f"There is no database at {self.shown} yet.",
                advice="Run `truto-groups sync` or start Dagster once; "
                "or set TRUTO_GROUPS_DATABASE to where it lies.",
            )

    def _refuse_fault(self) -> None:
        if self._location.fault is not None:
            raise DatabaseError(
                f"The database {self.shown} cannot be used: its location {self._location.fault}.",
                advice="Set TRUTO_GROUPS_DATABASE to a file with a plain name, such as "
                "data/truto_groups.duckdb, or to md:… or ducklake:….",
            )

    @contextlib.contextmanager
    def _turn(self, *, is_alone: bool, within_seconds: float | None = None) -> Generator[Turn]:
        companion = self.companion
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                turn = stack.enter_context(
                    self.coordination.turn(is_alone=is_alone, within_seconds=within_seconds)
                )
            except TimeoutError:
                raise DatabaseError(
                    f"The database {self.shown} is held by another run of ours, which did not end "
                    f"its turn within {within_seconds:g} s.",
                    advice="Try again when that run has published, or end it.",
                ) from None
            except OSError as error:
                kind = _NoTurnError if error.errno in _REFUSED else DatabaseError
                raise kind(
                    f"The lock files beside {companion} cannot be written: {error.strerror}.",
                    advice="Let this user write that folder and the files in it, leave room on its "
                    "disk, or set TRUTO_GROUPS_DATABASE to a file elsewhere.",
                ) from error
            record_turn(time.monotonic() - began)
            yield turn

    @contextlib.contextmanager
    def _attached(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        is_read_only: bool = False,
        may_create: bool = True,
        within_seconds: float | None = None,
    ) -> Generator[None]:
        if self._lake is not None:
            lake = self._lake

            def enter() -> None:
                lake.attach(connection, may_create=may_create)
                connection.execute(f'USE "{lake.catalog}"').fetchall()

            with contextlib.ExitStack() as stack:
                stack.enter_context(
                    detaching(connection, lake.catalog, stays_attached=self._stays_open)
                )
                if within_seconds is None:
                    self.retried(enter)
                else:
                    enter()
                    hurried = lake.hurried(connection, within_seconds=within_seconds)
                    stack.enter_context(hurried)
                yield
            return
        wait_seconds = min(_OPEN_WAIT_SECONDS, within_seconds or _OPEN_WAIT_SECONDS)
        # MotherDuck refuses an alias for a database of its own.
        is_named = self.location.lower().startswith(("md:", "motherduck:"))
        name = self.location.partition(":")[2].partition("?")[0] if is_named else _CATALOG
        alias = "" if is_named else f" AS {_CATALOG}"
        options = " (READ_ONLY)" if is_read_only else _FILE_OPTIONS if self.is_file else ""
        with detaching(connection, name):
            self._attach(connection, alias + options, wait_seconds=wait_seconds)
            connection.execute(f'USE "{name}"').fetchall()
            yield

    def _attach(
        self, connection: duckdb.DuckDBPyConnection, options: str, *, wait_seconds: float
    ) -> None:
        location = self.location.replace("'", "''")
        waited = 0.0
        while True:
            try:
                connection.execute(f"ATTACH '{location}'{options}").fetchall()
            except (duckdb.IOException, duckdb.BinderException) as error:
                if not is_busy(error) or waited >= wait_seconds:
                    raise explain(error, self._location) from error
                time.sleep(0.1)
                waited += 0.1
            except duckdb.Error as error:
                raise explain(error, self._location) from error
            else:
                return

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._refuse_half_a_copy(connection)
        # Asked each time: a newer program may have brought the tables forward under an old run.
        if self._is_prepared and is_current(connection, shown=self.shown):
            return
        layout = read_layout(connection, shown=self.shown)
        if self._is_filled:
            refuse_earlier_tables(connection, layout, shown=self.shown)
        if not layout.is_present:
            with transaction(connection):
                bring_forward(
                    connection,
                    layout,
                    shown=self.shown,
                    compression=_FILE_COMPRESSION if self.is_file else "",
                )
            tell_brought_forward(layout, shown=self.shown)
        self._is_prepared = True

    @contextlib.contextmanager
    def explaining(self) -> Generator[None]:
        """Take the location's secrets out of DuckDB's errors, and say what can be done.

        Raises:
            DatabaseError: It cannot be used, or not any more.
        """
        try:
            yield
        except duckdb.Error as error:
            redact_errors(error, self._location)
            if self._stays_open and is_lost(error):
                told = explain(error, self._location)
                raise LostTransactionError(told.message, advice=told.advice) from error
            if isinstance(error, _UNUSABLE):
                raise explain(error, self._location) from error
            raise


class _NoTurnError(DatabaseError):
    """This user may not take turns."""


@contextlib.contextmanager
def _closing_if_refused(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
