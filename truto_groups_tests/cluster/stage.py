"""Put the hosts of a trial together: network, servers, Truto, workers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from truto_groups.settings import read_object_store
from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster import forwarder
from truto_groups_tests.cluster.hosts import kill, open_host, open_network
from truto_groups_tests.cluster.mischief import Cluster
from truto_groups_tests.cluster.servers import serve_object_store, serve_postgres
from truto_groups_tests.cluster.truto import ChangingTruto
from truto_groups_tests.cluster.workers import Worker
from truto_groups_tests.object_store import DATA_PATH, name_variables

_TRUTO_PORT = 8790
_FIRST_WORKER = 10


@contextmanager
def open_cluster(
    truto: ChangingTruto, *, worker_count: int, logs: Path | None = None
) -> Iterator[tuple[Cluster, Database]]:
    """Let a cluster be there for the length of the block.

    Args:
        truto: What is synced.
        worker_count: How many workers, which begin to sync when they are told.
        logs: A folder in which what the programs write is kept; thrown away without.

    Yields:
        The cluster, and the way of this process to its tables.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="truto-cluster-")))
        folder.chmod(0o755)  # the database's user has to come through
        for part in ("disk", "database", "store"):
            (folder / part).mkdir()
        logs = folder if logs is None else logs
        network = stack.enter_context(open_network())
        host = stack.enter_context(open_host(network, "database", number=2))
        postgres = stack.enter_context(serve_postgres(host, folder / "database", logs=logs))
        host = stack.enter_context(open_host(network, "store", number=3))
        store = stack.enter_context(serve_object_store(host, folder / "store", logs=logs))
        server = stack.enter_context(truto.serve())
        gate = f"{network.address}:{_TRUTO_PORT}"
        on_loopback = f"127.0.0.1:{_TRUTO_PORT}"
        process = subprocess.Popen(_forward(gate, f"127.0.0.1:{server.port}"))
        stack.callback(_kill_alone, process)
        variables = {
            "PATH": os.environ["PATH"],
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_BASE_URL": f"http://{on_loopback}",
            "TRUTO_GROUPS_DATABASE": f"ducklake:postgres:{postgres.address}",
            "TRUTO_GROUPS_DATA_PATH": DATA_PATH,
            **name_variables(store.address),
        }
        workers: list[Worker] = []
        for number in range(worker_count):
            name = f"worker{number + 1}"
            host = stack.enter_context(open_host(network, name, number=_FIRST_WORKER + number))
            log = logs / f"{name}.log"
            stack.callback(kill, host.start(*_forward(on_loopback, gate), log=log))
            worker = Worker(host, variables=variables, log=log, disk=folder / "disk")
            stack.callback(worker.close)
            workers.append(worker)
        database = Database(
            variables["TRUTO_GROUPS_DATABASE"],
            data_path=DATA_PATH,
            object_store=read_object_store(variables),
        )
        yield Cluster(workers, postgres, store), database


def _kill_alone(process: subprocess.Popen[bytes]) -> None:
    """Let a process of this one's own group be gone."""
    process.kill()
    process.wait()


def _forward(here: str, there: str) -> list[str]:
    return [sys.executable, forwarder.__file__, here, there]
