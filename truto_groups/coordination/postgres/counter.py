"""A count that only goes up, in a row that all machines share.

A row and no sequence: a sequence cannot be put forward without the chance that it goes back.

A standby that takes over, or a backup that is restored, may lack the last numbers, which runs that
outlive that go on using. So a server that has not counted since it started, which any user may ask,
leaves room for them. It may lack what another has left in its turn, too: the number is at least
the milliseconds of its clock, which no count catches up with.
"""

from collections.abc import Callable
from typing import Final

from truto_groups.coordination.postgres.sessions import PostgresSession
from truto_groups.coordination.seam import ROOM_AFTER_LOSS

# A count that the server forgot in a crash would be given out again.
_ADVANCE: Final = """
SET LOCAL synchronous_commit = on;
UPDATE truto_groups_coordination.request_count
SET
    number = CASE
        WHEN server_started_at = pg_postmaster_start_time() THEN greatest(number, %(at_least)s) + 1
        ELSE greatest(
            number + %(room)s,
            %(at_least)s + %(room)s,
            extract(epoch FROM clock_timestamp()) * 1000
        )::bigint
    END,
    server_started_at = pg_postmaster_start_time()
RETURNING number
"""
_BEGIN: Final = """
SET LOCAL synchronous_commit = on;
INSERT INTO truto_groups_coordination.request_count AS held (number, server_started_at)
VALUES (%(at_least)s + 1, pg_postmaster_start_time())
ON CONFLICT (is_only) DO UPDATE SET number = greatest(held.number, %(at_least)s) + 1
RETURNING number
"""


def advance_count(session: PostgresSession, *, at_least: int, after_loss: Callable[[], int]) -> int:
    """Return a number larger than every one before, in any process.

    Args:
        session: A session.
        at_least: What it must be larger than.
        after_loss: Says which numbers are remembered where no count is kept.

    Raises:
        DatabaseError: The count cannot be kept.
    """
    advanced = session.run(_ADVANCE, {"at_least": at_least, "room": ROOM_AFTER_LOSS})
    if not advanced:
        remembered = after_loss()
        room = ROOM_AFTER_LOSS if remembered else 0
        advanced = session.run(_BEGIN, {"at_least": max(at_least, remembered + room)})
    ((number,),) = advanced
    return number
