"""Dagster's parts, each as a process on a host of its own, by the files of deploy/cluster/.

Its history lies in a database of the trial's PostgreSQL.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from truto_groups_tests.cluster.hosts import Disk, Host
from truto_groups_tests.cluster.servers import Server, listens
from truto_groups_tests.postgres import USER

_FILES = Path(__file__).parents[2] / "deploy" / "cluster"
_BIN = Path(sys.executable).parent
# Not imported, because it changes what it imports.
_DEFINITIONS = "truto_groups_tests.cluster.hurried"
_CODE_PORT = 4000
_HISTORY = "dagster"
# Of a run that a worker took and that was killed before it had begun nobody knows but by this. It
# counts from when the daemon begins to plan the run, which takes a minute on a busy machine.
_START_SECONDS = 240
# For runs whose worker was killed, until that is noticed.
_MORE_RUNS_THAN_WORKERS = 2


def make_history(database: Server) -> None:
    """Make Dagster's database."""
    connection = psycopg2.connect(database.address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_HISTORY}")
    connection.close()


def write_home(home: Path, *, worker_count: int) -> None:
    """Write the instance of all hosts: that of deploy/cluster/, in the size of a trial."""
    home.mkdir()
    names = ("dagster.yaml", "launcher-celery.yaml")
    text = "".join((_FILES / name).read_text(encoding="utf-8") for name in names)
    instance: dict[str, Any] = yaml.safe_load(text)
    runs = instance["concurrency"]["runs"]
    runs["max_concurrent_runs"] = worker_count + _MORE_RUNS_THAN_WORKERS
    instance["run_monitoring"]["start_timeout_seconds"] = _START_SECONDS
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")


def name_variables(
    home: Path, *, database: Host, code: Host, broker: str, accounts_in_a_range: int
) -> dict[str, str]:
    """The variables that the files of deploy/cluster/ name, and the trial's own."""
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_HOST": database.address,
        "DAGSTER_POSTGRES_PORT": "5432",
        "DAGSTER_POSTGRES_DB": _HISTORY,
        "DAGSTER_POSTGRES_USER": USER,
        "DAGSTER_POSTGRES_PASSWORD": "",
        "DAGSTER_CODE_SERVER_HOST": code.address,
        "DAGSTER_CODE_SERVER_PORT": str(_CODE_PORT),
        "DAGSTER_CELERY_BROKER": f"{broker}/0",
        "DAGSTER_CELERY_BACKEND": f"{broker}/1",
        "TRIAL_ACCOUNTS_IN_A_RANGE": str(accounts_in_a_range),
    }


def make_code_server(host: Host, variables: Mapping[str, str], *, disk: Disk, logs: Path) -> Server:
    """What imports the definitions and evaluates sensors and schedules."""
    command = ["api", "grpc", "-h", "0.0.0.0", "-p", str(_CODE_PORT), "-m", _DEFINITIONS]  # noqa: S104

    def launch() -> subprocess.Popen[bytes]:
        return host.start(
            str(_BIN / "dagster"), *command,
            log=logs / f"{host.name}.log", variables=variables, disk=disk,
        )  # fmt: skip

    return Server(host, host.address, launch, lambda: listens(host.address, _CODE_PORT))


def make_daemon(host: Host, variables: Mapping[str, str], *, disk: Disk, logs: Path) -> Server:
    """What ticks, queues runs and watches over them."""
    command = ["run", "-w", str(_FILES / "workspace.yaml")]

    def launch() -> subprocess.Popen[bytes]:
        return host.start(
            str(_BIN / "dagster-daemon"), *command,
            log=logs / f"{host.name}.log", variables=variables, disk=disk,
        )  # fmt: skip

    return Server(host, host.address, launch)


def make_worker(host: Host, variables: Mapping[str, str], *, disk: Disk, logs: Path) -> Server:
    """A worker of Celery, which executes one run at a time."""
    broker = variables["DAGSTER_CELERY_BROKER"]
    command = ["-A", "dagster_celery.app", "-b", broker]
    command += ["--result-backend", variables["DAGSTER_CELERY_BACKEND"]]
    command += ["worker", "-Q", "dagster", "-c", "1", "--disable-prefetch"]

    def launch() -> subprocess.Popen[bytes]:
        return host.start(
            str(_BIN / "celery"), *command, "-n", f"dagster@{host.name}",
            log=logs / f"{host.name}.log", variables=variables, disk=disk,
        )  # fmt: skip

    return Server(host, host.address, launch)
