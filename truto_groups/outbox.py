"""What is still to be delivered, kept in a sensor's cursor.

Pure: messages are put in, one delivery is tried for each, and what failed stays for the next tick,
a bounded number of times. Delivering itself is the caller's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from truto_groups.reporting import Message

MAX_TRIES: Final = 5
"""Ticks in which a message is tried before it is given up, and said to be."""

MAX_WAITING: Final = 50
"""Messages that wait at most; the oldest is given up, and said to be."""

_TRIED_AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was not delivered yet."""

    message: Message
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an outbox in one tick.

    Attributes:
        waiting: What stays for the next tick, the oldest first.
        delivered: How many were delivered.
        reason: Why the last one was not; None when all were.
        given_up: What will never be delivered.
    """

    waiting: Sequence[Waiting]
    delivered: int = 0
    reason: str | None = None
    given_up: Sequence[Message] = field(default_factory=list[Message])


def deliver(waiting: Sequence[Waiting], post: Callable[[Message], str | None]) -> Delivery:
    """Try to deliver messages, the oldest first.

    The first failure ends the tick, because the next would only wait for the same; it counts as
    a try of all that was left.

    Args:
        waiting: What waits.
        post: Delivers one; returns None, or why it could not.
    """
    left = list(waiting)
    delivered = 0
    reason = None
    while left and delivered < _TRIED_AT_ONCE:
        reason = post(left[0].message)
        if reason is not None:
            break
        del left[0]
        delivered += 1
    if reason is not None:
        left = [Waiting(one.message, one.tries + 1) for one in left]
    surplus = max(0, len(left) - MAX_WAITING)
    given_up = [one.message for n, one in enumerate(left) if n < surplus or one.tries >= MAX_TRIES]
    kept = [one for n, one in enumerate(left) if n >= surplus and one.tries < MAX_TRIES]
    return Delivery(kept, delivered, reason, given_up)


def to_plain(waiting: Sequence[Waiting]) -> list[dict[str, Any]]:
    """Turn what waits into what JSON can hold."""
    return [{"message": dict(one.message), "tries": one.tries} for one in waiting]


def from_plain(value: Sequence[Mapping[str, Any]]) -> list[Waiting]:
    """Read what ``to_plain`` made."""
    return [Waiting(one["message"], one["tries"]) for one in value]
