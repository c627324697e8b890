"""Sync accounts in processes that are killed before a chosen statement of their publication.

A program for test_pipeline.py: for each number on its input it forks, syncs, and kills itself with
SIGKILL before that statement (counted from the moment on when the database is opened with all
records landed); then it prints ``killed``, or ``ended`` when the sync came to its end. For the
number 0 it kills nobody, and copies the files of the database before each statement instead, as a
kill would leave them. Forking saves the seconds that importing costs; nothing is open yet when it
forks.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from truto_groups.warehouse import connections
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.statements import statement
from truto_groups_tests.stand import ServedElsewhere, Stand

assert pd  # DuckDB imports it when it is first handed arrays: here once, not in each process


class _Count:
    """Counts statements, and calls what is to happen before each of them."""

    def __init__(self, happen: Callable[[int], None]) -> None:
        self.happen = happen
        self.number = 0
        self.is_landed = self.is_counting = False

    def step(self, text: str) -> None:
        self.is_landed |= text == statement("land/land")
        self.is_counting |= self.is_landed and text.startswith("ATTACH")
        if self.is_counting:
            self.number += 1
            self.happen(self.number)


def kill_before(last: int) -> Callable[[int], None]:
    def happen(number: int) -> None:
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return happen


def copy_files(folder: Path) -> Callable[[int], None]:
    """Copy what is on the disk, which is what a kill leaves, into a folder for each statement."""

    def happen(number: int) -> None:
        copies = folder / f"before {number:03}"
        copies.mkdir()
        for name in ("groups.duckdb", "groups.duckdb.wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copies / name)

    return happen


class _CountingConnection:
    """A connection that counts its statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, count: _Count) -> None:
        self._connection = connection
        self._count = count

    def execute(self, text: str, *arguments: Any) -> Any:
        self._count.step(text)
        return self._connection.execute(text, *arguments)

    def cursor(self) -> "_CountingConnection":
        return _CountingConnection(self._connection.cursor(), self._count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def sync(base_url: str, folder: Path, now: datetime, happen: Callable[[int], None]) -> None:
    count = _Count(happen)
    real = connections.connect

    def connect(**options: Any) -> Any:
        return _CountingConnection(real(**options), count)

    connections.connect = connect
    database_module.connect = connect
    server: Any = ServedElsewhere(base_url)
    stand = Stand(server, folder, now=now)
    stand.sync(*sys.argv[4:], run_id="killed")


def main() -> None:
    base_url, folder, now = sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            last = int(line)
            sync(base_url, folder, now, kill_before(last) if last else copy_files(folder))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        word = "killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"
        print(word, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
