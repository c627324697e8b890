"""What goes wrong when, out of a seed; and doing it.

A seed decides kinds, moments, victims and lengths. What the programs make of it is up to the
machine, so that the same seed is the same plan and not the same history.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from truto_groups_tests.cluster.hosts import Host
from truto_groups_tests.cluster.servers import Server
from truto_groups_tests.cluster.workers import Worker

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
    """Whom it can meet."""

    workers: Sequence[Worker]
    database: Server
    object_store: Server

    @property
    def hosts(self) -> list[Host]:
        """All of them; of the servers as likely as of the workers."""
        servers = [self.database.host, self.object_store.host]
        return [*(one.host for one in self.workers), *servers]


def do(event: Event, cluster: Cluster) -> str:
    """Let it happen, until it is over; returns what and to whom."""
    if event.kind == "kill worker":
        # An idle one would not notice.
        busy = [one for one in cluster.workers if not one.is_idle()] or cluster.workers
        worker = busy[int(event.victim * len(busy))]
        worker.kill()
        return f"{worker.host.name} killed"
    if event.kind == "cut network":
        host = cluster.hosts[int(event.victim * len(cluster.hosts))]
        host.cut()
        time.sleep(event.seconds)
        host.mend()
        return f"{host.name} cut off for {event.seconds:.0f} s"
    server = cluster.database if event.kind == "crash database" else cluster.object_store
    server.crash()
    time.sleep(event.seconds)
    server.start()
    return f"{server.host.name} crashed, started after {event.seconds:.0f} s"
