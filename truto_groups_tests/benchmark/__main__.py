"""``make bench``: our pipeline, and the limit of its HTTP client, in turn.

Prints the median of the rounds, with ratios that were taken side by side in the same run.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from statistics import median

from truto_groups_tests.benchmark.sides import AT_ONCE, PAGE_SIZE, SIDES

PACKAGE = "truto_groups_tests.benchmark"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--groups", type=int, default=2_000, help="of each account")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a page")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sizes = [str(options.accounts), str(options.groups), str(options.latency)]
    server = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE}.server", *sizes], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        measure("bare loop", url, options.accounts)  # fills the sandbox's cache of pages
        rounds = [
            {side: measure(side, url, options.accounts) for side in SIDES}
            for _ in range(options.rounds)
        ]
    finally:
        server.kill()
    expected = options.accounts * options.groups
    assert all(one["groups"] == expected for found in rounds for one in found.values())
    pages = options.accounts * math.ceil(options.groups / PAGE_SIZE)
    waiting = pages * options.latency / min(AT_ONCE, options.accounts)
    print(f"{expected:,} groups of {options.accounts:,} accounts, {pages:,} pages of {PAGE_SIZE},")
    print(f"{options.latency:g} s a page, {AT_ONCE} at once; waiting takes {waiting:.2f} s.\n")
    print("| | wall s | CPU s | peak MB | wall / waiting | CPU / bare loop |")
    print("| --- | --- | --- | --- | --- | --- |")
    for side in SIDES:
        wall, cpu, mb = (
            median(found[side][key] for found in rounds) for key in ("wall", "cpu", "mb")
        )
        ratio = median(found[side]["cpu"] / found["bare loop"]["cpu"] for found in rounds)
        print(
            f"| {side} | {wall:.1f} | {cpu:.1f} | {mb:.0f} | {wall / waiting:.2f} | {ratio:.2f} |"
        )


def measure(side: str, url: str, account_count: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"{PACKAGE}.sides", side, url, str(account_count), folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
