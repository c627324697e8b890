"""One trial: put the hosts together, let things go wrong for a while, then look at what is left.

What goes wrong is mischief.py's, what must hold afterwards judge.py's.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from truto_groups.defs.in_flight import UNFINISHED
from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster import hosts, servers
from truto_groups_tests.cluster.desk import Desk, draw_share
from truto_groups_tests.cluster.judge import (
    Found,
    find_torn,
    find_unnoticed,
    judge,
    read_versions,
    sum_up,
)
from truto_groups_tests.cluster.mischief import Cluster, Done, do, plan_events
from truto_groups_tests.cluster.stage import open_cluster
from truto_groups_tests.cluster.truto import name_accounts, read_last_whole
from truto_groups_tests.stand import read_rows

_SHARE = 20
_SECONDS_BETWEEN_SHARES = 15.0
_LONGEST_WAIT_SECONDS = 1200.0
_SECONDS_BETWEEN_LOOKS = 2.0
_CONFIRMED_SINCE = """
    SELECT DISTINCT integrated_account_id FROM account_syncs
    WHERE outcome IN ('published', 'unchanged') AND started_at > $since
"""


@dataclass(frozen=True)
class Scale:
    """How large a trial is.

    Attributes:
        workers: Hosts that execute runs.
        accounts: What they sync.
        minutes: How long things go wrong.
        kills: How many times.
        seed: Of chance.
    """

    workers: int = 8
    accounts: int = 2000
    minutes: float = 10.0
    kills: int = 40
    seed: int = 1


def find_obstacle() -> str | None:
    """Say in a line why there can be no trial here; None where there can."""
    return hosts.find_obstacle() or servers.find_obstacle()


def run_trial(scale: Scale, *, tell: Callable[[str], None], logs: Path | None = None) -> list[str]:
    """Run one, and return what is wrong afterwards.

    Args:
        scale: Its size.
        tell: Is told what happens.
        logs: A folder in which what the programs write is kept.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        tell(f"{time.monotonic() - began:6.0f} s  {text}")

    account_ids = name_accounts(scale.accounts)
    opened = open_cluster(account_count=scale.accounts, worker_count=scale.workers, logs=logs)
    with opened as (cluster, database, instance), _tended(cluster):
        say(f"{len(cluster.hosts)} hosts are up.")
        # So that what goes wrong finds something to break.
        late = _wait_for_rows(database)
        say("The sensor has found the accounts, and the first are synced.")
        with _looked_at(database) as looks, _busy(cluster.desk, account_ids, seed=scale.seed):
            done = _let_go_wrong(scale, cluster, say)
        say(f"All is well again. {looks.told} {_tell_endings(cluster)}")
        late += _wait_until_noticed(instance, done)
        # Later than that, so that a run has begun that ends the attempts of the killed ones.
        late += _wait_until_confirmed(database, account_ids, since=datetime.now(UTC))
        say("Every account was planned and synced once more.")
        late += _settle(cluster, instance)
        runs = find_unnoticed(instance, done)
        say(f"{runs.told} Attempts: {sum_up(database)}.")
        last_whole = read_last_whole(cluster.truto.address)
        return [*looks.wrong, *late, *runs.wrong, *judge(database, last_whole=last_whole)]


def _let_go_wrong(scale: Scale, cluster: Cluster, say: Callable[[str], None]) -> list[Done]:
    seconds = scale.minutes * 60
    events = plan_events(random.Random(scale.seed), count=scale.kills, seconds=seconds)
    done: list[Done] = []
    began = time.monotonic()
    for event in events:
        time.sleep(max(0.0, event.at - (time.monotonic() - began)))
        done.append(do(event, cluster))
        say(done[-1].told)
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    return done


@contextmanager
def _again_and_again(what: Callable[[], None], *, pause: float) -> Iterator[None]:
    """Let something be done again and again, in a thread, for the length of the block.

    What it raises is raised when the block ends.
    """
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(pause):
            what()

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(go_on)
        try:
            yield
        finally:
            ended.set()
        going.result()


