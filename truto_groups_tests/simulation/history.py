"""A history out of a seed: runs one after the other and side by side, and whatever befalls them.

Ends with a run that nothing befalls, which must publish all that Truto holds.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

from truto_groups.sync.settle import AccountResult
from truto_groups_tests.simulation.disk import Harm, Kind, Sabotage, make_folder
from truto_groups_tests.simulation.invariants import BrokenPromiseError, Seen, check
from truto_groups_tests.simulation.truto import FAULTS, REJECTION, Conduct
from truto_groups_tests.simulation.world import Luck, Run, World, make_world

_HARMS: Sequence[tuple[Harm, Sequence[Kind]]] = (
    ("full", ("statement", "write", "commit")),
    ("full for good", ("statement", "write", "commit")),
    ("no memory", ("statement", "landing")),
    ("unforeseen", ("landing",)),
    ("killed", ("statement", "write", "commit")),
    ("cancelled", ("statement", "write", "commit")),
)
_STATEMENTS = {"statement": 90, "write": 50, "landing": 5, "commit": 6}


class History:
    """One history: made of nothing but its seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)
        self.world = make_world(self.random, folder, account_count=self.random.choice([3, 4, 5]))
        self.seen = Seen()
        self._count = 0

    def play(self) -> World:
        """Play it to its end.

        Raises:
            BrokenPromiseError: An invariant does not hold.
            Hang: Somebody waits for ever.
        """
        with self.world.entered():
            for _ in range(self.random.choice([1, 1, 1, 2])):
                self._play_act()
                check(self.world, self.seen)
            sync_well(self.world)
            check(self.world, self.seen, is_last=True)
        return self.world

    def _play_act(self) -> None:
        world, random = self.world, self.random
        self._change_truth(within_seconds=0)
        if random.random() < 0.05:
            (world.folder / "groups.duckdb.order").unlink(missing_ok=True)
        runs = [self._make_run() for _ in range(random.choice([1, 1, 1, 2, 2]))]
        programs = [world.start(run).program for run in runs]
        if random.random() < 0.05:
            self._lose_count(runs)
        if random.random() < 0.06:
            work = random.choice([world.discover, world.replay])
            self._count += 1
            programs.append(world.start_work(f"{work.__name__} {self._count}", work))
        self._change_truth(within_seconds=20)
        world.scheduler.finish(*programs)
        world.pass_time(30)

    def _lose_count(self, runs: Sequence[Run]) -> None:
        """Let the file that counts first requests be unusable for a while."""
        path = self.world.folder / "groups.duckdb.order"
        at, seconds = self.random.random() * 5, self.random.random() * 5

        def lose() -> None:
            path.unlink(missing_ok=True)
            path.mkdir()
            for run in runs:
                run.sabotage.has_lost_count = True

        self.world.loop.call_later(at, lose)
        self.world.loop.call_later(at + seconds, path.rmdir)

    def _change_truth(self, *, within_seconds: float) -> None:
        for account in self.world.truto.accounts.values():
            while self.random.random() < 0.5:
                delay = self.random.random() * within_seconds
                self.world.loop.call_later(delay, self.world.truto.change, account)

    def _make_run(self) -> Run:
        random = self.random
        self._count += 1
        keys = random.sample(self.world.keys, len(self.world.keys))
        if random.random() < 0.2:
            del keys[random.randrange(1, len(keys)) :]
        sabotage, luck = self._make_sabotage(), self._make_luck()
        if sabotage.harm == "cancelled":
            luck.cancelled_at = None  # who cancels twice wants no ending to be written
        return Run(f"run {self._count}", keys, self._make_conduct(), sabotage, luck)

    def _make_conduct(self) -> Conduct:
        random = self.random
        faults = random.sample(FAULTS, random.choice([1, 2, 5, 15]))
        if random.random() < 0.1:
            faults.append(REJECTION)
        share = random.choice([0.0, 0.02, 0.1, 0.4])
        return Conduct(share, slowest=random.choice([0.0, 1.0, 10.0]), faults=faults)

    def _make_sabotage(self) -> Sabotage:
        random = self.random
        if random.random() > 0.3:
            return Sabotage()
        harm, kinds = random.choice(_HARMS)
        kind = random.choice(kinds)
        at = random.randrange(1, _STATEMENTS[kind])
        return Sabotage(harm, at, kind, is_after=random.random() < 0.5)

    def _make_luck(self) -> Luck:
        random = self.random
        luck = Luck()
        if random.random() < 0.3:
            luck.clock_error = timedelta(hours=random.choice([-3, 3]), minutes=random.random())
        if random.random() < 0.15:
            jumped = timedelta(hours=random.choice([-3, 0, 3]))
            delay = random.random() * 10
            self.world.loop.call_later(delay, setattr, luck, "clock_error", jumped)
        fate = random.choice(["none"] * 12 + ["cancelled", "killed", "left"])
        if fate == "cancelled":
            luck.cancelled_at = random.randrange(1, 40)
        elif fate == "killed":
            luck.killed_at = random.randrange(1, 40)
        elif fate == "left":
            luck.left_after = random.randrange(1, 4)
        return luck


def sync_well(world: World, *, name: str = "last") -> None:
    """Sync once without any fault: all that Truto holds is published, but what is wrong.

    Raises:
        BrokenPromiseError: Something is not.
    """
    run = world.start(Run(name, world.keys, Conduct(slowest=1.0)))
    world.scheduler.finish(run.program)
    for result in run.results:
        if not isinstance(result, AccountResult):
            raise BrokenPromiseError(f"passed over without a fault: {result}")
        key, outcome = result.attempt.integrated_account_id, result.attempt.outcome
        version = world.truto.accounts[key].versions[run.conduct.seen[key] - 1]
        wanted = ("published", "unchanged") if version.is_sound else ("held_back",)
        if outcome not in wanted:
            raise BrokenPromiseError(f"without a fault {key} ended as {outcome}")


def play(seed: int) -> World:
    """Play the history of a seed in a folder of its own.

    Raises:
        BrokenPromiseError: An invariant does not hold.
        Hang: Somebody waits for ever.
    """
    with make_folder() as folder:
        return History(seed, folder).play()
