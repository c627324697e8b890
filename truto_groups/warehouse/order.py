"""Count first requests, so that of two answers the newer is known without a clock.

The count lies in a file beside the database, because an account's first request must not wait for
whoever publishes. The database remembers the numbers that were used: a count that was lost goes on
after the largest of them.
"""

import contextlib
import fcntl
import os

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Connection, Database

_LONGEST_NUMBER = 20


def count_first_request(database: Database) -> int:
    """Return a number larger than that of every first request before, in any process.

    Raises:
        DatabaseError: The file of the count cannot be used.
    """
    return _advance(database, beyond=0)


def resume_count(database: Database, connection: Connection) -> None:
    """Let the count go on after the numbers that the database remembers.

    Args:
        database: Whose count it is.
        connection: With the database attached.

    Raises:
        DatabaseError: The file of the count cannot be used.
    """
    used = connection.execute(
        "SELECT greatest(0, (SELECT max(answer_order) FROM account_syncs), "
        "(SELECT value::BIGINT FROM database_properties WHERE name = 'listing_order'))"
    ).fetchall()[0][0]
    _advance(database, beyond=used)


def _advance(database: Database, *, beyond: int) -> int:
    path = database.companion.with_name(database.companion.name + ".order")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            number = max(_read_count(descriptor), beyond) + 1
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


def _read_count(descriptor: int) -> int:
    with contextlib.suppress(ValueError):
        return int(os.pread(descriptor, _LONGEST_NUMBER, 0))
    return 0
