"""How a lake grows from refresh to refresh, with upkeep and without.

The same accounts are synced again and again, of which one group in twenty changes each time; the
catalogue lies in a Postgres of its own, the files in a folder.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import psycopg2

from truto_groups.warehouse.database import Database
from truto_groups.warehouse.upkeep import maintain_lake
from truto_groups_tests.benchmark.measure import describe_machine
from truto_groups_tests.postgres import PostgresCluster, run_postgres
from truto_groups_tests.stand import Stand, group, open_stand, use_ducklake

_EVERY = 10
_QUERY = (
    "SELECT group_type, count(*) FROM groups GROUP BY ALL",
    "SELECT group_type, count(*) FROM groups_as_of(now()) GROUP BY ALL",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--refreshes", type=int, default=100)
    parser.add_argument("--changed", type=float, default=0.05, help="share of groups, each time")


def measure(options: argparse.Namespace) -> None:
    """Refresh a lake that is kept up and one that is not, and print how both grow."""
    with run_postgres() as cluster:
        columns = [_grow(cluster, options, is_kept_up=is_kept_up) for is_kept_up in (False, True)]
    print(f"\nFiles, MB of them, MB of the catalogue, query, sync; {describe_machine()}.\n")
    print(f"| refreshes | without upkeep | upkeep after every {_EVERY} |")
    print("| --- | --- | --- |")
    for index, (without, kept_up) in enumerate(zip(*columns, strict=True), start=1):
        print(f"| {index * _EVERY} | {without} | {kept_up} |")


def _grow(cluster: PostgresCluster, options: argparse.Namespace, *, is_kept_up: bool) -> list[str]:
    random = Random(1)
    conninfo = cluster.make_database()
    told: list[str] = []
    with tempfile.TemporaryDirectory() as folder, open_stand(Path(folder)) as stand:
        use_ducklake(stand, conninfo)
        held = _make_groups(options.accounts, options.groups)
        _put(stand, held)
        stand.discover()
        seconds: list[float] = []
        for refresh in range(1, options.refreshes + 1):
            began = time.monotonic()
            stand.sync(run_id=f"run {refresh}")
            seconds.append(time.monotonic() - began)
            _change(random, held, share=options.changed)
            _put(stand, held)
            stand.pass_time(hours=6)
            if refresh % _EVERY == 0:
                if is_kept_up:
                    maintain_lake(stand.database, before=datetime.now(UTC))
                told.append(_tell(stand, conninfo, sync_seconds=median(seconds[-_EVERY:])))
    return told


def _make_groups(account_count: int, group_count: int) -> dict[str, list[dict[str, Any]]]:
    return {
        f"{number:08x}-0000-4000-8000-000000000000": [group(one) for one in range(group_count)]
        for number in range(account_count)
    }


def _change(random: Random, held: dict[str, list[dict[str, Any]]], *, share: float) -> None:
    for groups in held.values():
        for one in random.sample(groups, round(share * len(groups))):
            one["name"] = f"Group {random.random()}"


def _put(stand: Stand, held: dict[str, list[dict[str, Any]]]) -> None:
    for account_id, groups in held.items():
        stand.put(account_id, [dict(one) for one in groups])


def _tell(stand: Stand, conninfo: str, *, sync_seconds: float) -> str:
    files = [path for path in (stand.folder / "lake").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    connection = psycopg2.connect(conninfo)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (row,) = cursor.fetchall()
    connection.close()
    query = 1e3 * median(_time_query(stand.database) for _ in range(5))
    return f"{len(files)}, {size:.1f}, {row[0] / 1e6:.1f} MB, {query:.0f} ms, {sync_seconds:.1f} s"


def _time_query(database: Database) -> float:
    with database.reading() as connection:
        began = time.monotonic()
        for query in _QUERY:
            connection.execute(query).fetchall()
        return time.monotonic() - began
