"""Workers: hosts on which `truto-groups sync` runs again and again on some of the accounts.

Shares are drawn anew for each sync, so that hosts also work on the same accounts at once.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from truto_groups_tests.cluster.hosts import Host, kill, stop

_PROGRAM = str(Path(sys.executable).parent / "truto-groups")


class Worker:
    """One host that syncs.

    Args:
        host: Where.
        variables: Its environment.
        log: Where what it prints is kept.
        disk: A folder over which each of its processes gets an empty disk.

    Attributes:
        exits: The exit codes of its syncs, of those that were not killed.
        kill_count: How many were.
    """

    def __init__(self, host: Host, *, variables: Mapping[str, str], log: Path, disk: Path) -> None:
        self.host = host
        self.exits: list[int] = []
        self.kill_count = 0
        self._variables = variables
        self._log = log
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

    def kill(self) -> None:
        """Let its process be gone, as if its power had failed."""
        with self._lock:
            if not self.is_idle() and self._process is not None:
                kill(self._process)
                self._process = None
                self.kill_count += 1

    def close(self) -> None:
        """End what runs."""
        with self._lock:
            if self._process is not None:
                stop(self._process)
                self._process = None


def draw_share(chance: random.Random, account_ids: Sequence[str], *, size: int) -> list[str]:
    """Draw accounts for one sync."""
    return chance.sample(account_ids, min(size, len(account_ids)))
