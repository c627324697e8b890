"""Rebuild groups from raw_groups, and breakdowns from groups: the same rules, and no request."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from truto_groups.accounts import KnownAccount
from truto_groups.errors import RawRecordsError
from truto_groups.settings import AccountSettings
from truto_groups.warehouse.database import Connection, Database, transaction
from truto_groups.warehouse.ledger import Attempt
from truto_groups.warehouse.publishing import ReplacedAccount, rebuild_breakdown, replace_rows
from truto_groups.warehouse.settling import AccountResult
from truto_groups.warehouse.staging import StagedPage, Staging

_RECORDS_TOGETHER = 4000


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
        DatabaseError: Nothing was written.
    """
    started_at = clock()
    with Staging() as staging:
        connection = staging.connection
        with database.owning(connection):
            _guard_raw_records(connection, account.id)
            records = _iter_raw_records(connection, account.id)
            land_records(staging, account.id, records, settings=settings)
            group_count = staging.inspect([account.id])[account.id].group_count
            preview = staging.preview([] if settings.private_values else [account.id])
            now = clock()
            with transaction(connection):
                replaced = replace_rows(
                    connection,
                    [ReplacedAccount(account.id, account.integration, account.tenant_id)],
                    run_id=run_id,
                    now=now,
                )
                # Also where no group differs: somebody else may have changed the counts.
                rebuild_breakdown(connection, [account.id])
    return AccountResult(
        Attempt(account.id, "published", group_count=group_count),
        account=account,
        seconds=(now - started_at).total_seconds(),
        replacement=replaced[account.id],
        preview=preview.get(account.id, ()),
    )


def rebuild_breakdowns(database: Database, integrated_account_ids: Sequence[str]) -> None:
    """Count the groups of accounts anew by type."""
    with database.writing() as connection:
        rebuild_breakdown(connection, integrated_account_ids)


def land_records(
    staging: Staging,
    integrated_account_id: str,
    chunks: Iterable[Sequence[str]],
    *,
    settings: AccountSettings,
) -> None:
    """Land records that the database kept, as if they had just been fetched.

    Raises:
        RawRecordsError: They cannot be read back.
    """
    for number, records in enumerate(chunks, start=1):
        text = f"[{','.join(records)}]"
        page = StagedPage(integrated_account_id, number, text, settings.remote_data)
        if unreadable := staging.land([page]):
            raise RawRecordsError(
                f"The records kept of integrated account {integrated_account_id} cannot be read "
                f"back: {unreadable[integrated_account_id]}.",
                advice="Sync the account again: materialize raw_groups for it.",
            )


def _guard_raw_records(connection: Connection, integrated_account_id: str) -> None:
    """Refuse to take what is left of an account's records for all of them."""
    kept, written = connection.execute(
        "SELECT (SELECT count(*) FROM raw_groups WHERE integrated_account_id = $id), "
        "(SELECT max(row_count) FROM account_state WHERE integrated_account_id = $id)",
        {"id": integrated_account_id},
    ).fetchall()[0]
    if kept != written:
        raise RawRecordsError(
            f"Of integrated account {integrated_account_id} {kept:,} raw records are there, and "
            f"{written or 0:,} were published: something else has changed raw_groups.",
            advice="Nothing was rebuilt. Sync the account again: materialize raw_groups for it.",
        )


def _iter_raw_records(
    connection: Connection, integrated_account_id: str
) -> Iterator[Sequence[str]]:
    # A second cursor, because landing uses the connection between two fetches.
    (catalog,) = connection.execute("SELECT current_database()").fetchall()[0]
    cursor = connection.cursor()
    cursor.execute(f'USE "{catalog}"')
    cursor.execute(
        "SELECT record::VARCHAR FROM raw_groups WHERE integrated_account_id = $id",
        {"id": integrated_account_id},
    )
    while rows := cursor.fetchmany(_RECORDS_TOGETHER):
        yield [row[0] for row in rows]
