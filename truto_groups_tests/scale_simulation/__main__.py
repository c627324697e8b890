"""``make simulate-scale``: a week of 250, 2,500 and 25,000 accounts on a fake clock, as a table."""

import argparse

import dagster as dg

from truto_groups_tests.scale_simulation.figures import Figures, draw, sum_up
from truto_groups_tests.scale_simulation.world import Luck, World

_TICKS_BETWEEN_LOOKS = 6


def main() -> None:
    """Play the weeks, and print what they come to."""
    parser = argparse.ArgumentParser(prog="make simulate-scale", description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[250, 2_500, 25_000])
    parser.add_argument("--days", type=float, default=7, help="the first one is not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--failing", type=float, default=Luck.failing, help="share of the syncs that fail once"
    )
    parser.add_argument(
        "--broken", type=float, default=Luck.broken, help="share of the accounts that always fail"
    )
    parser.add_argument(
        "--throttled", type=float, default=0, help="share of the syncs that take ten times as long"
    )
    options = parser.parse_args()
    luck = Luck(failing=options.failing, broken=options.broken, throttled=options.throttled)
    print(draw([_play(count, options, luck) for count in options.accounts]))


def _play(count: int, options: argparse.Namespace, luck: Luck) -> Figures:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(
            instance,
            count=count,
            luck=luck,
            seed=options.seed,
            ticks_between_looks=_TICKS_BETWEEN_LOOKS,
        )
        world.live(options.days)
        return sum_up(world)


if __name__ == "__main__":
    main()
