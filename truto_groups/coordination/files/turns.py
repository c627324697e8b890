"""Turns of processes: alone, or together with others who only look; in the order of asking.

Two locks in files beside what is shared. Whoever wants a turn passes a gate and holds it until the
turn has come, so that those who come one after the other and overlap keep nobody out. The kernel
gives both back when a process ends, however that happens.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path

_having = threading.local()


class FileTurn:
    """A turn that nobody can lose while the process lives: the kernel keeps its locks."""

    def require(self) -> None:
        """Nothing to make sure of."""


@contextlib.contextmanager
def turn(path: Path, *, is_alone: bool, within_seconds: float | None = None) -> Generator[FileTurn]:
    """Wait for a turn, and have it until the block ends.

    Args:
        path: What is shared; the locks lie beside it.
        is_alone: Whether nobody else may have one meanwhile.
        within_seconds: How long to wait; None waits until it comes.

    Raises:
        TimeoutError: It did not come in time.
        OSError: The lock files are not there and cannot be made, or cannot be read.
    """
    had: set[Path] = _having.__dict__.setdefault("paths", set())
    if path in had and not is_alone:
        # Whoever would queue behind a waiting writer, which waits for this thread, waits for ever.
        yield FileTurn()
        return
    if is_alone:
        path.parent.mkdir(parents=True, exist_ok=True)
    until = None if within_seconds is None else time.monotonic() + within_seconds
    with _opened(path, ".turn") as gate, _opened(path, ".lock") as lock:
        _take(gate, fcntl.LOCK_EX, until=until)
        _take(lock, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH, until=until)
        fcntl.flock(gate, fcntl.LOCK_UN)
        had.add(path)
        try:
            yield FileTurn()
        finally:
            had.discard(path)


@contextlib.contextmanager
def _opened(path: Path, suffix: str) -> Generator[int]:
    name = path.with_name(path.name + suffix)
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        # To lock needs no right to write. What cannot be read either is told as it was.
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise error from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, operation: int, *, until: float | None) -> None:
    # A blocking flock, never a loop on it: measured with eight writers, polling takes twice as
    # long, and who polls beside those who block comes last.
    if until is None:
        fcntl.flock(descriptor, operation)
        return
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        return
    taken = threading.Event()
    waiting = os.dup(descriptor)

    def wait() -> None:
        # When nobody waits for it any more, the lock goes with the last descriptor: this one.
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(waiting, operation)
                taken.set()
        finally:
            os.close(waiting)

    threading.Thread(target=wait, name="waiting for a turn", daemon=True).start()
    if not taken.wait(max(0.0, until - time.monotonic())):
        raise TimeoutError
