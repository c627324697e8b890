"""Cover due keys by few contiguous ranges: which gaps are bridged, and which keys wait.

Pure arithmetic on positions; who is due, and who may be pulled in, is planning.py's.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

MAX_ACCOUNTS_IN_A_RANGE = 500
MAX_ACCOUNTS_IN_A_TICK = 1000
MAX_RANGES_IN_A_TICK = 4


class RangeRole(Enum):
    """What an account may do in a range: what makes it, what it may hold, what ends it."""

    DUE = "due"
    EARLY = "early"
    FRESH = "fresh, pulled in only where there would be too many ranges"
    PASSED_OVER = "passed over"
    BARRED = "barred"


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """A contiguous range of partition keys, both ends included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is planned at once.

    Attributes:
        ranges: How many ranges; each becomes a run.
        in_a_range: Keys in one range, whatever their role.
        in_all: Keys in all ranges.
    """

    ranges: int = MAX_RANGES_IN_A_TICK
    in_a_range: int = MAX_ACCOUNTS_IN_A_RANGE
    in_all: int = MAX_ACCOUNTS_IN_A_TICK


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Positions from one due key to another, both included, with what may lie between.

    Attributes:
        first: Of the first key.
        last: Of the last one.
        room: Between which barred keys it lies; two of the same room can be joined.
    """

    first: int
    last: int
    room: int

    def __len__(self) -> int:
        return self.last - self.first + 1


TICK_LIMITS = Limits()
_TAKEN = -1


def plan_ranges(
    partition_keys: Sequence[str],
    *,
    roles: Mapping[str, RangeRole],
    waiting: Sequence[str] = (),
    limits: Limits = TICK_LIMITS,
) -> list[PartitionRange]:
    """Cover due keys by contiguous ranges.

    What is due side by side, or parted only by what is early or passed over, shares a range. Where
    that makes too many, fresh keys between them are pulled in, as few as can be. Where even so not
    all can be covered, those that wait the longest come first, each with as many others as its
    range holds; the rest is left for the next time.

    Args:
        partition_keys: Dagster's keys in their order.
        roles: By key; a key without one is barred, because it belongs to nobody we know.
        waiting: Due keys, those that wait the longest first; others come after them in their order.
        limits: How much is planned at once.

    Returns:
        Ranges in the order of the keys, that begin and end with a due key and hold no barred one.
    """
    found = [roles.get(key, RangeRole.BARRED) for key in partition_keys]
    stretches = list(_iter_stretches(found, in_a_range=limits.in_a_range))
    is_bridging = len(stretches) > limits.ranges
    chosen = _join(stretches, limits) if is_bridging else stretches
    if chosen is None or sum(map(len, chosen)) > limits.in_all:
        position = {key: index for index, key in enumerate(partition_keys)}
        order = [position[key] for key in waiting if roles.get(key) is RangeRole.DUE]
        chosen = _take_longest_waiting(found, stretches, order, limits, is_bridging=is_bridging)
    return [PartitionRange(partition_keys[one.first], partition_keys[one.last]) for one in chosen]


def _iter_stretches(roles: Sequence[RangeRole], *, in_a_range: int) -> Iterator[_Stretch]:
    """Join due keys over what is early or passed over between them."""
    room = 0
    due: list[int] = []
    for index, role in enumerate(roles):
        if role is RangeRole.DUE:
            due.append(index)
        elif role is RangeRole.BARRED or role is RangeRole.FRESH:
            if due:
                yield from _split(due, room, in_a_range=in_a_range)
                due = []
            room += role is RangeRole.BARRED
    if due:
        yield from _split(due, room, in_a_range=in_a_range)


