"""What a refresh of many small accounts costs on top of Dagster's own events.

The main job beside the same graph with empty bodies, which yields the same materializations, and
beside the bare loop, which only fetches.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from statistics import median

import dagster as dg

from truto_groups.accounts.ranges import MAX_ACCOUNTS_IN_A_RANGE
from truto_groups.definitions import build_definitions
from truto_groups.defs.assets import BREAKDOWN, CHANGES, GROUPS, RAW_GROUPS, SPECS
from truto_groups.defs.in_flight import range_tags
from truto_groups.defs.partitions import integrated_accounts
from truto_groups_tests.benchmark.measure import (
    Measured,
    describe_machine,
    measure_apart,
    measure_here,
    serving,
    tell,
)
from truto_groups_tests.benchmark.project import discover, make_resources, open_instance
from truto_groups_tests.benchmark.server import account_id

EMPTY, OURS = "empty bodies", "refresh_groups"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=20, help="of each account")
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Measure, and print a table."""
    with serving(options.accounts, options.groups, 0) as url:
        rounds = [_measure_round(url, options.accounts) for _ in range(options.rounds)]
    print(f"\n{options.accounts:,} accounts of {options.groups} groups; {describe_machine()}.\n")
    print("| | wall s | CPU s | peak MB |")
    print("| --- | --- | --- | --- |")
    for side in rounds[0]:
        own = [found[side] for found in rounds]
        wall, cpu, mb = (
            median(getattr(one, name) for one in own) for name in ("wall", "cpu", "mb")
        )
        print(f"| {side} | {wall:.1f} | {cpu:.1f} | {mb:.0f} |")
    share = median(
        (found[OURS].cpu - found["bare loop"].cpu) / found[EMPTY].cpu for found in rounds
    )
    print(f"\nWithout the fetching, {OURS} takes {share:.2f} times the CPU of {EMPTY}.")


def _measure_round(url: str, account_count: int) -> dict[str, Measured]:
    with tempfile.TemporaryDirectory() as folder:
        found = {"bare loop": measure_apart("sides", "bare loop", url, account_count, folder)}
    for side in (EMPTY, OURS):
        found[side] = measure_apart("graph", side, url, account_count)
        print(f"{side}: {found[side].wall:.1f} s, CPU {found[side].cpu:.1f} s", file=sys.stderr)
    return found


@dg.multi_asset(name="empty_step", specs=SPECS, can_subset=True)
def empty_bodies(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """Say that everything is materialized."""
    for key in context.partition_keys:
        for asset in (RAW_GROUPS, GROUPS, BREAKDOWN):
            yield dg.AssetMaterialization(asset, partition=key)
    yield dg.AssetMaterialization(CHANGES)


def _find_definitions(side: str) -> dg.Definitions:
    if side == OURS:
        return build_definitions(make_resources())
    job = dg.define_asset_job(OURS, selection=dg.AssetSelection.all())
    return dg.Definitions(assets=[empty_bodies], jobs=[job], executor=dg.in_process_executor)


def main() -> None:
    """Measure one side."""
    side, url, account_count = sys.argv[1:]
    keys = [account_id(index) for index in range(int(account_count))]
    with open_instance(url) as instance:
        definitions = _find_definitions(side)
        if side == OURS:
            discover(definitions, instance)
        instance.add_dynamic_partitions(str(integrated_accounts.name), keys)
        job = definitions.resolve_job_def(OURS)

        def work() -> None:
            for first in range(0, len(keys), MAX_ACCOUNTS_IN_A_RANGE):
                last = min(first + MAX_ACCOUNTS_IN_A_RANGE, len(keys)) - 1
                tags = range_tags(keys[first], keys[last])
                assert job.execute_in_process(instance=instance, tags=tags).success

        wall, cpu, mb = measure_here(work)
    tell(Measured(wall, cpu, mb, groups=0))


if __name__ == "__main__":
    main()
