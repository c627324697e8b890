"""Spread the accounts over their refresh_every: each has a slot in it, by its place among all.

Pure arithmetic. Neighbours in the order of the partitions share a slot, so that what is synced
together lies in one range; the slots follow one another through that order, each as full as the
others. Who is synced in its slot is planning.py's.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MIN_ACCOUNTS_IN_A_SLOT = 100
"""Spread thinner, they would be more runs, each of next to nothing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account lies among all.

    Attributes:
        index: From 0, in the order of the partitions.
        count: How many partitions there are.
    """

    index: int
    count: int


def find_slot(
    place: Place, *, refresh_every: timedelta, tick: timedelta, after: datetime
) -> datetime | None:
    """Find when the slot of an account comes the next time.

    Args:
        place: The account's.
        refresh_every: The account's; its slot comes once in it, at the same times on every machine.
        tick: How often what is due is requested: slots are not closer to one another.
        after: Aware UTC instant; a slot at this instant counts.

    Returns:
        None where all share one slot, because they are so few, or synced so often.
    """
    slots = refresh_every // tick
    # Halved, and not one for each hundred: with their number all due times move, which must not
    # come with each hundredth account that is connected or removed.
    while slots > 1 and slots * MIN_ACCOUNTS_IN_A_SLOT > place.count:
        slots = (slots + 1) // 2
    if slots < 2:
        return None
    offset = place.index * slots // place.count * refresh_every / slots
    return after + (_EPOCH + offset - after) % refresh_every