def _split(due: Sequence[int], room: int, *, in_a_range: int) -> Iterator[_Stretch]:
    """Cut what is too long for one range into pieces of similar length."""
    length = due[-1] + 1 - due[0]
    pieces = -(-length // in_a_range)
    most = -(-length // pieces)
    first = last = due[0]
    for index in due:
        if index - first >= most:
            yield _Stretch(first, last, room)
            first = index
        last = index
    yield _Stretch(first, last, room)


def _join(stretches: Sequence[_Stretch], limits: Limits) -> list[_Stretch] | None:
    """Join stretches to as many as are allowed, over as few keys as can be; None where none can.

    ``fewest[count]`` is, for the stretches up to the present one, how many keys so many ranges
    cover at least. A last range that begins with stretch b covers up to stretch e
    ``e.last - b.first + 1`` keys, so the best b is the one with the least
    ``fewest_before_b - b.first``: a minimum over a window that only moves on.
    """
    before: list[int | None] = [0, *([None] * len(stretches))]
    choices: list[list[int]] = []
    best: tuple[int, int] | None = None
    for count in range(1, limits.ranges + 1):
        fewest: list[int | None] = [None] * (len(stretches) + 1)
        begins = [0] * (len(stretches) + 1)
        window: deque[tuple[int, int]] = deque()
        for index, stretch in enumerate(stretches):
            left = before[index]
            if left is not None:
                value = left - stretch.first
                while window and window[-1][0] >= value:
                    window.pop()
                window.append((value, index))
            while window and not _fits(stretches[window[0][1]], stretch, limits):
                window.popleft()
            if window:
                value, begins[index + 1] = window[0]
                fewest[index + 1] = value + stretch.last + 1
        choices.append(begins)
        total = fewest[-1]
        if total is not None and (best is None or total < best[0]):
            best = total, count
        before = fewest
    if best is None:
        return None
    joined: list[_Stretch] = []
    end = len(stretches)
    for begins in reversed(choices[: best[1]]):
        begin = begins[end]
        first, last = stretches[begin], stretches[end - 1]
        joined.append(_Stretch(first.first, last.last, first.room))
        end = begin
    return joined[::-1]


def _fits(first: _Stretch, last: _Stretch, limits: Limits) -> bool:
    return first.room == last.room and last.last - first.first < limits.in_a_range


def _take_longest_waiting(
    roles: Sequence[RangeRole],
    stretches: Sequence[_Stretch],
    order: Sequence[int],
    limits: Limits,
    *,
    is_bridging: bool,
) -> list[_Stretch]:
    """Take ranges around the keys that wait the longest, each with as many due ones as it holds.

    Args:
        roles: By position.
        stretches: All that is due.
        order: Positions of due keys, the longest waiting first; those left out come after.
        limits: How much is taken.
        is_bridging: Whether a range may go on beyond its stretch.
    """
    due: list[int] = []
    homes: list[int] = []
    for number, stretch in enumerate(stretches):
        inside = [
            index
            for index in range(stretch.first, stretch.last + 1)
            if roles[index] is RangeRole.DUE
        ]
        due += inside
        homes += [stretch.room if is_bridging else number] * len(inside)
    rank = {index: number for number, index in enumerate(due)}
    taken: list[_Stretch] = []
    left = limits.in_all
    for index in dict.fromkeys([*order, *due]):
        if left == 0 or len(taken) == limits.ranges:
            break
        anchor = rank[index]
        if homes[anchor] == _TAKEN:
            continue
        begin, end = _find_widest(due, homes, anchor, in_a_range=min(limits.in_a_range, left))
        taken.append(_Stretch(due[begin], due[end], homes[anchor]))
        homes[begin : end + 1] = [_TAKEN] * (end + 1 - begin)
        left -= len(taken[-1])
    return sorted(taken, key=lambda one: one.first)


def _find_widest(
    due: Sequence[int], homes: Sequence[int], anchor: int, *, in_a_range: int
) -> tuple[int, int]:
    """Find the range around a due key that holds the most due ones, and then the fewest keys.

    Args:
        due: Positions of due keys.
        homes: For each, what a range does not leave.
        anchor: Which of them must lie in it.
        in_a_range: Keys in it at most.

    Returns:
        The first and the last of them that lie in it.
    """

    def reaches(begin: int, end: int) -> bool:
        is_there = begin >= 0 and end < len(due)
        return is_there and homes[begin] == homes[end] and due[end] - due[begin] < in_a_range

    lowest = anchor
    while reaches(lowest - 1, anchor):
        lowest -= 1
    best, most = (anchor, anchor), (1, -1)
    end = anchor
    for begin in range(lowest, anchor + 1):
        while reaches(begin, end + 1):
            end += 1
        holds = (end - begin + 1, due[begin] - due[end] - 1)
        if holds > most:
            best, most = (begin, end), holds
    return best
