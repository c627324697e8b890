"""Whole copies of a database file that somebody may be writing, taken without any lock.

DuckDB never writes over what its last state consists of: a checkpoint goes to free blocks, and then
one of two headers makes these the state. So what is copied between two equal looks at the headers
is that state, whatever was written meanwhile. Two things are seen to besides. The journals, which
hold what was committed since, are read first, because they lead to blocks that were written before
them. And blocks of metadata, which DuckDB rewrites with what it adds to them, are checked.

What is in a file is upgrades.py's to judge; what to do about one that never rests is database.py's.
"""

import contextlib
import errno
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from truto_groups.warehouse.temporary_folders import make_temporary_folder

_HEADERS_SIZE = 3 * 4096
_MARK_PLACE, _MARK = slice(8, 12), b"DUCK"
_JOURNALS = (".wal", ".wal.checkpoint", ".wal.recovery")
_CHECKSUM_START, _CHECKSUM_FACTOR = 5381, 0xBF58476D1CE4E5B9
_ATTEMPTS = 6
_PAUSE_SECONDS = 0.02
# Of so many files at once the last copy is kept, each of which takes its room on the disk.
_KEPT = 2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CANNOT_SHARE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_CHUNK = 1 << 20

Finish = Callable[[duckdb.DuckDBPyConnection], None]


class NoDatabaseError(Exception):
    """The file is no DuckDB database."""


class UnsettledError(Exception):
    """The file was written faster than it could be copied, or is damaged; says how it seemed."""


class NoRoomError(Exception):
    """The copy cannot be written; says why."""


@dataclass(frozen=True)
class _Look:
    """What tells one state of a file from another: two equal ones are of the same."""

    headers: bytes
    journals: Mapping[str, tuple[int, int, int]]


