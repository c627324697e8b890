"""Put the hosts of a trial together: network, servers, Truto, Dagster, workers, the desk."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from truto_groups.sandbox.server import DEFAULT_TOKEN
from truto_groups.settings import read_object_store
from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster import forwarder, truto
from truto_groups_tests.cluster.dagster_hosts import (
    make_code_server,
    make_daemon,
    make_history,
    make_worker,
    name_variables,
    write_home,
)
from truto_groups_tests.cluster.desk import Desk
from truto_groups_tests.cluster.hosts import Disk, Host, kill, open_host, open_network
from truto_groups_tests.cluster.mischief import Cluster
from truto_groups_tests.cluster.servers import (
    Server,
    listens,
    running,
    serve_broker,
    serve_object_store,
    serve_postgres,
)
from truto_groups_tests.object_store import DATA_PATH
from truto_groups_tests.object_store import name_variables as name_store_variables

_TRUTO_PORT = 8790
_ON_LOOPBACK = f"127.0.0.1:{_TRUTO_PORT}"
_RUNS_FOR_A_WORKER = 2
# Every account is due at each tick.
_SETTINGS = "defaults:\n  refresh_every: 1m\n"


@contextmanager
def open_cluster(
    *, account_count: int, worker_count: int, logs: Path | None = None
) -> Iterator[tuple[Cluster, Database, dg.DagsterInstance]]:
    """Let a cluster be there for the length of the block.

    Args:
        account_count: How many accounts Truto has.
        worker_count: How many workers execute runs.
        logs: A folder in which what the programs write is kept; thrown away without.

    Yields:
        The cluster, and the ways of this process to its tables and to Dagster's history.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="truto-cluster-")))
        folder.chmod(0o755)  # the database's user has to come through
        disk = Disk(folder / "disk", content=folder / "content")
        for part in (disk.path, disk.content, folder / "database", folder / "store"):
            part.mkdir()
        logs = folder if logs is None else logs
        network = stack.enter_context(open_network())

        def open_next(name: str) -> Host:
            number = next(numbers)
            return stack.enter_context(open_host(network, name, number=number))

        numbers = iter(range(2, 255))
        postgres = stack.enter_context(
            serve_postgres(open_next("database"), folder / "database", logs=logs)
        )
        store = stack.enter_context(
            serve_object_store(open_next("store"), folder / "store", logs=logs)
        )
        broker = stack.enter_context(serve_broker(open_next("broker"), logs=logs))
        served = stack.enter_context(_serve_truto(open_next("truto"), account_count, logs=logs))
        make_history(postgres)
        write_home(disk.content / "dagster", worker_count=worker_count)
        (disk.content / "settings.yaml").write_text(_SETTINGS, encoding="utf-8")
        code_host = open_next("code")
        variables = {
            "PATH": os.environ["PATH"],
            "TRUTO_API_TOKEN": DEFAULT_TOKEN,
            "TRUTO_BASE_URL": f"http://{_ON_LOOPBACK}",
            "TRUTO_GROUPS_DATABASE": f"ducklake:postgres:{postgres.address}",
            "TRUTO_GROUPS_DATA_PATH": DATA_PATH,
            "TRUTO_GROUPS_SETTINGS": str(disk.path / "settings.yaml"),
            **name_store_variables(store.address),
            **name_variables(
                disk.path / "dagster",
                database=postgres.host,
                code=code_host,
                broker=broker.address,
                accounts_in_a_range=-(-account_count // (_RUNS_FOR_A_WORKER * worker_count)),
            ),
        }

        def lead_to_truto(host: Host) -> Host:
            log = logs / f"{host.name}.log"
            process = host.start(
                *_forward(_ON_LOOPBACK, served.host.address + f":{_TRUTO_PORT}"), log=log
            )
            stack.callback(kill, process)
            return host

        code = make_code_server(lead_to_truto(code_host), variables, disk=disk, logs=logs)
        daemon = make_daemon(open_next("daemon"), variables, disk=disk, logs=logs)
        workers = [
            make_worker(
                lead_to_truto(open_next(f"worker{number + 1}")), variables, disk=disk, logs=logs
            )
            for number in range(worker_count)
        ]
        desk = Desk(lead_to_truto(open_next("desk")), variables, disk=disk, logs=logs)
        stack.callback(desk.crash)
        for server in (code, *workers, daemon):
            stack.enter_context(running(server))
        database = Database(
            variables["TRUTO_GROUPS_DATABASE"],
            data_path=DATA_PATH,
            object_store=read_object_store(variables),
        )
        # Its configuration names variables.
        stack.enter_context(patch.dict(os.environ, {**variables, "TMPDIR": str(folder)}))
        instance = dg.DagsterInstance.from_config(str(disk.content / "dagster"))
        stack.enter_context(instance)
        cluster = Cluster(postgres, store, served, broker, code, daemon, workers, desk)
        yield cluster, database, instance


@contextmanager
def _serve_truto(host: Host, account_count: int, *, logs: Path) -> Iterator[Server]:
    """Let Truto be served on a host for the length of the block.

    It serves loopback alone, so that one hands on what comes from the other hosts.
    """
    log = logs / f"{host.name}.log"
    program = [sys.executable, "-m", truto.__name__, str(account_count), str(_TRUTO_PORT)]

    def launch() -> subprocess.Popen[bytes]:
        return host.start(*program, log=log)

    gate = f"{host.address}:{_TRUTO_PORT}"
    server = Server(host, f"http://{gate}", launch, lambda: listens(host.address, _TRUTO_PORT))
    process = host.start(*_forward(gate, _ON_LOOPBACK), log=log)
    try:
        with running(server):
            yield server
    finally:
        kill(process)


def _forward(here: str, there: str) -> list[str]:
    return [sys.executable, forwarder.__file__, here, there]
