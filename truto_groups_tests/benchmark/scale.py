"""What a tick, a check and the overview take over very many accounts, on either store.

A hundred accounts are synced, and all others are given the same past by statements; of each
account many attempts stand in the ledger, and the last of one in a hundred failed. The lake's
catalogue lies in a Postgres of its own, whose CPU is counted too.
"""

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import dagster as dg
from duckdb import DuckDBPyConnection

from truto_groups.definitions import build_definitions
from truto_groups.defs.check_jobs import check_freshness, evaluate_checks
from truto_groups.defs.jobs import draw_overview
from truto_groups.defs.partitions import integrated_accounts
from truto_groups.defs.resources import open_session
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.truto.blocking import list_accounts
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database
from truto_groups_tests.benchmark.measure import PACKAGE, describe_machine, serving
from truto_groups_tests.benchmark.project import discover, make_resources, open_instance
from truto_groups_tests.benchmark.server import account_id
from truto_groups_tests.postgres import run_postgres

_STORES = ("file", "lake")
_GROUPS = 4
_SYNCED = 100
_FILLED = ("raw_groups", "groups", "group_type_breakdown", "account_shapes", "account_state")
_ERROR = "Truto answered 502 five times."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--accounts", type=int, nargs="+", default=[250, 2_500, 25_000])
    parser.add_argument("--attempts", type=int, default=28, help="of each, in the ledger")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stores", nargs="+", choices=_STORES, default=_STORES)


def measure(options: argparse.Namespace) -> None:
    """Measure each size on each store, and print a table of CPU seconds."""
    found: dict[str, dict[str, float]] = {}
    for store in options.stores:
        for count in options.accounts:
            with serving(count, _GROUPS, 0) as url:
                numbers = [str(number) for number in (count, options.attempts, options.rounds)]
                command = [sys.executable, "-m", f"{PACKAGE}.scale", url, store, *numbers]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[f"{store}, {count:,}"] = json.loads(done.stdout.splitlines()[-1])
    print(f"\nCPU s, medians of {options.rounds} rounds; {describe_machine()}.\n")
    print(f"| | {' | '.join(found)} |")
    print(f"| --- |{' --- |' * len(found)}")
    for name in next(iter(found.values())):
        print(f"| {name} | {' | '.join(f'{one[name]:.2f}' for one in found.values())} |")


def main() -> None:
    """Fill a database, and measure in turn what is done over it."""
    url, store, *numbers = sys.argv[1:]
    count, attempt_count, rounds = map(int, numbers)
    with open_instance(url) as instance, _open_store(store) as read_postgres_cpu:
        resources = make_resources()
        definitions = build_definitions(resources)
        session = open_session(**resources)
        _fill(definitions, instance, session.database, count=count, attempt_count=attempt_count)

        def read() -> None:
            with session.database.reading() as connection:
                assert len(read_known_accounts(connection)) == count

        schedule = definitions.resolve_schedule_def("refresh_groups_schedule")
        works: dict[str, Callable[[], object]] = {
            "reading what is known of the accounts": read,
            "a tick of the schedule": lambda: schedule.evaluate_tick(
                dg.build_schedule_context(
                    instance, scheduled_execution_time=session.clock(), resources=resources
                )
            ),
            "the listing itself": lambda: list_accounts(session.find_client()),
            "a tick of discovery, listing included": lambda: discover(definitions, instance),
            **{
                name: partial(_run, definitions, instance, job.name)
                for name, job in (
                    ("the check of freshness", check_freshness),
                    ("all checks", evaluate_checks),
                    ("the overview", draw_overview),
                )
            },
        }
        measured = {name: [0.0] * rounds for name in works}
        for index in range(-1, rounds):
            for name, work in works.items():
                gc.collect()
                began = time.process_time() + read_postgres_cpu()
                work()
                if index >= 0:  # the first time imports
                    measured[name][index] = time.process_time() + read_postgres_cpu() - began
    print(json.dumps({name: median(seconds) for name, seconds in measured.items()}))


