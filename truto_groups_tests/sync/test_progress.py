"""Where an account stands in a run, and which ways lead from there. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from truto_groups.settings import AccountSettings
from truto_groups.sync.progress import AccountSync, ArrivedPage, PlannedSync, Progress, Stage
from truto_groups.truto import GroupsRequest
from truto_groups.truto.walk_results import (
    CompleteLanding,
    CompleteWalk,
    Page,
    SyncStats,
    prove_landed,
    seal_walk,
)
from truto_groups_tests.stand import A, B, known_account

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def plan(key: str) -> PlannedSync:
    account = known_account(key)
    return PlannedSync(account, AccountSettings(), GroupsRequest(key, "okta"))


@pytest.fixture(name="progress")
def provide_progress() -> Progress:
    return Progress([plan(A), plan(B)])


def walk_of(page_count: int) -> CompleteWalk:
    return seal_walk(page_count=page_count, stats=SyncStats())


def arrived(sync: AccountSync, number: int) -> ArrivedPage:
    return ArrivedPage(sync, Page(number, "[]", 2), sync.walk_number)


def begun(progress: Progress, key: str = A) -> AccountSync:
    sync = progress.find(key)
    progress.queue(sync)
    progress.begin(sync, answer_order=1, at=NOW)
    return sync


def walked(progress: Progress, *, page_count: int, landed: int) -> AccountSync:
    """An account all of whose pages have arrived, some of which are landed."""
    sync = begun(progress)
    for number in range(1, landed + 1):
        progress.land(arrived(sync, number))
    progress.finish_walk(sync, walk_of(page_count))
    return sync


def test_an_account_is_landed_only_when_every_page_of_its_walk_is(progress: Progress) -> None:
    """Sealed is not landed."""
    sync = walked(progress, page_count=3, landed=1)
    assert (sync.stage, sync.landing) == (Stage.WALKED, None)
    progress.land(arrived(sync, 3))
    assert sync.stage is Stage.WALKED
    progress.land(arrived(sync, 2))
    assert sync.stage is Stage.LANDED
    assert sync.landing is not None
    assert sync.landing.walk is sync.walk


def test_pages_that_were_landed_before_the_walk_ended_count(progress: Progress) -> None:
    assert walked(progress, page_count=2, landed=2).stage is Stage.LANDED


@pytest.mark.parametrize("landed", [{1, 2}, {1, 3}, {2, 3}, set[int](), {1, 2, 3, 4}], ids=str)
def test_a_landing_is_proven_by_exactly_the_pages_of_the_walk(landed: set[int]) -> None:
    assert prove_landed(walk_of(3), landed) is None
    assert isinstance(prove_landed(walk_of(3), {1, 2, 3}), CompleteLanding)


def test_nothing_but_the_proof_makes_a_complete_landing() -> None:
    with pytest.raises(TypeError, match="every page was landed"):
        CompleteLanding(object(), walk=walk_of(1))


@pytest.mark.parametrize("landed", [0, 1, 2], ids=["none", "some", "all"])
def test_what_has_failed_is_published_no_more_and_its_pages_are_not_wanted(
    progress: Progress, landed: int
) -> None:
    sync = walked(progress, page_count=2, landed=landed)
    late = arrived(sync, 2)
    progress.fail(sync)
    assert (sync.stage, sync.landing) == (Stage.FAILED, None)
    assert not late.is_wanted
    assert progress.count(Stage.WALKED, Stage.LANDED) == 0
    progress.settle(sync)
    assert sync.stage is Stage.SETTLED
    assert not late.is_wanted


def test_pages_of_a_walk_that_began_anew_are_void(progress: Progress) -> None:
    sync = begun(progress)
    early = arrived(sync, 1)
    progress.land(early)
    progress.start_over(sync)
    assert not early.is_wanted
    progress.finish_walk(sync, walk_of(1))
    assert sync.stage is Stage.WALKED  # the page that was landed is none of this walk
    page = arrived(sync, 1)
    assert page.is_wanted
    progress.land(page)
    assert sync.stage is Stage.LANDED
    assert (sync.answer_order, sync.started_at) == (1, NOW)


def test_a_run_is_over_when_every_account_is_settled(progress: Progress) -> None:
    progress.settle(walked(progress, page_count=1, landed=1))
    assert not progress.is_over
    other = begun(progress, B)
    progress.fail(other)
    assert not progress.is_over
    progress.settle(other)
    assert progress.is_over
    assert Progress([]).is_over


def test_accounts_stand_where_they_came_to_in_that_order(progress: Progress) -> None:
    assert [sync.id for sync in progress.at(Stage.WAITING)] == [A, B]
    begun(progress, B)
    begun(progress, A)
    assert [sync.id for sync in progress.at(Stage.WALKING, Stage.WAITING)] == [B, A]
    assert progress.count(Stage.WALKING) == 2


WAYS: dict[str, tuple[Callable[[Progress, AccountSync], None], set[Stage]]] = {
    "queue": (lambda progress, sync: progress.queue(sync), {Stage.WAITING}),
    "begin": (
        lambda progress, sync: progress.begin(sync, answer_order=1, at=NOW),
        {Stage.QUEUED},
    ),
    "start over": (lambda progress, sync: progress.start_over(sync), {Stage.WALKING}),
    "finish the walk": (
        lambda progress, sync: progress.finish_walk(sync, walk_of(1)),
        {Stage.WALKING},
    ),
    "fail": (
        lambda progress, sync: progress.fail(sync),
        {Stage.WALKING, Stage.WALKED, Stage.LANDED},
    ),
    "settle": (lambda progress, sync: progress.settle(sync), {Stage.LANDED, Stage.FAILED}),
}


def at_stage(stage: Stage) -> tuple[Progress, AccountSync]:
    progress = Progress([plan(A)])
    sync = progress.find(A)
    if stage is Stage.QUEUED:
        progress.queue(sync)
    elif stage is Stage.WALKING:
        begun(progress)
    elif stage is Stage.WALKED:
        walked(progress, page_count=2, landed=1)
    elif stage is not Stage.WAITING:
        walked(progress, page_count=1, landed=1)
        if stage is Stage.FAILED:
            progress.fail(sync)
        elif stage is Stage.SETTLED:
            progress.settle(sync)
    assert sync.stage is stage
    return progress, sync


@pytest.mark.parametrize("stage", Stage, ids=lambda stage: stage.value)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_from_a_stage_but_those_that_are_meant(way: str, stage: Stage) -> None:
    go, allowed = WAYS[way]
    progress, sync = at_stage(stage)
    if stage in allowed:
        go(progress, sync)
        return
    with pytest.raises(AssertionError, match=f"cannot go from {stage.value}"):
        go(progress, sync)
    assert sync.stage is stage
