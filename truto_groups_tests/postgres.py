"""A real Postgres for tests: a cluster of the test session's own, and a database for each test.

The binaries of the system are used and nothing is downloaded. The cluster forgets its data with the
session, so nothing of it waits for the disk.
"""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from truto_groups_tests.processes import find_free_port

_DEBIAN = Path("/usr/lib/postgresql")
USER = "truto_groups"
"""Who may do everything in the databases."""

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "100",
}


@dataclass(frozen=True)
class PostgresCluster:
    """A server on loopback that trusts whoever asks.

    Attributes:
        port: Where it listens, also after it was started anew.
    """

    folder: Path
    port: int

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in _OPTIONS.items())
        log = str(self.folder / "log")
        self._control("start", "-w", "-l", log, "-o", f"-p {self.port} {options}")

    def stop(self, *, is_crash: bool = False) -> None:
        """End it: its sessions are cut off; a crash also loses what unlogged tables held."""
        self._control("stop", "-w", "-m", "immediate" if is_crash else "fast")

    def restart(self, *, is_crash: bool = False) -> None:
        """End it and start it anew, at the same port with the same data."""
        self.stop(is_crash=is_crash)
        self.start()

    @contextmanager
    def away(self, *, is_gone: bool) -> Iterator[None]:
        """End it for the length of the block, or let it answer nobody who comes, as a cut does."""
        if is_gone:
            self.stop()
            try:
                yield
            finally:
                self.start()
            return
        process_id = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process_id, signal.SIGCONT)

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Let a standby take over when the block ends, which lacks what the block has committed.

        At the same port; nobody who was connected is any more.
        """
        data, standby = self.folder / "data", self.folder / "standby"
        self.stop()
        _run("cp", "-a", str(data), str(standby))
        self.start()
        try:
            yield
        finally:
            self.stop(is_crash=True)
            shutil.rmtree(data)
            standby.rename(data)
            _run("touch", str(data / "standby.signal"))
            self.start()
            self._control("promote", "-w")

    @contextmanager
    def away_until_told(self) -> Iterator[None]:
        """End it, and start it anew as soon as a warning of ours tells that it is waited for."""
        ours = logging.getLogger("truto_groups")
        starter = _Starter(self, logging.WARNING)
        self.stop()
        ours.addHandler(starter)
        try:
            yield
        finally:
            ours.removeHandler(starter)
            starter.start()

    def make_database(self, *, like: str | None = None) -> str:
        """Make an empty database, and return its libpq connection string.

        The same string makes a DuckLake of it: ``f"ducklake:postgres:{conninfo}"``.

        Args:
            like: The connection string of one that nobody is connected to, to be copied.
        """
        name = f"test_{uuid.uuid4().hex}"
        address = f"host=127.0.0.1 port={self.port} user={USER}"
        template = f" TEMPLATE {like.rpartition('=')[2]}" if like else ""
        _run("psql", "-qc", f"CREATE DATABASE {name}{template}", f"{address} dbname=postgres")
        return f"{address} dbname={name}"

    def _control(self, *arguments: str) -> None:
        _run("pg_ctl", "-D", str(self.folder / "data"), *arguments)


class _Starter(logging.Handler):
    """Starts a server at the first record, or when it is told to, once."""

    def __init__(self, cluster: PostgresCluster, level: int) -> None:
        super().__init__(level)
        self._cluster = cluster
        self._is_started = False

    def emit(self, record: logging.LogRecord) -> None:
        self.start()

    def start(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._cluster.start()


@contextmanager
def run_postgres() -> Iterator[PostgresCluster]:
    """Make a cluster and let it run for the length of the block; skip where that cannot be had."""
    if not find_binary("initdb"):
        pytest.skip("There is no Postgres: install it (Debian: apt-get install postgresql).")
    # Not below pytest's folders: root, who may run the tests, does not let the server in there.
    with tempfile.TemporaryDirectory(prefix="truto-groups-postgres-") as name:
        cluster = PostgresCluster(Path(name), find_free_port())
        make_cluster(cluster.folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop(is_crash=True)


def make_cluster(folder: Path) -> Path:
    """Make the data of an empty cluster in a folder, which its user is given; returns where."""
    if (user := find_user()) is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    _run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync",
         "-D", str(data))  # fmt: skip
    return data


def find_binary(name: str) -> str | None:
    """Where a program of Postgres is; Debian puts the server's own nowhere on the path."""
    folders = sorted(_DEBIAN.glob("*/bin"), key=lambda one: float(one.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


def find_user() -> str | None:
    """Who runs the server: it refuses to be root."""
    return "postgres" if os.geteuid() == 0 else None


def _run(name: str, *arguments: str) -> None:
    command = [find_binary(name) or name, *arguments]
    # Not through a pipe: the server would hold it open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, user=find_user(), cwd="/", check=False
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
