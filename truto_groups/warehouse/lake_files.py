"""The files that a transaction on a lake has written, kept until its COMMIT is answered.

When a COMMIT fails, DuckLake deletes them, also where Postgres has committed and only the answer
was lost on its way: the catalogue would name files that are gone, and nobody could read the tables.
"""

import contextlib
import time
from collections.abc import Generator, Mapping
from pathlib import Path, PurePosixPath

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.duckdb_errors import ROOM_ADVICE
from truto_groups.warehouse.temporary_folders import make_temporary_folder

logger = get_logger(__name__)

# DuckLake names files by the instant at which they were begun, by the clock of the machine.
_NEWER = """
SELECT file FROM glob($pattern) WHERE parse_filename(file) >= $first
"""
# What a machine has written whose clock is ahead: hours of it, and what an upkeep has merged.
_KNOWN = """
SELECT parse_filename(path) FROM {metadata}.ducklake_data_file
UNION ALL
SELECT parse_filename(path) FROM {metadata}.ducklake_delete_file
UNION ALL
SELECT parse_filename(path) FROM {metadata}.ducklake_files_scheduled_for_deletion
"""
_SLACK_SECONDS = 1.0
_OBJECT_STORE = "s3://"
_IMPATIENT = ("http_timeout = 5", "http_retries = 0")
_NO_BUCKET_SIGN = "NoSuchBucket"
_LONGEST_PAUSE_SECONDS = 30.0
_PUT_BACK_SECONDS = 900.0


class WrittenFiles:
    """What is written to a lake's data path from now on.

    Args:
        connection: Has the lake, and reaches what its files lie in.
        lake: The name under which it is attached.
        data_path: Where they lie.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: str, data_path: str) -> None:
        self._connection = connection
        self._known = _KNOWN.replace("{metadata}", f'"__ducklake_metadata_{lake}"')
        self._pattern = f"{data_path.rstrip('/')}/**/*.parquet"
        began = f"{int((time.time() - _SLACK_SECONDS) * 1000):012x}"
        self._first = f"ducklake-{began[:8]}-{began[8:]}"

    @contextlib.contextmanager
    def kept(self) -> Generator[None]:
        """Have copies of them while the block commits, and put them back where that failed.

        Where nothing was committed they lie there for nothing, and harm nobody.

        Raises:
            DatabaseError: They could not be put back.
        """
        with contextlib.ExitStack() as stack:
            copies = self._copy(stack)
            try:
                yield
            except duckdb.Error:
                self._put_back(copies)
                raise

    def _copy(self, stack: contextlib.ExitStack) -> Mapping[str, str]:
        copies: dict[str, str] = {}
        try:
            for file in self._find():
                copy = str(stack.enter_context(_open_place()) / "copy")
                self._copy_file(file, copy)
                copies[file] = copy
        except duckdb.Error as error:
            # From a store that is away DuckLake deletes nothing either.
            if _NO_BUCKET_SIGN not in str(error):
                logger.warning("What is written could not be copied first: %s", error)
        return copies

    def _find(self) -> list[str]:
        values = {"pattern": self._pattern, "first": self._first}
        with self._open_cursor() as cursor:
            if self._pattern.startswith(_OBJECT_STORE):
                # Others wait for their turn meanwhile.
                for setting in _IMPATIENT:
                    cursor.execute(f"SET SESSION {setting}").fetchall()
            newer = [file for (file,) in cursor.execute(_NEWER, values).fetchall()]
            if not newer:
                return newer
            known = {name for (name,) in cursor.execute(self._known).fetchall()}
            return [file for file in newer if PurePosixPath(file).name not in known]

    def _put_back(self, copies: Mapping[str, str]) -> None:
        until, pause = time.monotonic() + _PUT_BACK_SECONDS, 0.1
        left = dict(copies)
        while left:
            file, copy = next(iter(left.items()))
            try:
                self._copy_file(copy, file)
            except duckdb.Error as error:
                if time.monotonic() > until:
                    raise DatabaseError(
                        f"{file} cannot be put back, which the lake may need: {error}",
                        advice="If reading fails because it is missing, restore a backup.",
                    ) from error
                logger.warning("%s is put back again in %.1f s: %s", file, pause, error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                del left[file]

    def _copy_file(self, source: str, target: str) -> None:
        text = f"COPY (SELECT content FROM read_blob($source)) TO {_quote(target)} (FORMAT BLOB)"  # noqa: S608
        with self._open_cursor() as cursor:
            cursor.execute(text, {"source": source}).fetchall()

    def _open_cursor(self) -> contextlib.closing[duckdb.DuckDBPyConnection]:
        # None of these is in the transaction, which an error would end.
        return contextlib.closing(self._connection.cursor())


@contextlib.contextmanager
def _open_place() -> Generator[Path]:
    """Have a folder that is removed, also by a later run where this process is killed."""
    try:
        place = make_temporary_folder()
    except OSError as error:
        raise DatabaseError(
            f"No temporary file can be written: {error.strerror or error}.", advice=ROOM_ADVICE
        ) from error
    with place as folder:
        yield Path(folder)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
