"""Two days of 250 accounts, as ``make simulate-scale`` plays a week of 25,000."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest

from truto_groups.accounts.ranges import MAX_ACCOUNTS_IN_A_RANGE, MAX_RANGES_IN_A_TICK
from truto_groups.defs.partitions import read_partition_keys
from truto_groups_tests.scale_simulation.figures import draw, sum_up
from truto_groups_tests.scale_simulation.world import Luck, World

pytestmark = pytest.mark.long


@pytest.fixture(name="world", scope="module")
def provide_world() -> Iterator[World]:
    """An account is in flight once: a run that covers one that is in flight stops it."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(instance, count=250, luck=Luck(connected_a_day=0.02))
        world.live(2)
        assert list(read_partition_keys(instance)) == list(world.accounts)
        yield world


def test_a_tick_requests_at_most_four_runs_of_at_most_five_hundred_accounts(world: World) -> None:
    assert max(world.counts.runs) <= MAX_RANGES_IN_A_TICK
    assert max(world.counts.sizes) <= MAX_ACCOUNTS_IN_A_RANGE


def test_every_account_that_is_due_is_in_a_run_at_once_and_none_is_stale(world: World) -> None:
    assert max(world.counts.late) == 0
    assert max(world.counts.oldest) < timedelta(hours=7)


def test_hardly_anything_is_synced_early_once_all_are_in_step(world: World) -> None:
    figures = sum_up(world)
    assert figures.early_share < 0.05
    assert figures.syncs_a_day < 250 * 4 * 1.2


def test_the_figures_are_a_table_with_a_column_for_each_world(world: World) -> None:
    lines = draw([sum_up(world), sum_up(world)]).splitlines()
    assert lines[0] == "| accounts | 250 | 250 |"
    assert {line.count("|") for line in lines} == {4}