def _run(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str) -> None:
    assert definitions.resolve_job_def(job).execute_in_process(instance=instance).success


@contextlib.contextmanager
def _open_store(store: str) -> Iterator[Callable[[], float]]:
    """Let the environment name a store; yields what reads the CPU seconds of its server."""
    if store == "file":
        yield lambda: 0.0
        return
    with run_postgres() as cluster:
        os.environ["TRUTO_GROUPS_DATABASE"] = f"ducklake:postgres:{cluster.make_database()}"
        os.environ["TRUTO_GROUPS_DATA_PATH"] = f"{Path.cwd() / 'lake'}/"
        process_id = (cluster.folder / "data" / "postmaster.pid").read_text().split()[0]
        yield lambda: _read_cpu_below(process_id)


def _read_cpu_below(process_id: str) -> float:
    """CPU seconds of a process, and of its children, those that have ended included."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if path.parent.name == process_id:
                ticks += sum(map(int, fields[11:15]))
            elif fields[1] == process_id:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _fill(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    database: Database,
    *,
    count: int,
    attempt_count: int,
) -> None:
    """List all accounts, sync some, and give the others the same past."""
    discover(definitions, instance)
    with database.reading() as connection:
        known = read_known_accounts(connection)
    keys = [one.partition_key for one in known]
    instance.add_dynamic_partitions(str(integrated_accounts.name), keys)
    synced = [account_id(index) for index in range(min(count, _SYNCED))]
    session = open_session(**make_resources())
    assert sum(1 for _ in refresh_accounts(session, synced, run_id="bench")) == len(synced)
    with database.writing() as connection:
        _multiply(connection, synced, attempt_count)


def _multiply(connection: DuckDBPyConnection, synced: list[str], attempt_count: int) -> None:
    connection.execute(
        "CREATE TEMP TABLE copies AS SELECT a.id, ids[1 + row_number() OVER () % len(ids)] AS "
        "model FROM integrated_accounts AS a, (SELECT $ids::VARCHAR[] AS ids) "
        "WHERE NOT list_contains(ids, a.id)",
        {"ids": synced},
    )
    connection.execute(
        "DELETE FROM account_state WHERE integrated_account_id IN (SELECT id FROM copies)"
    )
    for table in _FILLED:
        connection.execute(
            f"INSERT INTO {table} SELECT t.* REPLACE (c.id AS integrated_account_id) "  # noqa: S608
            f"FROM {table} AS t JOIN copies AS c ON c.model = t.integrated_account_id"
        )
    # A past of so many attempts, six hours apart, all of them before the last.
    connection.execute(
        "INSERT INTO account_syncs SELECT t.* REPLACE (c.id AS integrated_account_id, "
        "t.started_at - to_hours(6 * n) AS started_at, t.finished_at - to_hours(6 * n) AS "
        "finished_at, t.answer_order - 1000 * n AS answer_order) FROM account_syncs AS t JOIN "
        "(SELECT id, model FROM copies UNION ALL SELECT unnest($ids), unnest($ids)) AS c "
        "ON c.model = t.integrated_account_id, range($attempts) AS r(n) "
        "WHERE n > 0 OR c.id <> c.model",
        {"ids": synced, "attempts": attempt_count},
    )
    connection.execute(
        "UPDATE account_syncs AS s SET outcome = 'failed', error_kind = 'retries_exhausted', "
        "error = $error FROM (SELECT integrated_account_id AS id, max(answer_order) AS last, "
        "row_number() OVER () AS number FROM account_syncs GROUP BY ALL) AS l "
        "WHERE l.id = s.integrated_account_id AND l.last = s.answer_order AND number % 100 = 0",
        {"error": _ERROR},
    )
    connection.execute(
        "UPDATE integrated_accounts SET last_confirmed_at = l.at FROM (SELECT "
        "integrated_account_id AS of, max(finished_at) AS at FROM account_syncs "
        "WHERE outcome <> 'failed' GROUP BY ALL) AS l WHERE l.of = id"
    )


if __name__ == "__main__":
    main()
