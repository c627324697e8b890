"""Histories of the pipeline out of seeds: whatever befalls them, no promise is broken.

Real: everything but time, order, Truto and the faults of the disk; see simulation/.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from truto_groups_tests.simulation.enumeration import CASES, play_case
from truto_groups_tests.simulation.history import play
from truto_groups_tests.simulation.scheduling import Hang, Scheduler
from truto_groups_tests.simulation.world import digest_trace

pytestmark = pytest.mark.long

# Of the first 160 histories those that together meet nearly every harm and every answer that any of
# them meets, with the least work; `make simulate` plays ten thousand.
_QUICK = (10, 14, 25, 30, 46, 50, 51, 54, 78, 117)
_SLOW = ((4, 5, 6, 9, 21, 26, 33, 34), (35, 39, 40, 64, 87, 96, 113, 145))
# At most a few dozen faults each; the others, which `make simulate` plays, have one for every
# statement.
_QUICK_CASES = frozenset(
    {
        "each landing fails",
        "each commit finds the disk full",
        "cancelled after each commit",
    }
)


@pytest.mark.parametrize(
    "seeds",
    [_QUICK, *(pytest.param(seeds, marks=pytest.mark.slow) for seeds in _SLOW)],
    ids=lambda seeds: f"{seeds[0]} to {seeds[-1]}",
)
def test_no_promise_is_broken_in_any_history(seeds: Sequence[int]) -> None:
    """`python -m truto_groups_tests.simulation --seed N` plays one of them alone."""
    for seed in seeds:
        try:
            play(seed)
        except BaseException as error:
            error.add_note(f"This was seed {seed}.")
            raise


@pytest.mark.parametrize("seed", [943, 1015, 1370, 1488, 1702, 50203, 50983])
def test_a_history_that_once_broke_a_promise_breaks_none(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("name", [name for name in CASES if name in _QUICK_CASES])
def test_no_promise_is_broken_by_any_single_fault(name: str) -> None:
    assert play_case(name, account_count=2) >= 3


def test_the_same_seed_is_the_same_history() -> None:
    """Also in another process, whose sets of texts have another order."""
    here = [play(7).trace, play(7).trace]
    assert here[0] == here[1]
    assert len(here[0]) > 20
    assert digest_trace(play(10).trace) != digest_trace(here[0])
    call = [sys.executable, "-m", "truto_groups_tests.simulation", "--seed", "7"]
    environment: Mapping[str, str] = {**os.environ, "PYTHONHASHSEED": "99"}
    elsewhere = subprocess.run(call, capture_output=True, text=True, check=True, env=environment)
    assert f"all this: {digest_trace(here[0])}" in elsewhere.stdout


def test_make_simulate_plays_in_processes_of_their_own() -> None:
    call = [sys.executable, "-m", "truto_groups_tests.simulation", "--no-cases"]
    ended = subprocess.run(
        [*call, "--seeds", "2", "--first", "14", "--jobs", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith("2 histories and single faults in ")
    assert ended.stdout.endswith("in 0 of them a promise was broken.\n")


def test_who_waits_for_what_never_comes_is_a_failure() -> None:
    scheduler = Scheduler(Random(1))
    never = scheduler.loop.create_future()
    waiting = scheduler.start("waiting", lambda: scheduler.wait(never.done, seconds=None))
    with pytest.raises(Hang, match="waiting waits for ever"):
        scheduler.finish(waiting)


def test_who_goes_round_and_round_is_a_failure() -> None:
    scheduler = Scheduler(Random(1))

    def turn() -> None:
        scheduler.loop.call_soon(turn)

    turn()
    never = scheduler.start("polling", lambda: scheduler.wait(lambda: False, seconds=None))
    with pytest.raises(Hang, match="never ends"):
        scheduler.finish(never)
