"""What processes that share one database agree on, as protocols.

Nothing is done here. Whoever needs a turn or a number asks a ``Coordination`` for it, and does not
know whether files or a server keep it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

# Truto counts arrivals, and we space out departures: a slow handshake can bring two of them nearer
# together. Costs 3.8 % of the ceiling, which leaves more than the 95 % that we promise.
SAFETY_MARGIN: Final = 0.04
WINDOW_SECONDS: Final = 10.0
# A key that was slowed down is back at its full ceiling this long after its pause.
RECOVERY_SECONDS: Final = 60.0
# Whatever a server says, and whatever is remembered of it: nothing is kept waiting for longer.
LONGEST_PAUSE_SECONDS: Final = 3600.0
SMALLEST_SHARE: Final = 1 / 16
# Far more numbers than can be under way when a count, or the end of it, is lost.
ROOM_AFTER_LOSS: Final = 1_000_000
# How long a server may be away, when it is first needed or later: a restart, a failover.
PATIENCE_SECONDS: Final = 60.0
# For how long it is known that a run was killed: by then it is ended in Dagster's history too.
TRACE_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Ceiling:
    """At most ``requests`` starts under ``key`` in any window; 0 is no ceiling."""

    key: str
    requests: int


class Room(NamedTuple):
    """Whether one more request may start under a ceiling.

    Attributes:
        wait: Seconds until it may; 0 where it may now.
        is_paused: Whether it waits because Truto had asked to slow down.
        told: What asked for the pause; empty where not known.
    """

    wait: float = 0.0
    is_paused: bool = False
    told: str = ""


class StartLog(Protocol):
    """When requests started, and who was asked to slow down, over all that share it.

    Attributes:
        remembered_in: Where that is kept for other processes, and what a person may do with it, as
            a clause for an advice; None where only this process knows.
    """

    @property
    def remembered_in(self) -> str | None:  # noqa: D102 - the class says it
        ...

    async def claim(self, ceilings: Sequence[Ceiling]) -> Sequence[Room]:
        """Count one start under all of the ceilings, if all of them have room.

        Args:
            ceilings: Each with a key of its own, and none of them 0.

        Returns:
            One room for each ceiling, in their order; the start is counted if none has to wait.

        Raises:
            DatabaseError: The log cannot be used.
        """
        ...

    async def slow_down(self, ceiling: Ceiling, *, seconds: float, told: str) -> None:
        """Let no request start under a key for some seconds, then start again at half speed.

        A key that is paused already is not halved again: the answers to requests that were under
        way together are one and the same message.

        Args:
            ceiling: The key, with the ceiling that is normally in force for it.
            seconds: Length of the pause from now on, of at most an hour.
            told: What asks for it, for whoever has to wait.

        Raises:
            DatabaseError: The log cannot be used.
        """
        ...

    def close(self) -> None:
        """Let go of it; it is opened again when it is needed again."""
        ...


class Turn(Protocol):
    """The right to have the database, while it lasts."""

    def require(self) -> None:
        """Make sure that the turn is still ours; to be called right before a COMMIT.

        Raises:
            TurnLostError: It is not, and somebody else may have it.
        """
        ...


class Coordination(Protocol):
    """What the processes agree on that share one database."""

    def turn(
        self, *, is_alone: bool, within_seconds: float | None = None
    ) -> AbstractContextManager[Turn]:
        """Wait for a turn, and have it until the block ends.

        Args:
            is_alone: Whether nobody else may have one meanwhile.
            within_seconds: How long to wait; None waits until it comes.

        Raises:
            TimeoutError: It did not come in time.
            OSError: Files that are needed for it cannot be used.
            DatabaseError: The server that is needed for it cannot be used.
        """
        ...

    def mark_alive(self, run_id: str) -> AbstractContextManager[None]:
        """Be present as a run, until the block or the process ends.

        What tells of runs that were killed more than TRACE_DAYS ago goes.

        Raises:
            DatabaseError: It cannot be made known.
        """
        ...

    def is_alive(self, run_id: str) -> bool:
        """Whether a process is present as the run.

        Raises:
            DatabaseError: It cannot be told.
        """
        ...

    def is_abandoned(self, run_id: str) -> bool:
        """Whether a process was present as the run and is gone without taking leave.

        Nothing is concluded of a run that nothing is known of: it may not have come so far, may be
        through with its accounts, or may be coordinated elsewhere.

        Raises:
            DatabaseError: It cannot be told.
        """
        ...

    def advance_count(self, *, at_least: int, after_loss: Callable[[], int]) -> int:
        """Return a number larger than every one before, in any process.

        Args:
            at_least: What it must be larger than.
            after_loss: Says which numbers are remembered where no count is kept any more: the
                largest, behind which room is left for those that are not; 0 where none is.

        Raises:
            DatabaseError: The count cannot be kept.
        """
        ...

    def open_start_log(self) -> StartLog:
        """Prepare the log of requests' starts; nothing is opened before it is needed."""
        ...

    def forget_starts(self, part: str) -> None:
        """Forget all keys of the log in which a text stands, say an account's id.

        Raises:
            DatabaseError: The log cannot be used.
        """
        ...
