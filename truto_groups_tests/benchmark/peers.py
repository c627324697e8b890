"""Our pipeline beside the limit of its HTTP client and its peers, in turn.

Prints the median of the rounds, with ratios that were taken side by side in the same round.
"""

import argparse
import importlib.util
import math
import sys
import tempfile
from statistics import median

from truto_groups_tests.benchmark.measure import Measured, describe_machine, measure_apart, serving
from truto_groups_tests.benchmark.server import AT_ONCE, PAGE_SIZE
from truto_groups_tests.benchmark.sides import SIDES

BARE, OURS = "bare loop", "truto-groups"
PACKAGES = {"vendor's client": "truto_python_sdk", "dlt": "dlt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes and latency."""
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--groups", type=int, default=2_000, help="of each account")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a page")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))


def measure(options: argparse.Namespace) -> None:
    """Measure, and print a table."""
    sides = [side for side in options.sides if _is_installed(side)]
    with serving(options.accounts, options.groups, options.latency) as url:
        _measure(BARE, url, options.accounts)  # fills the server's cache of pages
        rounds = [_measure_round(sides, url, options.accounts) for _ in range(options.rounds)]
    expected = options.accounts * options.groups
    assert all(one.groups == expected for found in rounds for one in found.values())
    digests = {one.digest for found in rounds for one in found.values() if one.digest}
    assert len(digests) <= 1, "the sides ended with different groups"
    pages = options.accounts * math.ceil(options.groups / PAGE_SIZE)
    waiting = pages * options.latency / min(AT_ONCE, options.accounts)
    print(
        f"\n{expected:,} groups of {options.accounts:,} accounts, {pages:,} pages of {PAGE_SIZE},"
    )
    print(f"{options.latency:g} s a page, {AT_ONCE} at once; waiting takes {waiting:.2f} s.")
    print(f"{options.rounds} rounds; {describe_machine()}.")
    print(f"The groups of {', '.join(s for s in sides if s != BARE)} are equal.\n")
    _print_table(sides, rounds, waiting)


def _is_installed(side: str) -> bool:
    package = PACKAGES.get(side)
    if package is None or importlib.util.find_spec(package) is not None:
        return True
    print(f"{side} is left out: {package} is not here (it may need a newer Python).")
    return False


def _measure_round(sides: list[str], url: str, account_count: int) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    for side in sides:
        found[side] = _measure(side, url, account_count)
        one = found[side]
        print(f"{side}: {one.wall:.1f} s, CPU {one.cpu:.1f} s, {one.mb:.0f} MB", file=sys.stderr)
    return found


def _measure(side: str, url: str, account_count: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        return measure_apart("sides", side, url, account_count, folder)


def _print_table(sides: list[str], rounds: list[dict[str, Measured]], waiting: float) -> None:
    heads = (
        "",
        "wall s",
        "CPU s",
        "peak MB",
        "wall / waiting",
        "CPU / bare loop",
        "wall / ours",
        "CPU / ours",
    )
    print(f"| {' | '.join(heads)} |")
    print("| --- " * len(heads) + "|")
    for side in sides:
        own = [found[side] for found in rounds]
        cells = [
            f"{median(one.wall for one in own):.1f}",
            f"{median(one.cpu for one in own):.1f}",
            f"{median(one.mb for one in own):.0f}",
            f"{median(one.wall for one in own) / waiting:.2f}" if waiting else "",
        ]
        for other, what in ((BARE, "cpu"), (OURS, "wall"), (OURS, "cpu")):
            ratios = [
                getattr(found[side], what) / getattr(found[other], what)
                for found in rounds
                if other in found
            ]
            cells.append(f"{median(ratios):.2f}" if ratios else "")
        print(f"| {side} | {' | '.join(cells)} |")
