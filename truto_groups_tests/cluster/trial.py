"""One trial: put the hosts together, let things go wrong for a while, then look at the tables.

What goes wrong is mischief.py's, what must hold judge.py's.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from truto_groups.coordination.postgres.presence import DEAD_AFTER_SECONDS
from truto_groups.errors import DatabaseError
from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster import hosts, servers
from truto_groups_tests.cluster.judge import find_torn, judge, read_versions, sum_up
from truto_groups_tests.cluster.mischief import Cluster, do, plan_events
from truto_groups_tests.cluster.stage import open_cluster
from truto_groups_tests.cluster.truto import ChangingTruto
from truto_groups_tests.cluster.workers import Worker, draw_share

_SHARE = 50
_LAST_SYNC_SECONDS = 1200.0
_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class Scale:
    """How large a trial is.

    Attributes:
        workers: Hosts that sync.
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
    chance = random.Random(scale.seed)
    truto = ChangingTruto(scale.accounts)
    with open_cluster(truto, worker_count=scale.workers, logs=logs) as (cluster, database):
        began = time.monotonic()

        def say(text: str) -> None:
            tell(f"{time.monotonic() - began:6.0f} s  {text}")

        # The tables are made by one, so that what goes wrong finds something to break.
        if unwell := _sync_all(cluster.workers[:1], truto.account_ids[:_SHARE]):
            return unwell
        say(f"The first {min(_SHARE, scale.accounts)} accounts are synced.")
        torn = _let_go_wrong(scale, chance, cluster, database, truto.account_ids, say)
        for worker in cluster.workers:
            worker.close()
        say(f"All is well again; what was killed counts as dead in {DEAD_AFTER_SECONDS:.0f} s.")
        time.sleep(DEAD_AFTER_SECONDS + 5)
        unwell = _sync_all(cluster.workers, truto.account_ids)
        say(f"Every account is synced once more. Attempts: {sum_up(database)}.")
        return [*torn, *unwell, *judge(database, last_whole=truto.last_whole)]


def _let_go_wrong(
    scale: Scale,
    chance: random.Random,
    cluster: Cluster,
    database: Database,
    account_ids: Sequence[str],
    say: Callable[[str], None],
) -> list[str]:
    events = plan_events(chance, count=scale.kills, seconds=scale.minutes * 60)
    share = random.Random(scale.seed + 1)
    ended = threading.Event()
    torn: list[str] = []
    looks: list[bool] = []

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                torn.extend(find_torn(read_versions(database)))
            except DatabaseError:
                looks.append(False)
            else:
                looks.append(True)

    def keep_busy() -> None:
        while not ended.wait(0.2):
            for worker in cluster.workers:
                if worker.is_idle():
                    worker.sync(draw_share(share, account_ids, size=_SHARE))

    threads = [threading.Thread(target=one, daemon=True) for one in (look, keep_busy)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        for event in events:
            time.sleep(max(0.0, event.at - (time.monotonic() - began)))
            say(do(event, cluster))
        time.sleep(max(0.0, scale.minutes * 60 - (time.monotonic() - began)))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    exits = [code for worker in cluster.workers for code in worker.exits]
    say(
        f"{exits.count(0)} syncs ended well, {len(exits) - exits.count(0)} otherwise, "
        f"{sum(worker.kill_count for worker in cluster.workers)} were killed; "
        f"{looks.count(True)} looks at the tables, {looks.count(False)} while they were away."
    )
    return [f"a reader saw rows of several answers: {torn[:3]}"] if torn else []


def _sync_all(workers: Sequence[Worker], account_ids: Sequence[str]) -> list[str]:
    """Sync each account once, and say which worker could not."""
    until = time.monotonic() + _LAST_SYNC_SECONDS
    waiting = [account_ids[at : at + _SHARE] for at in range(0, len(account_ids), _SHARE)]
    for worker in workers:
        worker.exits.clear()
    while waiting or not all(worker.is_idle() for worker in workers):
        if time.monotonic() > until:
            return [f"the last sync took longer than {_LAST_SYNC_SECONDS:.0f} s"]
        for worker in workers:
            if waiting and worker.is_idle():
                worker.sync(waiting.pop())
        time.sleep(0.2)
    codes = [(worker.host.name, code) for worker in workers for code in worker.exits if code]
    return [f"a sync without any fault ended badly: {codes}"] if codes else []
