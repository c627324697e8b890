"""``make cluster-test``: hosts that sync through crashes, kills and cut networks; a verdict."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from truto_groups_tests.cluster.trial import Scale, find_obstacle, run_trial


def main() -> int:
    """Run one trial, print what happens, and return 1 when something is wrong at the end."""
    parser = argparse.ArgumentParser(prog="make cluster-test", description=__doc__)
    parser.add_argument("--workers", type=int, default=Scale.workers, help="that execute runs")
    parser.add_argument("--accounts", type=int, default=Scale.accounts)
    parser.add_argument("--minutes", type=float, default=Scale.minutes)
    parser.add_argument("--kills", type=int, default=Scale.kills, help="how often something fails")
    parser.add_argument("--seed", type=int, default=Scale.seed)
    parser.add_argument("--logs", type=Path, help="an empty folder for what the programs write")
    options = parser.parse_args()
    if obstacle := find_obstacle():
        _tell(f"There can be no cluster here: {obstacle}")
        return 0
    # That the tables are away for a while is what is tried.
    logging.getLogger("truto_groups").setLevel(logging.ERROR)
    # Ended by CI it must take its hosts apart, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scale = Scale(options.workers, options.accounts, options.minutes, options.kills, options.seed)
    wrong = run_trial(scale, tell=_tell, logs=options.logs)
    _tell("\n".join(wrong) if wrong else "Nothing is wrong.")
    return int(bool(wrong))


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    sys.exit(main())
