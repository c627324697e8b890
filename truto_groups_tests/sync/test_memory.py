"""Memory does not grow with an account. The sandbox serves from a process of its own.

Each size is synced in a child of one program, which says how much its resident memory grew at most.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import read_rows
from truto_groups_tests.sync.peak_memory import Measured

pytestmark = pytest.mark.slow

SMALL, LARGE = 20_000, 45_000
MAX_GROWTH = 1.25
MAX_MEGABYTES = 800
MAX_OF_A_SYNC = 1.5
MAX_OF_A_REMOVAL = 0.5

SERVE = """
import sys
from truto_groups.sandbox import GeneratedGroups, SandboxServer, make_account
from truto_groups_tests.sync.test_memory import account_of, make_group
counts = map(int, sys.argv[1:])
accounts = [make_account(account_of(count), GeneratedGroups(count, make_group)) for count in counts]
with SandboxServer(accounts=accounts, page_cache_bytes=0) as server:
    print(server.base_url, flush=True)
    sys.stdin.readline()
"""

SYNC = """
import json, sys
from pathlib import Path
from truto_groups_tests.stand import ServedElsewhere, Stand
from truto_groups_tests.sync.peak_memory import measure
from truto_groups_tests.sync.test_memory import account_of

import pandas, duckdb, numpy
stand = Stand(ServedElsewhere(sys.argv[1]), Path(sys.argv[2]))
stand.knobs = {"page_size": 500}
measure(lambda: bool(stand.discover()))  # in a child, so that nothing is open where it forks

def sync(account):
    result, = stand.sync(account).values()
    return result.attempt.outcome, result.attempt.group_count

print(json.dumps([measure(lambda: sync(account_of(int(count)))) for count in sys.argv[3:]]))
"""


def account_of(count: int) -> str:
    """The account of that many groups."""
    return f"{count:08}-0000-4000-8000-000000000000"


def make_group(number: int) -> dict[str, object]:
    """A group of 2.8 kB, so long that few of them fill the memory that is given to many."""
    return {
        "id": f"00g{number:012x}",
        "name": f"Group {number}",
        "group_type": "group",
        "description": f"Everyone who works on project {number} " + "and beyond " * 36,
        "created_at": "2025-01-15T09:00:00.000Z",
        "updated_at": "2025-06-15T09:00:00.000Z",
        "remote_data": {
            "id": f"00g{number:012x}",
            "created": "2025-01-15T09:00:00.000Z",
            "objectClass": ["okta:user_group"],
            "profile": {"name": f"Group {number}", "description": "x" * 1200},
            "_links": {"self": {"href": f"https://acme.okta.example/api/v1/groups/00g{number}"}},
            "padding": "y" * 750,
        },
    }


@contextmanager
def serving(*counts: int) -> Iterator[str]:
    command = [sys.executable, "-c", SERVE, *map(str, counts)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def run(*command: str) -> Any:
    """Run a program of ours: what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_an_account(tmp_path: Path) -> None:
    """45,000 groups of one account, against 20,000."""
    with serving(SMALL, LARGE) as base_url:
        told = run("-c", SYNC, base_url, str(tmp_path), str(SMALL), str(LARGE))
    small, large = (Measured(*one) for one in told)
    assert [one.came for one in (small, large)] == [["published", SMALL], ["published", LARGE]]
    assert (large.peak - large.before) <= MAX_GROWTH * (small.peak - small.before), (small, large)
    assert large.peak < MAX_MEGABYTES, (small, large)
    database = Database(str(tmp_path / "groups.duckdb"))
    by_account = "SELECT count(*), count(DISTINCT id) FROM groups GROUP BY integrated_account_id"
    assert sorted(read_rows(database, by_account)) == [(SMALL, SMALL), (LARGE, LARGE)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_sync_can_publish_can_be_replayed_accepted_and_removed(tmp_path: Path) -> None:
    """45 MB of long records: they needed more memory at once than was given to them."""
    told = run("-m", "truto_groups_tests.sync.long_records", str(tmp_path))
    assert {step: came for step, (came, _) in told.items()} == {
        "publish": "published",
        "replay": "published 225",
        "remove": "removed 1",
        "wait": "hold_back",
        "accept": "accepted 225",
    }
    peaks = {step: peak for step, (_, peak) in told.items()}
    for step in ("replay", "accept"):
        assert peaks[step] < MAX_OF_A_SYNC * peaks["publish"], peaks
    assert peaks["remove"] < MAX_OF_A_REMOVAL * peaks["publish"], peaks
    database = Database(str(tmp_path / "groups.duckdb"))
    assert read_rows(database, "SELECT count(*) FROM groups") == [(225,)]
