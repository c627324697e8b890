"""What fetching an account yields, as plain values: its pages, its cost, and the proofs of the end.

Pure. A walk is proven whole by the client, and landed whole here; whoever publishes wants both.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

_SEAL: Final = object()


@dataclass(slots=True)
class SyncStats:
    """What a sync has cost so far; alive while it runs, and also when it fails.

    Attributes:
        request_count: Requests sent, retries and redirects included.
        retry_count: Those that repeated another.
        throttled_seconds: Waited because Truto or an app had asked to slow down.
        byte_count: Bytes of all bodies, after decompression.
        on_first_request: Called once, right before the first request leaves.
        on_throttled: Called with the seconds for which Truto or an app asks to slow down.
    """

    request_count: int = 0
    retry_count: int = 0
    throttled_seconds: float = 0.0
    byte_count: int = 0
    on_first_request: Callable[[], None] | None = None
    on_throttled: Callable[[float], None] | None = None

    def count_request(self) -> None:
        """Count a request that leaves now."""
        self.request_count += 1
        if self.request_count == 1 and self.on_first_request is not None:
            self.on_first_request()

    def tell_throttled(self, seconds: float) -> None:
        """Tell that Truto or an app asks to slow down for so many seconds."""
        if self.on_throttled is not None:
            self.on_throttled(seconds)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of unified groups.

    Attributes:
        number: From 1, in the order in which the pages of the sync were handed on.
        records: The JSON text of the array of groups, exactly as received.
        byte_count: Bytes of the answer that brought it, after decompression.
        listing: Which of the account's listings it belongs to, from 0. Listings are walked side by
            side, the pages of one come in order.
    """

    number: int
    records: str
    byte_count: int
    listing: int = 0


class CompleteWalk:
    """The proof that every page of every listing of an account was handed on.

    Only the end of a walk makes one, so that whatever wants one cannot be given part of a list.

    Attributes:
        page_count: Pages handed on.
        stats: What they cost.
    """

    __slots__ = ("page_count", "stats")

    def __init__(self, seal: object, *, page_count: int, stats: SyncStats) -> None:
        """Made by :func:`seal_walk` alone."""
        if seal is not _SEAL:
            raise TypeError("Only a completely walked chain of pages makes a CompleteWalk.")
        self.page_count = page_count
        self.stats = stats


def seal_walk(*, page_count: int, stats: SyncStats) -> CompleteWalk:
    """Say that a walk has come to the end of every listing; walk.py's to call, alone."""
    return CompleteWalk(_SEAL, page_count=page_count, stats=stats)


class CompleteLanding:
    """The proof that every page of a complete walk was landed: only such an answer is published.

    Attributes:
        walk: The walk.
    """

    __slots__ = ("walk",)

    def __init__(self, seal: object, *, walk: CompleteWalk) -> None:
        """Made by :func:`prove_landed` alone."""
        if seal is not _SEAL:
            raise TypeError("Only a walk of which every page was landed makes a CompleteLanding.")
        self.walk = walk


def prove_landed(walk: CompleteWalk, landed: Collection[int]) -> CompleteLanding | None:
    """Prove that a walk was landed whole; None while a page of it is missing.

    Args:
        walk: The complete walk.
        landed: The numbers of the pages of it that were landed.
    """
    is_whole = set(landed) == set(range(1, walk.page_count + 1))
    return CompleteLanding(_SEAL, walk=walk) if is_whole else None
