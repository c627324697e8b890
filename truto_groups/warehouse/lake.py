"""A DuckLake: its extensions, its object store, and the connections to it that stay open.

A lake is a catalogue (a database, as a rule Postgres) and files in a folder or an object store. Who
may write it when, and what its tables are, is database.py's and upgrades.py's.
"""

import contextlib
import hashlib
import importlib.util
import math
import os
import threading
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.settings import ObjectStore
from truto_groups.warehouse.connections import connect
from truto_groups.warehouse.duckdb_errors import explain, first_line, is_lost
from truto_groups.warehouse.lake_files import WrittenFiles
from truto_groups.warehouse.lake_search import CATALOGUE
from truto_groups.warehouse.location import Location

_OBJECT_STORE = "s3://"
# With DuckLake's own limit of 10 rows, almost every publication of an account makes a file.
_MOST_ROWS_IN_THE_CATALOGUE = 1000
_NONE_YET_SIGN = "creating a new DuckLake is explicitly disabled"
# One for the tables, and one for those that they are copied from or to.
_KEPT_OPEN = 2

_attaching = threading.Lock()

# Of which DuckDB has checked the signatures in this process, which takes 0.1 s of CPU for each.
_checked_files: set[tuple[Path, int, int, int] | None] = set()


class NoLakeError(DatabaseError):
    """There is no lake at the location, and whoever only reads makes none."""


