"""Tell runs that are alive from those that were killed.

A run holds a lock on a file of its own for as long as its process lives, whatever ends it; so a
ledger row that says "running" can be told from one that nobody will ever finish. The lock alone
tells, and not the name of a machine: a container that is made anew has another name each time.
"""

import contextlib
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Generator
from pathlib import Path

from truto_groups.coordination.seam import TRACE_DAYS
from truto_groups.errors import DatabaseError


@contextlib.contextmanager
def mark_alive(folder: Path, run_id: str) -> Generator[None]:
    """Be present as a run, until the block or the process ends.

    Args:
        folder: Holds a file for each run.
        run_id: The run.

    Raises:
        DatabaseError: Its file cannot be written.
    """
    path = _path(folder, run_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _hold(path)
    except OSError as error:
        raise DatabaseError(
            f"{path}, which tells that run {run_id} is alive, cannot be written: {error.strerror}.",
            advice="Let this user write that folder and leave room on its disk; or set "
            "TRUTO_GROUPS_DATABASE to a file elsewhere.",
        ) from error
    _drop_old_traces(folder)
    try:
        yield
    finally:
        # Before the lock goes: a file that is there without one tells of a run that was killed.
        with contextlib.suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                path.unlink()
        os.close(descriptor)


def is_held(folder: Path, run_id: str) -> bool | None:
    """Whether the lock of a run's file is held; None where there is no file.

    Raises:
        DatabaseError: It cannot be told.
    """
    path = _path(folder, run_id)
    try:
        return _is_locked(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DatabaseError(
            f"{path}, which tells whether run {run_id} is alive, cannot be read: {error.strerror}.",
            advice="Let all users of the database read the files beside it.",
        ) from error


def _is_locked(path: Path) -> bool:
    # To lock needs no right to write, which the file of another user does not give.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _hold(path: Path) -> int:
    """Make a file that nobody ever sees without a lock as long as we live."""
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        new.rename(path)
    except BaseException:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        raise
    return descriptor


def _drop_old_traces(folder: Path) -> None:
    """Remove the files of runs that were killed long ago."""
    oldest = time.time() - TRACE_DAYS * 24 * 3600
    paths: list[Path] = []
    with contextlib.suppress(OSError):  # to be present needs no right to list the others
        paths += folder.iterdir()
    for path in paths:
        with contextlib.suppress(OSError):  # another user's, or another run was faster
            if path.stat().st_mtime < oldest and not _is_locked(path):
                path.unlink()


def _path(folder: Path, run_id: str) -> Path:
    return folder / hashlib.sha256(run_id.encode()).hexdigest()[:32]
