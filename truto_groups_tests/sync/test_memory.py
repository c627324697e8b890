"""Memory does not grow with an account. The sandbox serves from a process of its own.

Each size is synced in a fresh process that says how much its resident memory grew at most.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import read_rows

pytestmark = pytest.mark.slow

SMALL, LARGE = 100_000, 300_000
MAX_GROWTH = 1.25
MAX_MEGABYTES = 800
MAX_OF_A_SYNC = 1.5

SERVE = """
import sys
from truto_groups.sandbox import GeneratedGroups, SandboxServer, make_account
from truto_groups_tests.sync.test_memory import make_group
groups = GeneratedGroups(int(sys.argv[1]), make_group)
with SandboxServer(accounts=[make_account(sys.argv[2], groups)], page_cache_bytes=0) as server:
    print(server.base_url, flush=True)
    sys.stdin.readline()
"""

SYNC = """
import json, sys
from pathlib import Path
from truto_groups_tests.sync.test_memory import read_peak_megabytes
from truto_groups_tests.stand import Stand

class Server:
    base_url, token = sys.argv[1], "sandbox-token"

import pandas, duckdb, numpy
stand = Stand(Server(), Path(sys.argv[2]))
stand.knobs = {"page_size": 500, "requests_per_10_seconds_per_account": 0}
stand.discover()
before = read_peak_megabytes()
result, = stand.sync(sys.argv[3]).values()
attempt = result.attempt
print(json.dumps([before, read_peak_megabytes(), attempt.outcome, attempt.group_count]))
"""


def make_group(number: int) -> dict[str, object]:
    """A group of about 1.1 kB, as directories send them."""
    return {
        "id": f"00g{number:012x}",
        "name": f"Group {number}",
        "group_type": "group",
        "description": f"Everyone who works on project {number} " + "and beyond " * 12,
        "created_at": "2025-01-15T09:00:00.000Z",
        "updated_at": "2025-06-15T09:00:00.000Z",
        "remote_data": {
            "id": f"00g{number:012x}",
            "created": "2025-01-15T09:00:00.000Z",
            "objectClass": ["okta:user_group"],
            "profile": {"name": f"Group {number}", "description": "x" * 200},
            "_links": {"self": {"href": f"https://acme.okta.example/api/v1/groups/00g{number}"}},
            "padding": "y" * 250,
        },
    }


def read_peak_megabytes() -> float:
    """The most that was resident of this process so far."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@contextmanager
def serving(count: int, key: str) -> Iterator[str]:
    command = [sys.executable, "-c", SERVE, str(count), key]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def sync(folder: Path, count: int) -> tuple[float, float]:
    """Sync an account of that many groups: resident growth and peak in MB."""
    folder.mkdir()
    key = f"{count:08}-0000-4000-8000-000000000000"
    with serving(count, key) as base_url:
        done = subprocess.run(
            [sys.executable, "-c", SYNC, base_url, str(folder), key],
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    before, peak, outcome, group_count = json.loads(done.stdout)
    assert (outcome, group_count) == ("published", count)
    database = Database(str(folder / "groups.duckdb"))
    assert read_rows(database, "SELECT count(*), count(DISTINCT id) FROM groups") == [
        (count, count)
    ]
    return peak - before, peak


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_an_account(tmp_path: Path) -> None:
    """300,000 groups of one account, against 100,000."""
    small, _ = sync(tmp_path / "small", SMALL)
    large, peak = sync(tmp_path / "large", LARGE)
    print(f"resident growth: {small:.0f} MB for {SMALL:,}, {large:.0f} MB for {LARGE:,}")  # noqa: T201
    assert large <= MAX_GROWTH * small, (small, large)
    assert peak < MAX_MEGABYTES


def do(step: str, folder: Path) -> tuple[str, float]:
    """Do one thing with an account of 800 records of 200 kB: what came of it, and peak in MB."""
    done = subprocess.run(
        [sys.executable, "-m", "truto_groups_tests.sync.long_records", step, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    came, peak = json.loads(done.stdout)
    print(f"{step}: {came}, {peak:.0f} MB")  # noqa: T201
    return came, peak


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_sync_can_publish_can_be_replayed_accepted_and_removed(tmp_path: Path) -> None:
    """160 MB of long records: they needed more memory at once than was given to them."""
    published, most = do("publish", tmp_path)
    assert published == "published"
    replayed, peak = do("replay", tmp_path)
    assert (replayed, peak < MAX_OF_A_SYNC * most) == ("published 800", True)
    removed, peak = do("remove", tmp_path)
    assert (removed, peak < MAX_MEGABYTES) == ("removed 1", True)
    assert do("wait", tmp_path)[0] == "hold_back"
    accepted, peak = do("accept", tmp_path)
    assert (accepted, peak < MAX_OF_A_SYNC * most) == ("accepted 800", True)
    database = Database(str(tmp_path / "groups.duckdb"))
    assert read_rows(database, "SELECT count(*) FROM groups") == [(800,)]