@dataclass(frozen=True)
class Lake:
    """Where a lake is, and how it is reached.

    Attributes:
        location: Of its catalogue.
        data_path: Where its files lie; None where the catalogue knows it.
        object_store: How the store is reached in which they lie.
    """

    location: Location
    data_path: str | None
    object_store: ObjectStore | None

    @property
    def catalog(self) -> str:
        """The name under which it is attached, which no other lake has on a connection."""
        return f"lake_{hashlib.sha256(self.location.text.encode()).hexdigest()[:16]}"

    @property
    def is_served(self) -> bool:
        """Whether a server has the catalogue, which many may use at once; a file has one user."""
        return self.location.postgres is not None

    def attach(self, connection: duckdb.DuckDBPyConnection, *, may_create: bool) -> None:
        """Attach it to a connection; where it is attached already, nothing happens.

        DuckDB opens the way to a server anew where that was lost.

        Raises:
            NoLakeError: It does not exist yet, and ``may_create`` is false.
            DatabaseError: It cannot be reached, or an extension is missing.
        """
        with _attaching:  # the ways through a connection that is kept share what it has attached
            there = connection.execute("SELECT database_name FROM duckdb_databases()").fetchall()
            if (self.catalog,) in there:
                return
            self._load_extensions(connection)
            options = [f"DATA_INLINING_ROW_LIMIT {_MOST_ROWS_IN_THE_CATALOGUE}"]
            if not may_create:
                options.append("CREATE_IF_NOT_EXISTS false")
            self._attach(connection, self.catalog, *options)

    @contextlib.contextmanager
    def hurried(
        self, connection: duckdb.DuckDBPyConnection, *, within_seconds: float
    ) -> Generator[None]:
        """Let the object store have so long for an answer, once, to what the block asks for.

        By DuckDB's own settings one that hangs is waited for for two minutes.
        """
        if not self._is_in_object_store:
            yield
            return
        settings = {"http_timeout": max(1, math.ceil(within_seconds)), "http_retries": 0}
        for name, value in settings.items():
            connection.execute(f"SET SESSION {name} = {value}").fetchall()
        try:
            yield
        finally:
            for name in settings:
                # After an error that has aborted the transaction it fails, and would be told.
                with contextlib.suppress(duckdb.Error):
                    connection.execute(f"RESET SESSION {name}").fetchall()

    def connect(self, *, knows_json: bool = True) -> duckdb.DuckDBPyConnection:
        """Open a private connection that has the extensions which the lake needs.

        Args:
            knows_json: As in ``connections.connect``.

        Raises:
            DatabaseError: An extension is missing.
        """
        files = {_identify(name) for name in self._extensions}
        connection = connect(knows_json=knows_json, may_load_unsigned=files <= _checked_files)
        try:
            self._load_extensions(connection)
            connection.execute("SET allow_unsigned_extensions = false").fetchall()
        except BaseException:
            connection.close()
            raise
        _checked_files.update(files - {None})
        return connection

    def open_cursor(self) -> duckdb.DuckDBPyConnection:
        """Open one more way through the connection of this process that stays open."""
        return _open_kept(os.getpid(), self).cursor()

    def watch_files(self, connection: duckdb.DuckDBPyConnection) -> WrittenFiles:
        """Watch what is written to its files from now on, through a connection that has it."""
        told = connection.execute(f"FROM ducklake_settings('{self.catalog}')").fetchall()
        return WrittenFiles(connection, self.catalog, told[0][2])

    def open_look(self) -> duckdb.DuckDBPyConnection:
        """Open a connection that reads the lake as it is now, whatever is written later.

        Raises:
            NoLakeError: It does not exist yet.
            DatabaseError: It cannot be reached, or an extension is missing.
        """
        connection = self.connect()
        try:
            self._attach(connection, "newest", "READ_ONLY", "CREATE_IF_NOT_EXISTS false")
            newest = connection.execute("FROM ducklake_current_snapshot('newest')").fetchall()
            connection.execute("DETACH newest").fetchall()
            self._attach(connection, self.catalog, "READ_ONLY", f"SNAPSHOT_VERSION {newest[0][0]}")
            connection.execute(f'USE "{self.catalog}"').fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def open_catalogue(self) -> duckdb.DuckDBPyConnection:
        """Open a connection that reads the catalogue's own tables, and the files by their paths."""
        connection = self.connect()
        try:
            place = _quote(self.location.text.partition(":")[2])
            connection.execute(f"ATTACH {place} AS {CATALOGUE} (READ_ONLY)").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _is_in_object_store(self) -> bool:
        """Whether its files may lie in the store, as the catalogue alone may know."""
        path = self.data_path or _OBJECT_STORE
        return self.object_store is not None and path.startswith(_OBJECT_STORE)

    def _attach(self, connection: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
        if self.data_path is not None:
            options = (f"DATA_PATH {_quote(self.data_path)}", *options)
        text = f"ATTACH {_quote(self.location.attached)} AS {name} ({', '.join(options)})"
        try:
            connection.execute(text).fetchall()
        except duckdb.Error as error:
            if _NONE_YET_SIGN in str(error):
                raise NoLakeError(
                    f"There is no database at {self.location.shown} yet.",
                    advice="Run `truto-groups sync` or start Dagster once; "
                    "or set TRUTO_GROUPS_DATABASE to where it lies.",
                ) from None
            if is_lost(error):
                raise
            raise explain(error, self.location) from error

    def _load_extensions(self, connection: duckdb.DuckDBPyConnection) -> None:
        # What is not installed is not fetched from the internet in the middle of a run.
        connection.execute("SET autoinstall_known_extensions = false").fetchall()
        for name in self._extensions:
            self._load(connection, name)
        if self.object_store is not None and self._is_in_object_store:
            self._tell_object_store(connection, self.object_store)

    @property
    def _extensions(self) -> list[str]:
        names = ["ducklake"]
        if self.is_served:
            names.append("postgres_scanner")
        if self._is_in_object_store:
            names.append("httpfs")
        return names

    def _load(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        path = _find_extension(name)
        try:
            connection.execute(f"LOAD {name if path is None else _quote(str(path))}").fetchall()
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise DatabaseError(
                f"DuckDB's extension {name}, which {self.location.shown} needs, cannot be loaded: "
                f"{self.location.redact(first_line(error))}",
                advice="Run `pip install 'truto-groups[cluster]'`.",
            ) from error

    def _tell_object_store(self, connection: duckdb.DuckDBPyConnection, store: ObjectStore) -> None:
        options = {
            "KEY_ID": store.access_key_id,
            "SECRET": store.secret_access_key,
            "SESSION_TOKEN": store.session_token,
            "REGION": store.region,
            "ENDPOINT": store.endpoint,
            # Other stores as a rule have no host for each bucket.
            "URL_STYLE": None if store.endpoint is None else "path",
            "USE_SSL": store.is_encrypted,
        }
        given = {name: value for name, value in options.items() if value is not None}
        names = ", ".join(f"{name} ${name}" for name in given)
        text = f"CREATE OR REPLACE SECRET object_store (TYPE s3, {names})"
        connection.execute(text, given).fetchall()


@lru_cache(maxsize=_KEPT_OPEN)
def _open_kept(process_id: int, lake: Lake) -> duckdb.DuckDBPyConnection:
    # Of each process, because none may use what another opened before it was forked.
    del process_id
    return lake.connect()


def _identify(name: str) -> tuple[Path, int, int, int] | None:
    """Tell the file of an extension from any that takes its place; None where it is no wheel's."""
    path = _find_extension(name)
    if path is None:
        return None
    status = path.stat()
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _find_extension(name: str) -> Path | None:
    """Where the wheel of an extension has put it; None without one for this DuckDB."""
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    if package is None or package.origin is None:
        return None
    file = Path("extensions") / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    path = Path(package.origin).parent / file
    return path if path.is_file() else None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
