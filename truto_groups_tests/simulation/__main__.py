"""``make simulate``: histories out of seeds, and every single fault of a few scenarios.

Prints the seed of a history in which a promise was broken, and how to play it alone.
"""

import argparse
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

from truto_groups_tests.simulation.disk import make_folder
from truto_groups_tests.simulation.enumeration import CASES, play_case
from truto_groups_tests.simulation.history import History
from truto_groups_tests.simulation.invariants import BrokenPromiseError
from truto_groups_tests.simulation.scheduling import Hang
from truto_groups_tests.simulation.share import leave_modules, play_faults, play_seeds
from truto_groups_tests.simulation.world import digest_trace

_TOGETHER = 25
# After some thousand histories a process takes twice the CPU for each; and the pool's own
# max_tasks_per_child waits for ever in Python 3.11.
_TASKS_OF_A_PROCESS = 20

_Work = Callable[[], tuple[int, list[str]]]
_MOST_FAILURES = 10
# A statement on a dozen rows is planned and forgotten: half of its time is allocating.
_ALLOCATION = ":".join(
    f"glibc.malloc.{name}"
    for name in (
        "tcache_count=5000",
        "arena_max=1",
        "top_pad=16777216",
        "trim_threshold=268435456",
        "mmap_threshold=268435456",
    )
)


def main() -> int:
    """Play what is asked for; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first of their seeds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument(
        "--no-cases", action="store_true", help="leave out the single faults, one after the other"
    )
    parser.add_argument("--seed", type=int, help="play this one alone, and print what happens")
    parser.add_argument("--case", choices=CASES, help="play these single faults alone")
    options = parser.parse_args()
    if options.seed is not None:
        return play_alone(options.seed)
    if options.case is not None:
        print(f"{options.case}: {play_case(options.case)} faults")
        return 0
    cases = () if options.no_cases else tuple(CASES)
    return play_all(options.first, options.seeds, cases=cases, jobs=options.jobs)


def play_alone(seed: int) -> int:
    """Play one history and print all of it."""
    with make_folder() as folder:
        history = History(seed, folder)
        is_kept = True
        try:
            history.play()
        except (BrokenPromiseError, Hang) as error:
            is_kept = False
            traceback.print_exception(error)
        print(*history.world.trace, sep="\n")
        for run in history.world.runs.values():
            print(f"{run.id}: {run.sabotage.harm or 'no sabotage'}, {run.luck}")
            if run.program.error is not None:
                traceback.print_exception(run.program.error)
    print(f"The digest of all this: {digest_trace(history.world.trace)}")
    return 0 if is_kept else 1


def play_all(first: int, count: int, *, cases: Sequence[str], jobs: int) -> int:
    """Play histories side by side, and then the single faults."""
    started = time.monotonic()
    failures: list[str] = []
    played = 0
    os.environ.setdefault("GLIBC_TUNABLES", _ALLOCATION)  # read by processes that are spawned
    work: list[_Work] = [partial(play_faults, name) for name in cases]
    work += [
        partial(play_seeds, start, min(_TOGETHER, first + count - start))
        for start in range(first, first + count, _TOGETHER)
    ]
    with contextlib.closing(_do(work, jobs=jobs)) as results:
        for number, broken in results:
            played += number
            for told in broken:
                print(told, flush=True)
            failures += broken
            if sys.stderr.isatty():
                print(f"\r{played} played", end="", file=sys.stderr)
            if len(failures) >= _MOST_FAILURES:
                break
    print(
        f"{played} histories and single faults in {time.monotonic() - started:.0f} s, "
        f"in {len(failures)} of them a promise was broken."
    )
    return 1 if failures else 0


def _do(work: Sequence[_Work], *, jobs: int) -> Generator[tuple[int, list[str]]]:
    """Do all of it in processes that are made anew now and then."""
    together = jobs * _TASKS_OF_A_PROCESS
    for begin in range(0, len(work), together):
        with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=leave_modules) as pool:
            doing = [pool.submit(one) for one in work[begin : begin + together]]
            try:
                for future in as_completed(doing):
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main())
