"""Every single fault of one kind, one after the other, until a run passes untouched.

Each time the same accounts have been published, have changed, and are synced again: with the n-th
request, landing, write or commit failing, or the program dying there. What must hold, holds after
that run, and after one more that nothing befalls.
"""

import itertools
import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from truto_groups_tests.simulation.disk import Harm, Kind, Sabotage, keep_folder, make_folder
from truto_groups_tests.simulation.history import sync_well
from truto_groups_tests.simulation.invariants import BrokenPromiseError, Seen, check
from truto_groups_tests.simulation.truto import Conduct
from truto_groups_tests.simulation.world import Run, World, make_world


@dataclass(frozen=True)
class Case:
    """One kind of fault.

    Attributes:
        kind: Of what the n-th fails.
        harm: What befalls a statement.
        is_after: Whether the statement is done before the program dies or is cancelled.
        fault: What befalls a request.
    """

    kind: Kind = "statement"
    harm: Harm | None = None
    is_after: bool = False
    fault: str | None = None

    def make_run(self, number: int, world: World) -> Run:
        """A run that meets the fault at that number."""
        if self.fault is not None:
            conduct = Conduct(fail_at=number, faults=[self.fault], slowest=0.5)
            return Run("faulty", world.keys, conduct)
        sabotage = Sabotage(self.harm, number, self.kind, is_after=self.is_after)
        return Run("faulty", world.keys, Conduct(slowest=0.5), sabotage)


CASES: Mapping[str, Case] = {
    "each request is refused": Case(fault="404"),
    "each request meets a broken connection": Case(fault="connect error"),
    "each page cannot be landed": Case(fault="nested too deep"),
    "each landing fails": Case("landing", "unforeseen"),
    "each landing lacks memory": Case("landing", "no memory"),
    "each commit finds the disk full": Case("commit", "full"),
    "killed before each commit": Case("commit", "killed"),
    "killed after each commit": Case("commit", "killed", is_after=True),
    "cancelled after each commit": Case("commit", "cancelled", is_after=True),
    "each write finds the disk full": Case("write", "full"),
    "the disk stays full from each write on": Case("write", "full for good"),
    "killed before each statement": Case("statement", "killed"),
    "cancelled after each statement": Case("statement", "cancelled", is_after=True),
}


def play_case(name: str, *, account_count: int = 3) -> int:
    """Let every single fault of a case happen, each in a world of its own with so many accounts.

    Returns:
        How many there were.

    Raises:
        BrokenPromiseError: An invariant does not hold; says after which number.
        Hang: Somebody waits for ever.
    """
    for number in itertools.count(1):
        try:
            if not _play_number(CASES[name], number, account_count):
                return number - 1
        except BrokenPromiseError as error:
            raise BrokenPromiseError(f"{name}, number {number}: {error}") from error
    raise AssertionError


def _play_number(case: Case, number: int, account_count: int) -> bool:
    """Let one fault happen; says whether there is one of that number at all."""
    with make_folder() as folder:
        world = _resume(folder, account_count)
        with world.entered():
            run = world.start(case.make_run(number, world))
            world.scheduler.finish(run.program)
            seen = Seen()
            check(world, seen)
            sync_well(world)
            check(world, seen, is_last=True)
        return run.sabotage.has_struck or bool(run.conduct.blamed)


def _resume(folder: Path, account_count: int) -> World:
    """A world in which all accounts were published once, and have changed since."""
    before = _publish_first(account_count)
    for file in before.folder.glob("groups.duckdb*"):
        if file.is_file():
            shutil.copy(file, folder)
    world = World(_make_random(), folder, account_count=0)
    world.truto.accounts = deepcopy(before.truto.accounts)
    world.keys = before.keys
    world.runs = dict(before.runs)
    return world


def _make_random() -> Random:
    return Random(20)


@cache
def _publish_first(account_count: int) -> World:
    """Made once for all faults; its folder lies in memory until the process ends."""
    world = make_world(_make_random(), keep_folder(), account_count=account_count)
    with world.entered():
        sync_well(world, name="first")
        for account in world.truto.accounts.values():
            while account.now.groups == account.versions[0].groups or not account.now.is_sound:
                world.truto.change(account)
    return world