@contextmanager
def _tended(cluster: Cluster) -> Iterator[None]:
    """Start what has ended by itself."""

    def tend() -> None:
        for server in cluster.servers:
            server.tend()

    with _again_and_again(tend, pause=1.0):
        yield


@contextmanager
def _looked_at(database: Database) -> Iterator[Found]:
    """Look at the tables as a reader does; what is found stands there after the block."""
    found = Found()
    seen: list[bool] = []

    def look() -> None:
        try:
            torn = find_torn(read_versions(database))
        except DatabaseError:
            seen.append(False)
        else:
            seen.append(True)
            found.wrong.extend(f"a reader saw rows of several answers: {one}" for one in torn[:3])

    with _again_and_again(look, pause=_SECONDS_BETWEEN_LOOKS):
        yield found
    found.told = (
        f"{seen.count(True)} looks at the tables, {seen.count(False)} while they were away."
    )


@contextmanager
def _busy(desk: Desk, account_ids: Sequence[str], *, seed: int) -> Iterator[None]:
    """Let the desk sync shares of the accounts, with pauses."""
    share = random.Random(seed + 1)

    def sync() -> None:
        if desk.is_idle():
            desk.sync(draw_share(share, account_ids, size=_SHARE))

    with _again_and_again(sync, pause=_SECONDS_BETWEEN_SHARES):
        yield
    desk.stop()


def _tell_endings(cluster: Cluster) -> str:
    desk = cluster.desk
    again = [f"{one.host.name} {one.restart_count}" for one in cluster.servers if one.restart_count]
    return (
        f"Of the desk's syncs {desk.exits.count(0)} ended well, "
        f"{len(desk.exits) - desk.exits.count(0)} otherwise, {desk.kill_count} were killed. "
        f"Ended by itself and started again: {', '.join(again) or 'nothing'}."
    )


def _wait_for_rows(database: Database) -> list[str]:
    def is_so() -> bool:
        with suppress(DatabaseError):  # there are no tables yet
            return bool(read_versions(database))
        return False

    return [] if _wait_for(is_so) else ["the first account was not synced"]


def _wait_until_confirmed(
    database: Database, account_ids: Sequence[str], *, since: datetime
) -> list[str]:
    """Wait until each account was synced by an attempt that began later; says which were not."""
    missing = set(account_ids)

    def is_so() -> bool:
        with suppress(DatabaseError):  # they are away
            missing.difference_update(
                one for (one,) in read_rows(database, _CONFIRMED_SINCE, since=since)
            )
        return not missing

    if _wait_for(is_so):
        return []
    return [f"not synced within {_LONGEST_WAIT_SECONDS:.0f} s: {len(missing)}, as {min(missing)}"]


def _wait_until_noticed(instance: dg.DagsterInstance, done: Sequence[Done]) -> list[str]:
    """Wait until the runs that were killed are ended."""
    killed = {run for one in done for run in one.killed_runs}

    def are_ended() -> bool:
        return all(one.is_finished for one in instance.get_runs(dg.RunsFilter(run_ids=[*killed])))

    if not killed or _wait_for(are_ended):
        return []
    return [f"runs that were killed are not ended within {_LONGEST_WAIT_SECONDS:.0f} s"]


def _settle(cluster: Cluster, instance: dg.DagsterInstance) -> list[str]:
    """Let nothing more begin, and what has begun come to its end."""
    begun = [one for one in UNFINISHED if one is not dg.DagsterRunStatus.QUEUED]
    cluster.daemon.stop()
    if _wait_for(lambda: not instance.get_runs(dg.RunsFilter(statuses=begun))):
        return []
    return [f"runs that do not end within {_LONGEST_WAIT_SECONDS:.0f} s"]


def _wait_for(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + _LONGEST_WAIT_SECONDS
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(1.0)
    return True
