"""What a process of its own plays of many histories and single faults.

Not in ``__main__``: a process that is spawned cannot find what is defined there.
"""

import gc
from collections.abc import Callable, Iterator

from truto_groups_tests.simulation.enumeration import play_case
from truto_groups_tests.simulation.history import play
from truto_groups_tests.simulation.scheduling import Hang

_COMMAND = "python -m truto_groups_tests.simulation"


def leave_modules() -> None:
    """Let the garbage collector look at what a history makes, and at no module."""
    gc.freeze()
    gc.set_threshold(20_000)


def play_seeds(first: int, count: int) -> tuple[int, list[str]]:
    """Play a few histories; how many, and what was wrong with which."""
    broken: list[str] = []
    for seed in range(first, first + count):
        broken += _try(lambda seed=seed: play(seed), f"seed {seed}", f"{_COMMAND} --seed {seed}")
    return count, broken


def play_faults(name: str) -> tuple[int, list[str]]:
    """Play all single faults of a case; how many, and what was wrong."""
    numbers: list[int] = []
    broken = [*_try(lambda: numbers.append(play_case(name)), name, f'{_COMMAND} --case "{name}"')]
    return sum(numbers), broken


def _try(play_one: Callable[[], object], what: str, command: str) -> Iterator[str]:
    try:
        play_one()
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is to be told
        yield f"{what}: {type(error).__name__}: {error}\n    alone: {command}"
    except Hang as error:
        yield f"{what}: {error}\n    alone: {command}"
