"""Faults with real parts: full disks, a file that somebody holds, crowds and kills.

Real: processes, signals, a file system with an end, HTTP on loopback, DuckDB in files. To mount one
is root's right; for others those tests are skipped.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

from truto_groups import read
from truto_groups.errors import DatabaseError
from truto_groups.sandbox import Request, Response
from truto_groups.sync import land as land_module
from truto_groups.warehouse import connections
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.database import Database
from truto_groups_tests.integrity import find_faults, find_running
from truto_groups_tests.stand import GROUPS_PATH, A, Stand, group, groups_of

pytestmark = pytest.mark.long

HOLD = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
SECONDS = 3
"""That a crowd syncs."""
# So that it does not compress.
_LETTERS = random.Random(1)


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system that is full after so many megabytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def long_groups(count: int, *, length: int) -> list[dict[str, object]]:
    """Groups whose texts no compression makes short."""
    texts = [_LETTERS.randbytes(length // 2).hex() for _ in range(count)]
    return [group(number, remote_data={"text": text}) for number, text in enumerate(texts)]


def test_a_full_disk_ends_the_run_in_words_and_leaves_the_rows_as_they_were(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    with small_disk(stand.folder / "disk", megabytes=6) as disk:
        stand.database = Database(str(disk / "groups.duckdb"))
        stand.discover()
        stand.outcomes(A, run_id="r1")
        before = stand.data()
        stand.put(A, [*groups_of(3), *long_groups(60, length=200_000)])
        stand.pass_time(hours=1)
        with pytest.raises(DatabaseError, match="room"):
            stand.outcomes(A, run_id="r2")
        assert stand.data() == before
        stand.put(A, groups_of(4))
        stand.pass_time(hours=1)
        assert stand.outcomes(A, run_id="r3") == {A: "published"}
        assert find_faults(stand.database) == {}
        assert find_running(stand.database) == []


def test_a_full_temporary_folder_costs_memory_and_no_page(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full while what was fetched is put there, because the usual memory does not hold it.

    What had landed could not be told from what had not: both copies of a page were dropped, and the
    rest of the account was published.
    """
    stand.put(A, groups_of(3))
    stand.discover()
    stand.outcomes(A, run_id="r1")
    stand.put(A, [*groups_of(3), *long_groups(100, length=200_000)])
    stand.pass_time(hours=1)
    with monkeypatch.context() as patch, small_disk(stand.folder / "tmp", megabytes=6) as disk:
        patch.setattr("tempfile.tempdir", str(disk))
        patch.setattr(land_module, "_MEMORY_LIMIT", "20MB")
        patch.setattr(connections, "_make_private_folder", lambda _: own_folder)
        with TemporaryDirectory(dir=disk) as name:
            own_folder = SimpleNamespace(name=name)
            assert stand.outcomes(A, run_id="r2") == {A: "published"}
    assert len(stand.table("groups")) == 100
    assert find_faults(stand.database) == {}
    assert find_running(stand.database) == []


@contextmanager
def held_by_another_program(path: str, *, seconds: float) -> Iterator[None]:
    """Somebody who knows nothing of our locks has the file open."""
    command = [sys.executable, "-c", HOLD, path, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.kill()


def test_a_file_that_another_program_holds_for_a_while_is_waited_for(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    with held_by_another_program(stand.database.location, seconds=1.5):
        assert stand.outcomes(A, run_id="r1") == {A: "published"}


def test_a_file_that_another_program_holds_for_ever_is_told(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    monkeypatch.setattr(database_module, "_OPEN_WAIT_SECONDS", 0.5)
    with (
        held_by_another_program(stand.database.location, seconds=60),
        pytest.raises(DatabaseError, match="held by another program"),
    ):
        stand.outcomes(A, run_id="r1")
    assert stand.outcomes(A, run_id="r2") == {A: "published"}, stand.ledger(A)[-1]["error"]


@contextmanager
def syncing(
    stand: Stand, *keys: str, count: int, seconds: float
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Processes that sync accounts again and again: what they print, and their PIDs."""
    program = [sys.executable, "-m", "truto_groups_tests.faults.syncing"]
    command = [*program, stand.server.base_url, str(stand.folder), str(seconds), str(count), *keys]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as program_of_all:
        assert program_of_all.stdout is not None
        try:
            begun = (line.split() for line in program_of_all.stdout if line.startswith("begins "))
            yield program_of_all, [int(pid) for _, pid in islice(begun, count)]
        finally:
            if program_of_all.poll() is None:
                os.killpg(program_of_all.pid, signal.SIGKILL)


def serve_ever_new_groups(stand: Stand) -> None:
    """Each answer has other names and another number of groups than the one before."""
    count = 0

    def intercept(request: Request) -> Response | None:
        nonlocal count
        if request.path != GROUPS_PATH:
            return None
        count += 1
        groups = [group(n, f"{n} as of {count}") for n in range(20 + count % 5)]
        return Response.of_json({"result": groups, "next_cursor": None})

    stand.server.intercept = intercept


@pytest.mark.slow
def test_eight_syncs_at_once_readers_and_kills_leave_every_account_whole(stand: Stand) -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(12)]
    for key in keys:
        stand.put(key, groups_of(20))
    stand.discover()
    stand.outcomes(*keys, run_id="first")
    serve_ever_new_groups(stand)
    chance = random.Random(7)
    waits: list[float] = []
    with syncing(stand, *keys, count=8, seconds=SECONDS) as (program, crowd):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline or len(crowd) > 6:
            asked = time.monotonic()
            with read.connect(stand.database.location) as connection:
                counts = connection.execute(
                    "SELECT integrated_account_id, count(*) FROM groups GROUP BY ALL"
                ).fetchall()
            waits.append(time.monotonic() - asked)
            assert len(counts) == len(keys)
            assert all(20 <= count <= 24 for _, count in counts)
            time.sleep(chance.uniform(0.1, 0.4))
            if chance.random() < 0.4 and len(crowd) > 4:
                with suppress(ProcessLookupError):
                    os.kill(crowd.pop(chance.randrange(len(crowd))), signal.SIGKILL)
        killed_count = 8 - len(crowd)
        assert program.stdout is not None
        told = program.stdout.read()
    assert "published" in told, told
    assert "Error" not in told, told
    stand.server.intercept = None
    stand.pass_time(days=400)
    assert set(stand.outcomes(*keys, run_id="last").values()) == {"published"}
    assert find_faults(stand.database) == {}
    assert find_running(stand.database) == []
    assert {row[0] for row in stand.rows("SELECT DISTINCT outcome FROM account_syncs")} <= {
        "published",
        "unchanged",
        "skipped",
        "interrupted",
    }
    # One reader may be starved by its machine; that none is kept waiting, the others show.
    assert statistics.median(waits) < 5
    assert max(waits) < 30
    # Of each that was killed at most the file that tells so.
    assert len(os.listdir(f"{stand.database.location}.runs")) <= killed_count  # noqa: PTH208
