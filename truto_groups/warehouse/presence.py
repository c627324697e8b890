"""Tell runs that are alive from those that were killed.

A run holds a lock on a file of its own for as long as its process lives, whatever ends it; so a
ledger row that says "running" can be told from one that nobody will ever finish.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
from collections.abc import Generator
from pathlib import Path

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database


@contextlib.contextmanager
def presence(database: Database, run_id: str) -> Generator[None]:
    """Be present as a run, until the block or the process ends."""
    path = _path(database, run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be written: {error.strerror}.",
            advice="Set TRUTO_GROUPS_DATABASE to a folder that this user may write.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        # Written under the lock: a file that names its machine has been locked.
        os.pwrite(descriptor, _this_machine(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_present(database: Database, run_id: str) -> bool:
    """Whether a process of this machine is present as the run.

    Raises:
        DatabaseError: It cannot be told.
    """
    path = _path(database, run_id)
    try:
        # To lock needs no right to write, which the file of another user does not give.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DatabaseError(
            f"{path}, which tells whether run {run_id} is alive, cannot be read: {error.strerror}.",
            advice="Let all users of the database read the files beside it.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_abandoned(database: Database, run_id: str) -> bool:
    """Whether a process of this machine was present as the run and is gone without taking leave.

    Nothing is concluded from a file that is not there: the run may not have come so far, may be
    through with its accounts, or may live on another machine, beside another file.
    """
    try:
        machine = _path(database, run_id).read_bytes()
    except OSError:
        return False
    return machine == _this_machine() and not is_present(database, run_id)


def _this_machine() -> bytes:
    return platform.node().encode()


def _path(database: Database, run_id: str) -> Path:
    name = hashlib.sha256(run_id.encode()).hexdigest()[:32]
    folder = database.companion.with_name(database.companion.name + ".runs")
    return folder / name
