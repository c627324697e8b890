"""The desk: a host on which a person runs `truto-groups sync` again and again, beside Dagster.

So that two programs also work on the same accounts at once, which Dagster's plans avoid.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from truto_groups_tests.cluster.hosts import Disk, Host, kill, stop

_PROGRAM = str(Path(sys.executable).parent / "truto-groups")


class Desk:
    """One host that syncs by the command.

    Args:
        host: Where.
        variables: Its environment.
        disk: The disk of its own that each of its processes gets.
        logs: Where what it prints is kept.

    Attributes:
        exits: The exit codes of its syncs, of those that were not killed.
        kill_count: How many were.
    """

    def __init__(self, host: Host, variables: Mapping[str, str], *, disk: Disk, logs: Path) -> None:
        self.host = host
        self.exits: list[int] = []
        self.kill_count = 0
        self._variables = variables
        self._log = logs / f"{host.name}.log"
        self._disk = disk
        # Whoever kills is another thread than whoever starts.
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None

    def is_idle(self) -> bool:
        """Whether no sync runs."""
        with self._lock:
            if self._process is not None and (code := self._process.poll()) is not None:
                self.exits.append(code)
                self._process = None
            return self._process is None

    def sync(self, account_ids: Sequence[str]) -> None:
        """Begin to sync accounts."""
        with self._lock:
            self._process = self.host.start(
                _PROGRAM, "sync", "--account", *account_ids,
                log=self._log, variables=self._variables, disk=self._disk,
            )  # fmt: skip

    def crash(self) -> None:
        """Let its process be gone, as if its power had failed."""
        with self._lock:
            if not self.is_idle() and self._process is not None:
                kill(self._process)
                self._process = None
                self.kill_count += 1

    def stop(self) -> None:
        """End what runs as an operator would."""
        with self._lock:
            if self._process is not None:
                stop(self._process)
                self._process = None


def draw_share(chance: random.Random, account_ids: Sequence[str], *, size: int) -> Sequence[str]:
    """Draw neighbours, which the command syncs in one run."""
    first = chance.randrange(max(1, len(account_ids) - size + 1))
    return account_ids[first : first + size]
