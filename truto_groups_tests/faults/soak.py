"""Let a Dagster daemon run over a flapping sandbox for minutes, and find what must not grow.

``python -m truto_groups_tests.faults.soak --minutes 20`` prints every 20 seconds what is held,
and at the end what grew. Everything is real but Truto: the daemon with its schedules and sensors,
runs in processes of their own, `truto-groups sync` beside them. A tenth of all answers is a fault.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from truto_groups.sandbox import Request, Response, SandboxServer
from truto_groups.warehouse.database import Database
from truto_groups_tests.integrity import find_faults

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SETTINGS = "defaults: {refresh_every: 1m, max_age: 1h}\ntruto: {retry_attempts: 2}\n"
FAULTS = (
    Response(status=503, body=b"{}"),
    Response(status=520, body=b"<html>"),
    Response(status=429, body=b"{}"),
    Response(status=200, body=b'{"result": [], "errors": ["x"]}'),
    Response(status=200, body=b'{"resul'),
    Response.of_json({"message": "Forbidden", "truto_is_remote_error": True}, status=403),
)
# Of the later half over the earlier one; a process settles in its first minutes.
MAX_GROWTH = 1.15
SECONDS_BETWEEN_SAMPLES = 20
SLACK_MEGABYTES = 30
SLACK_HANDLES = 20


@dataclass(frozen=True)
class Sample:
    """What the daemon and its children, and the disk, hold at a moment."""

    minute: float
    megabytes: float
    handles: int
    temporary_files: int
    database_megabytes: float
    group_changes: int


def flap(chance: random.Random) -> Callable[[Request], Response | None]:
    """An intercept that answers every tenth request with a fault."""

    def intercept(request: Request) -> Response | None:
        is_ours = request.path.startswith(("/unified", "/integrated-account"))
        return chance.choice(FAULTS) if is_ours and chance.random() < 0.1 else None

    return intercept


@contextmanager
def daemon(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon on this checkout, in a group of processes of its own."""
    log = (folder / "daemon.log").open("ab")
    command = [str(BIN / "dagster-daemon"), "run", "-w", str(ROOT / "workspace.yaml")]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def syncing(command: Sequence[str], environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Something to call now and then: it syncs again when the sync before has ended."""
    running: subprocess.Popen[bytes] | None = None

    def go_on() -> None:
        nonlocal running
        if running is None or running.poll() is not None:
            running = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    try:
        yield go_on
    finally:
        if running is not None:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


def find_long_lived(process_id: int) -> list[int]:
    """The daemon and its code servers; runs come and go."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, ValueError):
            continue
        if session == process_id and b"execute_run" not in command:
            found.append(int(entry.name))
    return found


def measure(process_id: int, folder: Path, database: Database, *, minute: float) -> Sample:
    """Measure now."""
    kilobytes = handles = 0
    for one in find_long_lived(process_id):
        status = Path(f"/proc/{one}/status")
        try:
            lines = status.read_text().splitlines()
            handles += len(list(Path(f"/proc/{one}/fd").iterdir()))
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    changes = 0
    if database.exists:
        with database.reading() as connection:
            changes = connection.execute("SELECT count(*) FROM group_changes").fetchall()[0][0]
    size = Path(database.location).stat().st_size if database.exists else 0
    temporary = sum(1 for _ in (folder / "tmp").rglob("*"))
    return Sample(minute, kilobytes / 1024, handles, temporary, size / 2**20, changes)


def find_growth(samples: Sequence[Sample]) -> list[str]:
    """Say what grew from the earlier to the later half, the first minutes left out."""
    settled = samples[len(samples) // 5 :]
    half = len(settled) // 2
    earlier, later = settled[:half], settled[half:]

    def mean(part: Sequence[Sample], name: str) -> float:
        return sum(getattr(one, name) for one in part) / max(1, len(part))

    told: list[str] = []
    limits = {"megabytes": SLACK_MEGABYTES, "handles": SLACK_HANDLES, "temporary_files": 20}
    for name, slack in {**limits, "database_megabytes": 5}.items():
        before, after = mean(earlier, name), mean(later, name)
        if after > before * MAX_GROWTH + slack:
            told.append(f"{name} grew from {before:.1f} to {after:.1f}")
    return told


def main() -> int:
    """Run, print, and return 1 when something grew or broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with (
        tempfile.TemporaryDirectory(prefix="truto-groups-soak-") as name,
        SandboxServer() as server,
    ):
        folder = Path(name)
        for part in ("home", "tmp"):
            (folder / part).mkdir()
        (folder / "home" / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
        (folder / "settings.yaml").write_text(SETTINGS)
        database = Database(str(folder / "groups.duckdb"))
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "TRUTO_API_TOKEN": server.token,
            "TRUTO_BASE_URL": server.base_url,
            "TRUTO_GROUPS_DATABASE": database.location,
            "TRUTO_GROUPS_SETTINGS": str(folder / "settings.yaml"),
        }
        server.intercept = flap(chance)
        samples: list[Sample] = []
        began = time.monotonic()
        with (
            daemon(folder, environment) as process,
            syncing([str(BIN / "truto-groups"), "sync", "--all"], environment) as keep_syncing,
        ):
            while (minute := (time.monotonic() - began) / 60) < options.minutes:
                keep_syncing()
                time.sleep(SECONDS_BETWEEN_SAMPLES)
                samples.append(measure(process.pid, folder, database, minute=minute))
                print(samples[-1], flush=True)  # noqa: T201
                if process.poll() is not None:
                    print("The daemon has ended.")  # noqa: T201
                    return 1
        broken = find_faults(database)
        growth = find_growth(samples)
    for line in [*growth, *(f"{what}: {rows[:3]}" for what, rows in broken.items())]:
        print(line)  # noqa: T201
    print("Nothing grew, and nothing broke." if not growth and not broken else "Not good.")  # noqa: T201
    return int(bool(growth or broken))


if __name__ == "__main__":
    sys.exit(main())
