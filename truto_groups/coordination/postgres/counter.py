"""A count that only goes up, in a row that all machines share.

A row and no sequence: a sequence cannot be put forward without the chance that it goes back.
"""

from collections.abc import Callable
from typing import Final

from truto_groups.coordination.postgres.sessions import Session

# A count that the server forgot in a crash would be given out again.
_ADVANCE: Final = """
SET LOCAL synchronous_commit = on;
UPDATE truto_groups_coordination.request_count
SET number = greatest(number, %(at_least)s) + 1
RETURNING number
"""
_BEGIN: Final = """
SET LOCAL synchronous_commit = on;
INSERT INTO truto_groups_coordination.request_count AS held (number) VALUES (%(at_least)s + 1)
ON CONFLICT (is_only) DO UPDATE SET number = greatest(held.number, %(at_least)s) + 1
RETURNING number
"""


def advance_count(session: Session, *, at_least: int, after_loss: Callable[[], int]) -> int:
    """Return a number larger than every one before, in any process.

    Args:
        session: A session.
        at_least: What it must be larger than.
        after_loss: Says what it must be larger than where no count is kept.

    Raises:
        DatabaseError: The count cannot be kept.
    """
    advanced = session.run(_ADVANCE, {"at_least": at_least})
    if not advanced:
        advanced = session.run(_BEGIN, {"at_least": max(at_least, after_loss())})
    ((number,),) = advanced
    return number
