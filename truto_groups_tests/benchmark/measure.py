"""Run work in a process of its own, and say what it took."""

import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

PACKAGE = "truto_groups_tests.benchmark"
_VERSIONS = ("dagster", "httpx", "duckdb", "dlt", "truto-python-sdk")


@dataclass(frozen=True)
class Measured:
    """What work took: wall and CPU seconds, peak resident MB, and what came out of it.

    ``digest`` is of all groups' accounts, ids and names; empty where none are kept.
    """

    wall: float
    cpu: float
    mb: float
    groups: int
    digest: str = ""


def measure_here(work: Callable[[], object]) -> tuple[float, float, float]:
    """Do work, and return its wall seconds, its CPU seconds and the process's peak MB."""
    wall, cpu = time.perf_counter(), _read_cpu()
    work()
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - wall, _read_cpu() - cpu, mb


def tell(measured: Measured) -> None:
    """Say what was measured to the process that started this one."""
    print(json.dumps(asdict(measured)), flush=True)


def measure_apart(module: str, *arguments: object) -> Measured:
    """Run a module of this package in a process of its own, which tells what it measured."""
    command = [sys.executable, "-m", f"{PACKAGE}.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def serving(*arguments: object) -> Generator[str]:
    """Run the server in a process of its own; yields its base URL."""
    server = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE}.server", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def describe_machine() -> str:
    """Cores, and the versions of what is measured, as far as it is installed."""
    installed = {
        found.metadata["Name"]: found.version for found in importlib.metadata.distributions()
    }
    versions = [f"{name} {installed[name]}" for name in _VERSIONS if name in installed]
    return ", ".join([f"{os.cpu_count()} cores", f"Python {platform.python_version()}", *versions])


def _read_cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
