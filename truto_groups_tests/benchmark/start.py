"""How soon a new account is there: a Dagster daemon with the default launcher, from tick to end.

Everything is real: the daemon, the code server, the run's own process, HTTP on loopback.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import dagster as dg

from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups_tests.benchmark.measure import describe_machine
from truto_groups_tests.benchmark.server import GROUPS_PATH, account_id, make_group

ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 180


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Measure, and print what came of it."""
    rounds = [_measure_round() for _ in range(options.rounds)]
    print(f"\n{options.rounds} rounds; {describe_machine()}.\n")
    for index, what in enumerate(
        (
            "from the sensor's tick to the run's end",
            "from the run's start to its first request for groups",
            "from the run's start to its end",
        )
    ):
        print(f"- {what}: {median(found[index] for found in rounds):.1f} s")


def _measure_round() -> tuple[float, float, float]:
    asked: list[float] = []

    def note(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            asked.append(time.time())
        return None

    account = make_account(account_id(0), [make_group(number) for number in range(20)])
    with SandboxServer(accounts=[account]) as server, tempfile.TemporaryDirectory() as folder:
        server.intercept = note
        home = Path(folder) / "home"
        home.mkdir()
        environment = {
            "DAGSTER_HOME": str(home),
            "TRUTO_BASE_URL": server.base_url,
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_GROUPS_DATABASE": str(Path(folder) / "groups.duckdb"),
        }
        shutil.copy(ROOT / "dagster.yaml", home)
        daemon = subprocess.Popen(
            [
                shutil.which("dagster-daemon", path=str(Path(sys.executable).parent))
                or "dagster-daemon",
                "run",
                "-w",
                str(ROOT / "workspace.yaml"),
            ],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with dg.DagsterInstance.from_config(str(home)) as instance:
                return _wait_for_run(instance, asked)
        finally:
            daemon.terminate()
            daemon.wait()


def _wait_for_run(instance: dg.DagsterInstance, asked: list[float]) -> tuple[float, float, float]:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        records = instance.get_run_records(dg.RunsFilter(job_name="refresh_groups"))
        record = records[0] if records else None
        if record is not None and record.start_time is not None and record.end_time is not None:
            assert record.dagster_run.is_success
            tick = _find_tick(instance, record.dagster_run.run_id)
            return (
                record.end_time - tick,
                asked[0] - record.start_time,
                record.end_time - record.start_time,
            )
        time.sleep(0.2)
    raise TimeoutError("the daemon ran nothing")


def _find_tick(instance: dg.DagsterInstance, run_id: str) -> float:
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id):
            if run_id in tick.run_ids:
                return tick.timestamp
    raise LookupError(run_id)
