"""A count that only goes up, in a file that processes of one machine share.

What is counted, and where the count goes on when it was lost, is the caller's to know.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from truto_groups.coordination.seam import ROOM_AFTER_LOSS
from truto_groups.errors import DatabaseError

_LONGEST_NUMBER = 20
# What is larger was never counted.
_LARGEST = 1 << 62


def advance_count(path: Path, *, at_least: int, after_loss: Callable[[], int]) -> int:
    """Return a number larger than every one before, in any process of this machine.

    Args:
        path: The file of the count.
        at_least: What it must be larger than.
        after_loss: Says which numbers are remembered where there is no count in the file.

    Raises:
        DatabaseError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            count = _read_count(descriptor)
            if count is None and (remembered := after_loss()):
                count = remembered + ROOM_AFTER_LOSS
            number = 1 + max(count or 0, at_least)
            os.pwrite(descriptor, str(number).rjust(_LONGEST_NUMBER).encode(), 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DatabaseError(
            f"{path}, which counts requests, cannot be written: {error.strerror}.",
            advice="Make it writable and leave room on its disk, or delete it: the count goes on "
            "from what the database remembers.",
        ) from error
    return number


def _read_count(descriptor: int) -> int | None:
    """Read the count; None where none stands there."""
    with contextlib.suppress(ValueError):
        count = int(os.pread(descriptor, _LONGEST_NUMBER, 0))
        return count if 0 < count < _LARGEST else None
    return None