class _Source:
    """A file that is read through one descriptor as long as it is that file.

    To close any descriptor of a file takes away the locks that DuckDB, in the same process, has
    on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self.descriptor)
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NoDatabaseError
        self.identity = (found.st_dev, found.st_ino)

    def look(self) -> _Look:
        journals: dict[str, tuple[int, int, int]] = {}
        for suffix in _JOURNALS:
            with contextlib.suppress(FileNotFoundError):
                found = Path(f"{self.path}{suffix}").stat()
                journals[suffix] = (found.st_ino, found.st_size, found.st_mtime_ns)
        return _Look(os.pread(self.descriptor, _HEADERS_SIZE, 0), journals)


class Copy:
    """A private copy that has no name, and is gone when nobody refers to it any more."""

    def __init__(self, descriptor: int, *, of: tuple[object, ...]) -> None:
        self._descriptor = descriptor
        self.of = of
        weakref.finalize(self, os.close, descriptor)

    @contextlib.contextmanager
    def named(self, name: str) -> Generator[Path]:
        """Give it a name to open it by, which whoever has opened it needs no longer.

        Raises:
            NoRoomError: There is no room for so much.
        """
        with _temporary_folder() as folder:
            path = folder / name
            path.symlink_to(f"/dev/fd/{self._descriptor}")
            yield path


_guard = threading.Lock()
_sources: dict[Path, _Source] = {}
_copies: dict[Path, Copy] = {}


def take_copy(
    path: Path, *, connect: Callable[[], duckdb.DuckDBPyConnection], finish: Finish
) -> Copy:
    """Copy what is committed in a file; the last copy again where nothing was written since.

    Args:
        path: The database file, absolute.
        connect: Opens a private connection in memory.
        finish: What is to be done once with a new copy, on a connection that uses it.

    Raises:
        NoDatabaseError: It is none.
        UnsettledError: It never rested long enough, or is damaged.
        NoRoomError: The copy cannot be written.
        OSError: It cannot be read.
        duckdb.Error: It cannot be opened.
    """
    problem = "it is empty"
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        source = _find_source(path)
        written_at = os.fstat(source.descriptor).st_mtime_ns
        look = source.look()
        if look.headers and look.headers[_MARK_PLACE] != _MARK:
            raise NoDatabaseError
        if len(look.headers) < _HEADERS_SIZE:
            continue
        state = (source.identity, written_at, look, os.geteuid())
        kept = _copies.get(path)
        if kept is not None and kept.of == state:
            return kept
        try:
            descriptor = _copy(source, look, connect=connect, finish=finish)
        except UnsettledError as error:
            problem = str(error)
            continue
        copy = Copy(descriptor, of=state)
        _copies.pop(path, None)
        _copies[path] = copy
        for one in list(_copies)[:-_KEPT]:
            _copies.pop(one, None)
        return copy
    raise UnsettledError(problem)


def _find_source(path: Path) -> _Source:
    with _guard:
        found = path.stat()
        source = _sources.get(path)
        if source is None or source.identity != (found.st_dev, found.st_ino):
            source = _sources[path] = _Source(path)
        return source


def _copy(
    source: _Source,
    look: _Look,
    *,
    connect: Callable[[], duckdb.DuckDBPyConnection],
    finish: Finish,
) -> int:
    journals = _read_journals(source, look)
    with contextlib.ExitStack() as on_failure, _temporary_folder() as folder:
        path = folder / "copy"
        with _telling_no_room():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            on_failure.callback(os.close, descriptor)
            _copy_bytes(source.descriptor, descriptor)
        if source.look() != look:
            raise UnsettledError("it is being written all the time")
        with contextlib.closing(connect()) as connection:
            with _attached(connection, path, " (READ_ONLY)"):
                _check_metadata(connection, descriptor)
            with _telling_no_room():
                for suffix, content in journals.items():
                    path.with_name(path.name + suffix).write_bytes(content)
            with _attached(connection, path):
                finish(connection)
        on_failure.pop_all()
    return descriptor


def _read_journals(source: _Source, look: _Look) -> dict[str, bytes]:
    journals: dict[str, bytes] = {}
    for suffix in look.journals:
        # Without the right to read it, what it holds is not there yet.
        with contextlib.suppress(PermissionError):
            try:
                journals[suffix] = Path(f"{source.path}{suffix}").read_bytes()
            except FileNotFoundError:
                raise UnsettledError("it is being written all the time") from None
    return journals


def _copy_bytes(source: int, target: int) -> None:
    """Copy a file; where the file system can share blocks, it copies none."""
    size, done = os.fstat(source).st_size, 0
    try:
        while done < size:
            count = os.copy_file_range(source, target, size - done, done, done)
            if count == 0:
                return
            done += count
    except (OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in _CANNOT_SHARE:
            raise
    while chunk := os.pread(source, _CHUNK, done):
        done += os.pwrite(target, chunk, done)


@contextlib.contextmanager
def _attached(
    connection: duckdb.DuckDBPyConnection, path: Path, options: str = ""
) -> Generator[None]:
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS copy{options}").fetchall()
        connection.execute("USE copy").fetchall()
        yield
        connection.execute("USE memory").fetchall()
        connection.execute("DETACH copy").fetchall()
    except duckdb.IOException as error:
        if "checksum" not in str(error):
            raise
        raise UnsettledError(str(error).partition("\n")[0]) from error


def _check_metadata(connection: duckdb.DuckDBPyConnection, descriptor: int) -> None:
    """Refuse a copy of which a block was copied while DuckDB rewrote it."""
    import numpy as np  # takes 0.1 s, which loading the definitions must not

    ((size,),) = connection.execute(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = 'copy'"
    ).fetchall()
    blocks = connection.execute("SELECT block_id FROM pragma_metadata_info('copy')").fetchall()
    for (block,) in blocks:
        words = np.frombuffer(os.pread(descriptor, size, _HEADERS_SIZE + block * size), "<u8")
        checksum = np.bitwise_xor.reduce(words[1:] * np.uint64(_CHECKSUM_FACTOR))
        if words[0] != checksum ^ np.uint64(_CHECKSUM_START):
            raise UnsettledError(f"its block {block} is written or damaged")


@contextlib.contextmanager
def _temporary_folder() -> Generator[Path]:
    with contextlib.ExitStack() as stack:
        with _telling_no_room(always=True):
            folder = stack.enter_context(make_temporary_folder())
        yield Path(folder)


@contextlib.contextmanager
def _telling_no_room(*, always: bool = False) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if not always and error.errno not in _FULL:
            raise
        raise NoRoomError(error.strerror or str(error)) from error
