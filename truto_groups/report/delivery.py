"""What is still to be delivered, kept in a sensor's cursor.

Pure: messages are put in, one delivery is tried for each, and what failed stays for the next tick,
a bounded number of times. Delivering itself is the caller's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from truto_groups.report.messages import Message

MAX_TRIES: Final = 5
"""Ticks in which a message is tried before it is given up, and said to be."""

MAX_WAITING: Final = 50
"""Messages that wait at most; the oldest is given up, and said to be."""

_TRIED_AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True)
class Undelivered:
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

    waiting: Sequence[Undelivered]
    delivered: int = 0
    reason: str | None = None
    given_up: Sequence[Message] = field(default_factory=list[Message])


def deliver(
    waiting: Sequence[Undelivered],
    post: Callable[[Message], str | None],
    *,
    is_time_left: Callable[[], bool] = lambda: True,
) -> Delivery:
    """Try to deliver messages, the oldest first.

    The first failure ends the tick, because the next would only wait for the same. Only what was
    tried has one try less.

    Args:
        waiting: What waits.
        post: Delivers one; returns None, or why it could not.
        is_time_left: Whether another one can be tried in this tick.
    """
    left = list(waiting)
    delivered = 0
    reason = None
    while left and delivered < _TRIED_AT_ONCE and is_time_left():
        reason = post(left[0].message)
        if reason is not None:
            left[0] = Undelivered(left[0].message, left[0].tries + 1)
            break
        del left[0]
        delivered += 1
    surplus = max(0, len(left) - MAX_WAITING)
    given_up = [one.message for n, one in enumerate(left) if n < surplus or one.tries >= MAX_TRIES]
    kept = [one for n, one in enumerate(left) if n >= surplus and one.tries < MAX_TRIES]
    return Delivery(kept, delivered, reason, given_up)


def to_plain(waiting: Sequence[Undelivered]) -> list[dict[str, Any]]:
    """Turn what waits into what JSON can hold."""
    return [{"message": dict(one.message), "tries": one.tries} for one in waiting]


def from_plain(value: object) -> list[Undelivered]:
    """Read what ``to_plain`` made; what a person mangled in the UI is left out."""
    found: list[Undelivered] = []
    for one in cast(list[object], value) if isinstance(value, list) else []:
        match one:
            case {"message": {"text": str()}, "tries": int(tries)}:
                found.append(Undelivered(cast(dict[str, Any], one)["message"], tries))
            case _:
                continue
    return found
