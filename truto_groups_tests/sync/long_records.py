"""Do one thing after the other with an account of long records, and measure the memory of each.

Started by test_memory.py: ``python -m truto_groups_tests.sync.long_records FOLDER``. Prints for
each step what came of it and the peak of resident memory in MB, as JSON.
"""

import json
import random
import string
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from truto_groups.accounts.model import KnownAccount, ListedAccount
from truto_groups.drift.verdict import KnownShapes, judge
from truto_groups.settings import AccountSettings, read_settings
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.publish import ReplacedAccount, hold_back, replace_rows
from truto_groups.sync.remove import remove_accounts
from truto_groups.sync.replay import replay_account
from truto_groups.warehouse.accounts_table import read_known_accounts, write_listing
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.shapes_table import AuditedShape, write_shapes
from truto_groups_tests.stand import START, A
from truto_groups_tests.sync.peak_memory import measure

COUNT, KILOBYTES = 225, 200
RECORDS_OF_A_PAGE = 40


def make_records() -> Iterator[str]:
    """Records that do not resemble one another, as exports in a description would."""
    dice = random.Random(1)
    letters = "".join(dice.choices(string.ascii_letters, k=2 * KILOBYTES * 1000))
    for number in range(COUNT):
        first = dice.randrange(KILOBYTES * 1000)
        text = letters[first : first + KILOBYTES * 1000]
        yield json.dumps({"id": f"g{number}", "name": f"G{number}", "remote_data": {"text": text}})


def land(staging: Staging) -> None:
    records = list(make_records())
    for number, first in enumerate(range(0, COUNT, RECORDS_OF_A_PAGE), 1):
        page = f"[{','.join(records[first : first + RECORDS_OF_A_PAGE])}]"
        assert staging.land([StagedPage(A, number, page)]) == {}


def publish(database: Database, settings: AccountSettings) -> str:
    """List the account and publish its groups, as a sync does."""
    account = ListedAccount(A, "okta", "active", tenant_id="acme")
    with Staging() as staging:
        land(staging)

        def write() -> None:
            with database.writing(staging.connection) as connection:
                write_listing(connection, [account], now=START)
                replaced = ReplacedAccount(A, "okta", "acme", is_initial=True)
                replace_rows(connection, [replaced], run_id="first", now=START)

        staging.with_room(write)
    return "published"


def wait(database: Database, settings: AccountSettings) -> str:
    """List the account and hold its groups back, because there were few before."""
    account = ListedAccount(A, "okta", "active", tenant_id="acme")
    with Staging() as staging:
        land(staging)
        landed = staging.inspect([A])[A]
        verdict = judge(
            landed,
            staging.profile([A])[A],
            settings=settings,
            known=KnownShapes(),
            count_history=[COUNT * 9] * 5,
        )

        def write() -> None:
            with database.writing(staging.connection) as connection:
                write_listing(connection, [account], now=START)
                hold_back(connection, [A], run_id="odd", now=START)
                audited = {A: AuditedShape(verdict, "", {}, ())}
                write_shapes(connection, audited, published=(), run_id="odd", now=START)

        staging.with_room(write)
    return verdict.volume.outcome


def replay(database: Database, settings: AccountSettings) -> str:
    done = replay_account(
        database, read_known(database), settings, run_id="replay", clock=lambda: START
    )
    return f"{done.attempt.outcome} {done.attempt.group_count}"


def remove(database: Database, settings: AccountSettings) -> str:
    account = read_known(database)
    removed = remove_accounts(database, [account], run_id="tick", clock=lambda: START)
    return f"removed {len(removed)}"


def accept_all(database: Database, settings: AccountSettings) -> str:
    (done,) = accept(
        database,
        Acceptance([A], (), reason="right", accepted_by="a person"),
        settings_for=lambda _: settings,
        run_id="accept",
        clock=lambda: START + timedelta(hours=1),
    )
    return f"accepted {done.pending.group_count}"


def read_known(database: Database) -> KnownAccount:
    with database.reading() as connection:
        (account,) = read_known_accounts(connection)
    return account


STEPS = {"publish": publish, "replay": replay, "remove": remove, "wait": wait, "accept": accept_all}


def main() -> None:
    database = Database(str(Path(sys.argv[1]) / "groups.duckdb"))
    settings = read_settings(None).for_account(A, "okta")
    done = {
        name: measure(lambda step=step: step(database, settings)) for name, step in STEPS.items()
    }
    print(json.dumps({name: [one.came, one.peak] for name, one in done.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
