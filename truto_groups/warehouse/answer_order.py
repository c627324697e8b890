"""Count first requests, so that of two answers the newer is known without a clock.

The count lies beside the database, because an account's first request must not wait for whoever
publishes. The database remembers the numbers that were used: a count that was lost goes on
after the largest of them, with room for those that are under way and not written down yet.
"""

from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.snapshot import reading_snapshot

_USED = (
    "SELECT greatest(0, (SELECT max(answer_order) FROM account_syncs), "
    "(SELECT max(try_cast(value AS BIGINT)) FROM database_properties "
    "WHERE name = 'listing_order'))"
)


def count_first_request(database: Database) -> int:
    """Return a number larger than that of every first request before, in any process.

    Raises:
        DatabaseError: The count cannot be kept.
    """
    return database.coordination.advance_count(at_least=0, after_loss=lambda: _read_used(database))


def resume_count(database: Database, connection: Connection) -> None:
    """Let the count go on after the numbers that the database remembers.

    Args:
        database: Whose count it is.
        connection: With the database attached.

    Raises:
        DatabaseError: The count cannot be kept.
    """
    used = connection.execute(_USED).fetchall()[0][0]
    database.coordination.advance_count(at_least=used, after_loss=lambda: used)


def _read_used(database: Database) -> int:
    if not database.exists:
        return 0
    with reading_snapshot(database) as connection:
        return connection.execute(_USED).fetchall()[0][0]
