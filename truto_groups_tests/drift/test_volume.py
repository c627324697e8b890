"""How many groups are plausible. Numbers in, a verdict out."""

import pytest

from truto_groups.drift.volume import plausible_count


def outcome(observed: int, *history: int, **limits: float | bool | None) -> str:
    return plausible_count(observed, history=history, **limits).outcome  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("observed", [0, 1, 50_000])
def test_a_first_sync_is_always_plausible(observed: int) -> None:
    assert outcome(observed) == "ok"


@pytest.mark.parametrize("size", [3, 5, 50, 50_000])
def test_a_fall_to_zero_is_held_back(size: int) -> None:
    verdict = plausible_count(0, history=[size])

    assert verdict.outcome == "hold_back"
    assert f"0 groups instead of {size:,}" in verdict.reason


@pytest.mark.parametrize("size", [1, 2])
def test_one_or_two_groups_may_go_and_are_told(size: int) -> None:
    assert outcome(0, size) == "warn"
    assert outcome(0, 0) == "ok"


def test_two_groups_that_are_left_of_many_do_not_open_the_way_to_zero() -> None:
    assert outcome(0, 100, 100, 2) == "hold_back"


def test_five_groups_may_lose_what_fifty_thousand_may_not() -> None:
    assert outcome(3, *[5] * 10) == "ok"
    assert outcome(6, *[10] * 20) == "ok"
    assert outcome(30_000, *[50_000] * 10) == "hold_back"


@pytest.mark.parametrize("size", [50, 200, 1000, 5000])
def test_everyday_movement_is_plausible_and_a_collapse_is_not(size: int) -> None:
    assert outcome(int(size * 0.85), *[size] * 20) == "ok"
    assert outcome(int(size * 1.25), *[size] * 20) == "ok"
    assert outcome(int(size * 0.2), size) == "hold_back"


def test_a_restless_account_may_move_more_than_a_steady_one() -> None:
    restless = [1000, 500, 1000, 550, 1000, 600, 1000]

    assert outcome(450, *[1000] * 7) == "hold_back"
    assert outcome(450, *restless) == "ok"


def test_a_number_that_was_confirmed_recently_is_plausible_again() -> None:
    assert outcome(100, 1000, 100, 1000) == "ok"
    assert outcome(100, 100, 1000) == "ok"
    assert outcome(0, 9, 0, 9, 0, 9) == "ok"
    assert outcome(0, 9, 0, 9) == "warn"


def test_a_jump_is_told_and_published() -> None:
    verdict = plausible_count(50_000, history=[1000] * 10)

    assert verdict.outcome == "warn"
    assert verdict.moved == 49
    assert outcome(50_000, 0) == "ok"


def test_limits_of_the_settings_decide_instead() -> None:
    assert outcome(79, 100, max_fall=0.2) == "hold_back"
    assert outcome(80, 100, max_fall=0.2) == "ok"
    assert outcome(0, 100, max_fall=1.0) == "ok"
    assert outcome(151, 100, max_rise=0.5) == "hold_back"
    assert outcome(150, 100, max_rise=0.5) == "ok"


def test_a_move_of_exactly_the_limit_is_within_it() -> None:
    for percent in range(1, 100):
        assert outcome(100 + percent, 100, max_rise=percent / 100) == "ok"
        assert outcome(100 - percent, 100, max_fall=percent / 100) == "ok"


def test_where_nothing_is_held_back_it_warns() -> None:
    assert outcome(0, 100, hold_back=False) == "warn"
    assert outcome(79, 100, max_fall=0.2, hold_back=False) == "warn"


def test_the_verdict_has_the_numbers() -> None:
    verdict = plausible_count(100, history=[1000, 990, 1000])

    assert (verdict.observed, verdict.usual, verdict.moved) == (100, 1000, -0.9)
    assert verdict.reason == (
        "100 groups instead of 1,000 (90% fewer); the last 3 syncs had 990 to 1,000."
        " A fall like this is no chance at this size."
    )
