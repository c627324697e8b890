"""What it takes when there is nothing to do: loading the definitions, and a tick of discovery.

Importing is measured in fresh processes in turn, beside importing dagster alone. The tick is
evaluated in a process that has evaluated one before, over accounts that are all confirmed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import dagster as dg

from truto_groups.definitions import build_definitions
from truto_groups.defs.partitions import integrated_accounts
from truto_groups.defs.resources import open_session
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.truto.blocking import list_accounts
from truto_groups_tests.benchmark.measure import PACKAGE, describe_machine, serving
from truto_groups_tests.benchmark.project import discover, make_resources, open_instance
from truto_groups_tests.benchmark.server import account_id

_IMPORT = """
import sys, time
begun = time.perf_counter()
import {module}
print(time.perf_counter() - begun, bool({{"pandas", "numpy"}} & set(sys.modules)))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)


def measure(options: argparse.Namespace) -> None:
    """Measure, and print what came of it."""
    rounds = [
        (_measure_import("dagster"), _measure_import("truto_groups.definitions"))
        for _ in range(options.rounds)
    ]
    dagster = median(alone for alone, _ in rounds)
    ours = median(together - alone for alone, together in rounds)
    with serving(options.accounts, 0, 0) as url:
        tick, listing = _measure_tick(url, options.accounts, options.rounds)
    print(f"\n{options.rounds} rounds; {describe_machine()}.\n")
    print(f"- importing dagster: {dagster:.2f} s; the definitions on top of it: {ours:.2f} s")
    print(f"- a tick over {options.accounts:,} known accounts with nothing to do: {tick:.1f} s,")
    print(f"  of which {listing:.1f} s are listing them through the client")


def _measure_import(module: str) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, is_heavy = done.stdout.split()
    assert is_heavy == "False", f"{module} imports pandas or numpy"
    return float(seconds)


def _measure_tick(url: str, account_count: int, rounds: int) -> tuple[float, float]:
    command = [sys.executable, "-m", f"{PACKAGE}.idle", url, str(account_count), str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    tick, listing = json.loads(done.stdout.splitlines()[-1])
    return tick, listing


def main() -> None:
    """Sync all accounts of a server, then measure ticks of discovery and listings, in turn."""
    url, account_count, rounds = sys.argv[1:]
    with open_instance(url) as instance:
        resources = make_resources()
        definitions = build_definitions(resources)
        session = open_session(**resources)
        keys = [account_id(index) for index in range(int(account_count))]
        discover(definitions, instance)
        instance.add_dynamic_partitions(str(integrated_accounts.name), keys)
        assert sum(1 for _ in refresh_accounts(session, keys, run_id="bench")) == len(keys)
        measured = [
            (
                _time(lambda: _tick(definitions, instance)),
                _time(lambda: list_accounts(session.find_client())),
            )
            for _ in range(int(rounds))
        ]
    print(json.dumps([median(one[index] for one in measured) for index in (0, 1)]))


def _tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    found = discover(definitions, instance)
    assert not found.run_requests
    assert not found.dynamic_partitions_requests


def _time(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
