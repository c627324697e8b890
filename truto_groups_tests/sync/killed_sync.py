"""Sync accounts in processes that are killed before a chosen statement of their publication.

A program for test_pipeline.py: for each number on its input it forks, syncs, and kills itself with
SIGKILL before that statement (counted from the moment on when the database is opened with all
records landed); then it prints ``killed``, or ``ended`` when the sync came to its end. Forking
saves the seconds that importing costs; nothing is open yet when it forks.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from truto_groups.sync import land as staging_module
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.statements import statement
from truto_groups_tests.stand import Stand

assert pd  # DuckDB imports it when it is first handed arrays: here once, not in each process


class _Server:
    """What a stand needs to know of the sandbox, which runs in another process."""

    token = "sandbox-token"

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


class _Countdown:
    def __init__(self, left: int) -> None:
        self.left = left
        self.is_landed = self.is_counting = False

    def step(self, text: str) -> None:
        self.is_landed |= text == statement("land")
        self.is_counting |= self.is_landed and text.startswith("ATTACH")
        if self.is_counting:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


class _MortalConnection:
    """A connection that counts its statements down."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, countdown: _Countdown) -> None:
        self._connection = connection
        self._countdown = countdown

    def execute(self, text: str, *arguments: Any) -> Any:
        self._countdown.step(text)
        return self._connection.execute(text, *arguments)

    def cursor(self) -> "_MortalConnection":
        return _MortalConnection(self._connection.cursor(), self._countdown)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def sync_and_die(base_url: str, folder: Path, now: datetime, left: int) -> None:
    countdown = _Countdown(left)
    real = database_module.connect

    def connect(**options: Any) -> Any:
        return _MortalConnection(real(**options), countdown)

    database_module.connect = connect
    staging_module.connect = connect
    server: Any = _Server(base_url)
    stand = Stand(server, folder, now=now)
    stand.sync(*sys.argv[4:], run_id="killed")


def main() -> None:
    base_url, folder, now = sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            sync_and_die(base_url, folder, now, int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        word = "killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"
        print(word, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
