"""Count first requests, so that of two answers the newer is known without a clock.

The count lies in a file beside the database, because an account's first request must not wait for
whoever publishes. The database remembers the numbers that were used: a count that was lost goes on
after the largest of them, with room for those that are under way and not written down yet.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Connection, Database
from truto_groups.warehouse.snapshot import open_snapshot

_LONGEST_NUMBER = 20
# What is larger was never counted.
_LARGEST = 1 << 62
# Far more than can be under way when the count is lost.
_ROOM = 1_000_000
_USED = (
    "SELECT greatest(0, (SELECT max(answer_order) FROM account_syncs), "
    "(SELECT max(try_cast(value AS BIGINT)) FROM database_properties "
    "WHERE name = 'listing_order'))"
)


def count_first_request(database: Database) -> int:
    """Return a number larger than that of every first request before, in any process.

    Raises:
        DatabaseError: The file of the count cannot be used.
    """
    return _advance(database, at_least=0, after_loss=lambda: _leave_room(_read_used(database)))


def resume_count(database: Database, connection: Connection) -> None:
    """Let the count go on after the numbers that the database remembers.

    Args:
        database: Whose count it is.
        connection: With the database attached.

    Raises:
        DatabaseError: The file of the count cannot be used.
    """
    used = connection.execute(_USED).fetchall()[0][0]
    _advance(database, at_least=used, after_loss=lambda: _leave_room(used))


def _read_used(database: Database) -> int:
    if not database.exists:
        return 0
    with contextlib.closing(open_snapshot(database)) as connection:
        return connection.execute(_USED).fetchall()[0][0]


def _leave_room(used: int) -> int:
    return used + _ROOM if used else 0


def _advance(database: Database, *, at_least: int, after_loss: Callable[[], int]) -> int:
    path = database.companion.with_name(database.companion.name + ".order")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            count = _read_count(descriptor)
            number = 1 + (after_loss() if count is None else max(count, at_least))
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
