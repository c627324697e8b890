"""Rebuild groups from raw_groups, and breakdowns from groups: the same rules, and no request."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.accounts.model import KnownAccount
from truto_groups.coordination.seam import Turn
from truto_groups.errors import RawRecordsError, TooLargeError
from truto_groups.settings import AccountSettings
from truto_groups.sync.access_review import note_privileged_changes
from truto_groups.sync.land import Staging
from truto_groups.sync.land_stored import land_raw_records
from truto_groups.sync.publish import ReplacedAccount, rebuild_breakdown, replace_rows
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse.commits import Commits
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.ledger_table import Attempt, read_confirmations
from truto_groups.warehouse.properties_table import take_instant
from truto_groups.warehouse.statements import statement


def replay_account(
    database: Database,
    account: KnownAccount,
    settings: AccountSettings,
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> AccountResult:
    """Rebuild one account's groups, breakdown and changes from its raw records.

    The raw records, the ledger and the account's freshness stay as they are: nothing was fetched.

    Raises:
        RawRecordsError: Records of the account are missing. Nothing was written.
        TooLargeError: There is not enough memory for them. Nothing was written.
        DatabaseError: Nothing was written.
    """
    commits = Commits[AccountResult](database)
    return database.retried(
        lambda: _rebuild(database, account, settings, run_id=run_id, clock=clock, commits=commits)
    )


def _rebuild(
    database: Database,
    account: KnownAccount,
    settings: AccountSettings,
    *,
    run_id: str,
    clock: Callable[[], datetime],
    commits: Commits[AccountResult],
) -> AccountResult:
    started_at = clock()
    with Staging(database.connect()) as staging:
        connection = staging.connection

        def write(
            turn: Turn, group_count: int, preview: Sequence[Mapping[str, Any]]
        ) -> AccountResult:
            with database.committing(connection, turn):
                now = take_instant(connection, clock)
                replaced = replace_rows(
                    connection,
                    [ReplacedAccount(account.id, account.integration, account.tenant_id)],
                    run_id=run_id,
                    now=now,
                )
                privileged = {account.id: settings.privileged}
                note_privileged_changes(connection, privileged, run_id=run_id, now=now)
                # Also where no group differs: somebody else may have changed the counts.
                rebuild_breakdown(connection, [account.id])
                result = AccountResult(
                    Attempt(account.id, "published", group_count=group_count),
                    account=account,
                    seconds=(now - started_at).total_seconds(),
                    replacement=replaced[account.id],
                    preview=preview,
                )
                commits.note(connection, result)
            return result

        try:
            with database.owning(connection) as turn:
                if (committed := commits.find(connection)) is not None:
                    return committed
                _guard_raw_records(connection, account.id)
                land_raw_records(staging, account.id, settings=settings)
                group_count = staging.inspect([account.id])[account.id].group_count
                preview = staging.preview([] if settings.private_values else [account.id])
                groups = preview.get(account.id, ())
                return staging.with_room(lambda: write(turn, group_count, groups))
        except duckdb.OutOfMemoryException as error:
            raise TooLargeError(
                f"The groups of integrated account {account.id} are so long that they need more "
                "memory at once than a run takes.",
                advice="Nothing was rebuilt. Leave out what is long: "
                "`query: {truto_exclude_fields: [remote_data]}` for the account in the settings "
                "file, and sync it again.",
            ) from error


def rebuild_breakdowns(database: Database, integrated_account_ids: Sequence[str]) -> None:
    """Count the groups of accounts anew by type."""
    with database.writing() as connection:
        rebuild_breakdown(connection, integrated_account_ids)


def find_replayable(
    connection: Connection, integrated_account_ids: Sequence[str]
) -> frozenset[str]:
    """Find the accounts that were ever published, be it as empty.

    Those that have rows are among them, whatever the ledger knows.
    """
    account_ids = list(integrated_account_ids)
    rows = connection.execute(statement("publish/count_rows"), {"ids": account_ids}).fetchall()
    return frozenset(row[0] for row in rows) | read_confirmations(connection, account_ids).keys()


def _guard_raw_records(connection: Connection, integrated_account_id: str) -> None:
    """Refuse to take what is left of an account's records for all of them."""
    kept, written = connection.execute(
        "SELECT (SELECT count(*) FROM raw_groups WHERE integrated_account_id = $id), "
        # What was written is remembered; where that is lost, every group has its raw record.
        "coalesce((SELECT max(row_count) FROM account_state WHERE integrated_account_id = $id), "
        "(SELECT count(*) FROM groups WHERE integrated_account_id = $id))",
        {"id": integrated_account_id},
    ).fetchall()[0]
    if kept != written:
        raise RawRecordsError(
            f"Of integrated account {integrated_account_id} {kept:,} raw records are there, and "
            f"{written:,} were published: something else has changed raw_groups.",
            advice="Nothing was rebuilt. Sync the account again: materialize raw_groups for it.",
        )
