"""Few contiguous ranges that cover what is due: the rules, and all the ways that there are."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from truto_groups.accounts.ranges import (
    TICK_LIMITS,
    Limits,
    PartitionRange,
    RangeRole,
    plan_ranges,
)

ROLES = st.lists(st.sampled_from([*RangeRole, None]), max_size=60)
LIMITS = st.builds(
    Limits, ranges=st.integers(1, 5), in_a_range=st.integers(1, 12), in_all=st.integers(1, 40)
)
JOINED = (RangeRole.EARLY, RangeRole.PASSED_OVER, RangeRole.DUE)


def plan(
    roles: Sequence[RangeRole | None], limits: Limits, *, waiting: Sequence[int] = ()
) -> list[range]:
    keys = [f"k{index}" for index in range(len(roles))]
    known = {key: role for key, role in zip(keys, roles, strict=True) if role is not None}
    ranges = plan_ranges(
        keys, roles=known, waiting=[keys[index] for index in waiting], limits=limits
    )
    assert all(isinstance(one, PartitionRange) for one in ranges)
    return [range(keys.index(one.first), keys.index(one.last) + 1) for one in ranges]


def find_due(roles: Sequence[RangeRole | None]) -> list[int]:
    return [index for index, role in enumerate(roles) if role is RangeRole.DUE]


@given(roles=ROLES, limits=LIMITS, data=st.data())
def test_ranges_keep_to_the_rules(
    roles: list[RangeRole | None], limits: Limits, data: st.DataObject
) -> None:
    """Behaviour 2: a healthy account that is not synced is never inside a planned range."""
    waiting = data.draw(st.permutations(find_due(roles)))
    ranges = plan(roles, limits, waiting=waiting)
    assert len(ranges) <= limits.ranges
    for inside in ranges:
        assert 1 <= len(inside) <= limits.in_a_range
        assert roles[inside[0]] is roles[inside[-1]] is RangeRole.DUE
        assert all(roles[index] not in (None, RangeRole.BARRED) for index in inside)
    covered = [index for inside in ranges for index in inside]
    assert len(covered) <= limits.in_all
    assert covered == sorted(set(covered))
    if waiting:
        assert waiting[0] in covered


@given(roles=ROLES)
def test_whoever_is_due_comes_within_as_many_turns_as_there_are_due(
    roles: list[RangeRole | None],
) -> None:
    limits = Limits(ranges=1, in_a_range=3, in_all=3)
    left = find_due(roles)
    now = list(roles)
    for _ in list(left):
        for index in (index for inside in plan(now, limits, waiting=left) for index in inside):
            now[index] = RangeRole.FRESH if now[index] is RangeRole.DUE else now[index]
        left = find_due(now)
    assert left == []


@given(roles=ROLES, limits=LIMITS)
def test_fresh_keys_are_pulled_in_only_where_there_would_be_too_many_ranges(
    roles: list[RangeRole | None], limits: Limits
) -> None:
    parted = [None if role is RangeRole.FRESH else role for role in roles]
    without = plan(parted, Limits(ranges=len(roles), in_a_range=limits.in_a_range, in_all=60))
    ranges = plan(roles, limits)
    if len(without) <= limits.ranges:
        assert all(roles[index] is not RangeRole.FRESH for inside in ranges for index in inside)


def iter_covers(roles: Sequence[RangeRole | None], limits: Limits) -> Iterator[int]:
    """How many keys each way to cover all that is due takes, by trying them all."""
    due = find_due(roles)
    for count in range(min(limits.ranges, len(due))):
        for cuts in combinations(range(1, len(due)), count):
            bounds = [0, *cuts, len(due)]
            parts = [due[a:b] for a, b in pairwise(bounds)]
            spans = [range(part[0], part[-1] + 1) for part in parts]
            if all(
                len(span) <= limits.in_a_range
                and all(roles[index] not in (None, RangeRole.BARRED) for index in span)
                for span in spans
            ):
                yield sum(map(len, spans))


SOME_ROLES = st.lists(
    st.sampled_from([RangeRole.DUE, RangeRole.FRESH, RangeRole.FRESH, RangeRole.BARRED]),
    max_size=16,
)


@given(roles=SOME_ROLES, ranges=st.integers(1, 4), in_a_range=st.integers(2, 9))
def test_all_that_is_due_is_covered_where_it_can_be_and_over_the_fewest_keys(
    roles: list[RangeRole | None], ranges: int, in_a_range: int
) -> None:
    limits = Limits(ranges=ranges, in_a_range=in_a_range, in_all=60)
    covers = list(iter_covers(roles, limits))
    planned = plan(roles, limits)
    if covers:
        assert set(find_due(roles)) <= {index for inside in planned for index in inside}
        assert sum(map(len, planned)) == min(covers)


def test_the_limits_are_those_that_are_promised() -> None:
    assert Limits(ranges=4, in_a_range=500, in_all=1000) == TICK_LIMITS
