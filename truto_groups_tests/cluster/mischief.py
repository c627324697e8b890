"""What goes wrong when, out of a seed; and doing it.

A seed decides kinds, moments, victims and lengths. What the programs make of it is up to the
machine, so that the same seed is the same plan and not the same history.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from truto_groups_tests.cluster.desk import Desk
from truto_groups_tests.cluster.hosts import Host
from truto_groups_tests.cluster.servers import Server, ask_postgres

# A host's name is its machine's.
_EXECUTING = """
    SELECT machine, run_id FROM truto_groups_coordination.presence
    WHERE run_id <> '' AND seen_at > clock_timestamp() - INTERVAL '10 s'
"""

_T = TypeVar("_T")

KINDS = ("kill worker", "crash database", "crash object store", "cut network")
_LONGEST_AWAY_SECONDS = 8.0
_CUTS_SECONDS = (2.0, 8.0, 20.0)
# Nothing of it begins later than this part of the time, so that it has begun before the end.
_LAST_PART = 0.95


@dataclass(frozen=True)
class Event:
    """Something that goes wrong.

    Attributes:
        at: Seconds after the beginning.
        kind: One of ``KINDS``.
        victim: From 0 to 1, which of those whom it can meet.
        seconds: How long it lasts.
    """

    at: float
    kind: str
    victim: float
    seconds: float


def plan_events(chance: random.Random, *, count: int, seconds: float) -> list[Event]:
    """Plan that many events in that many seconds; each kind as often as any other."""
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    chance.shuffle(kinds)
    moments = sorted(chance.uniform(0, _LAST_PART * seconds) for _ in kinds)
    return [_draw_event(chance, at, kind) for at, kind in zip(moments, kinds, strict=True)]


def _draw_event(chance: random.Random, at: float, kind: str) -> Event:
    is_cut = kind == "cut network"
    away = chance.choice(_CUTS_SECONDS) if is_cut else chance.uniform(0, _LONGEST_AWAY_SECONDS)
    return Event(at, kind, chance.random(), away)


@dataclass(frozen=True)
class Cluster:
    """Whom it can meet.

    Attributes:
        truto: Serves what is synced.
        broker: Hands runs to the workers.
        code: Dagster's code server.
        daemon: Dagster's daemon.
        workers: Execute Dagster's runs.
        desk: Syncs beside them.
    """

    database: Server
    object_store: Server
    truto: Server
    broker: Server
    code: Server
    daemon: Server
    workers: Sequence[Server]
    desk: Desk

    @property
    def servers(self) -> Sequence[Server]:
        """All that is kept running."""
        served = (self.database, self.object_store, self.truto, self.broker)
        return (*served, self.code, self.daemon, *self.workers)

    @property
    def hosts(self) -> Sequence[Host]:
        """All of them."""
        return (*(one.host for one in self.servers), self.desk.host)

    def find_executing(self) -> Mapping[str, Sequence[str]]:
        """By the name of a host, the runs that are executed there; none while nobody can tell."""
        found: dict[str, list[str]] = {}
        for machine, run_id in ask_postgres(self.database.address, _EXECUTING):
            found.setdefault(str(machine), []).append(str(run_id))
        return found


@dataclass(frozen=True)
class Done:
    """What was done.

    Attributes:
        told: What and to whom, for a person.
        host: To whom.
        began_at: When, by the clock of this machine.
        ended_at: When it was over.
        killed_runs: The runs that nobody executes any more since.
    """

    told: str
    host: str
    began_at: float
    ended_at: float
    killed_runs: Sequence[str] = ()


def do(event: Event, cluster: Cluster) -> Done:
    """Let it happen, until it is over."""
    if event.kind == "kill worker":
        return _kill_worker(event, cluster)
    began_at = time.time()
    if event.kind == "cut network":
        host = _choose(event, cluster.hosts)
        host.cut()
        time.sleep(event.seconds)
        host.mend()
        told = f"{host.name} cut off for {event.seconds:.0f} s"
    else:
        server = cluster.database if event.kind == "crash database" else cluster.object_store
        host = server.host
        server.crash()
        time.sleep(event.seconds)
        server.start()
        told = f"{host.name} crashed, started after {event.seconds:.0f} s"
    return Done(told, host.name, began_at, time.time())


def _kill_worker(event: Event, cluster: Cluster) -> Done:
    executing = cluster.find_executing()
    everybody = (*cluster.workers, cluster.desk)
    # An idle one would not notice.
    busy = [one for one in everybody if one.host.name in executing]
    worker = _choose(event, busy or everybody)
    name = worker.host.name
    began_at = time.time()
    worker.crash()
    if isinstance(worker, Server):
        worker.start()
    runs = executing.get(name, ())
    return Done(f"{name} killed in {len(runs)} runs", name, began_at, time.time(), runs)


def _choose(event: Event, among: Sequence[_T]) -> _T:
    return among[int(event.victim * len(among))]
