"""The whole command, as felt: ``truto-groups sync --all`` beside the least that it could take.

That is the same graph with empty bodies, which yields the same materializations, and the pipeline
without Dagster, both at once in processes of their own.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from truto_groups_tests.benchmark.measure import Measured, describe_machine, measure_apart, serving
from truto_groups_tests.benchmark.server import DATABASE, TOKEN

ROOT = Path(__file__).parents[2]
COMMAND, PARTS = "truto-groups sync --all", "pipeline beside empty bodies"
VENDORS_CLIENT, DLT = "vendor's client", "dlt"
_SETTINGS = "truto: {requests_per_10_seconds: 0, requests_per_10_seconds_per_account: 0}\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--groups", type=int, default=2_000, help="of each account")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a page")
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Measure, and print a table."""
    with serving(options.accounts, options.groups, options.latency) as url:
        with tempfile.TemporaryDirectory() as folder:  # fills the server's cache of pages
            measure_apart("sides", "bare loop", url, options.accounts, folder)
        rounds = [_measure_round(url, options.accounts) for _ in range(options.rounds)]
    print(f"\n{options.accounts:,} accounts of {options.groups:,} groups; {describe_machine()}.\n")
    print("| | wall s | CPU s | peak MB |\n| --- | --- | --- | --- |")
    for side in rounds[0]:
        own = [found[side] for found in rounds]
        wall, cpu, mb = (
            median(getattr(one, name) for one in own) for name in ("wall", "cpu", "mb")
        )
        print(f"| {side} | {wall:.1f} | {cpu:.1f} | {mb:.0f} |")
    wall, cpu = (
        median(getattr(r[COMMAND], name) / getattr(r[PARTS], name) for r in rounds)
        for name in ("wall", "cpu")
    )
    print(
        f"\nThe command takes {wall:.2f} times the wall and {cpu:.2f} times the CPU of its parts."
    )


def _measure_round(url: str, account_count: int) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        pipeline = _side("truto-groups", url, account_count, folder)
        empty = [*_module("graph"), "empty bodies", url, str(account_count)]
        found[PARTS] = _run([pipeline, empty])
    with tempfile.TemporaryDirectory() as folder:
        found[COMMAND] = _run([_prepare_command(Path(folder))], _environment(url, Path(folder)))
    for side, package in ((VENDORS_CLIENT, "truto_python_sdk"), (DLT, "dlt")):
        if importlib.util.find_spec(package) is not None:
            with tempfile.TemporaryDirectory() as folder:
                found[side] = _run([_side(side, url, account_count, folder)])
    for side, one in found.items():
        print(f"{side}: {one.wall:.1f} s, CPU {one.cpu:.1f} s, {one.mb:.0f} MB", file=sys.stderr)
    return found


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"truto_groups_tests.benchmark.{name}"]


def _side(side: str, url: str, account_count: int, folder: str) -> list[str]:
    return [*_module("sides"), side, url, str(account_count), folder]


def _prepare_command(folder: Path) -> list[str]:
    (folder / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder / "home")
    (folder / "settings.yaml").write_text(_SETTINGS)
    return [str(Path(sys.executable).parent / "truto-groups"), "sync", "--all"]


def _environment(url: str, folder: Path) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "TRUTO_API_TOKEN": TOKEN,
        "TRUTO_BASE_URL": url,
        "TRUTO_GROUPS_DATABASE": str(folder / DATABASE),
        "TRUTO_GROUPS_SETTINGS": str(folder / "settings.yaml"),
    }


def _run(commands: list[list[str]], environment: dict[str, str] | None = None) -> Measured:
    """Run commands at once, from their start to the end of the last."""
    started = time.perf_counter()
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    cpu = mb = 0.0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{process.args} ended with {process.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
        mb = max(mb, usage.ru_maxrss / 1024)
    return Measured(time.perf_counter() - started, cpu, mb, groups=0)
