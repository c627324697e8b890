"""Remove accounts whose grace period is over: their groups appear as removed in group_changes.

Each in a transaction that others may share, so that one that cannot be removed now stops no other.
Whose grace period is over is accounts/listing.py's to plan.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from truto_groups.accounts.model import KnownAccount
from truto_groups.errors import DatabaseError
from truto_groups.sync.land import Staging
from truto_groups.sync.publish import ReplacedAccount, replace_rows
from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import forget_accounts
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.duckdb_errors import first_line
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.properties_table import take_instant

logger = logging.getLogger(__name__)

_REMOVED_TOGETHER = 50


def remove_accounts(
    database: Database,
    accounts: Sequence[KnownAccount],
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> list[str]:
    """Remove accounts with all their rows.

    Args:
        database: The database.
        accounts: The accounts.
        run_id: Names who removed the groups, in ``group_changes``.
        clock: Gives the present as an aware UTC instant.

    Returns:
        Ids of the accounts that are removed. One that is not stays as it is, and is told in the
        log: the next tick tries again.

    Raises:
        DatabaseError: The database cannot be written; what was removed before stays removed.
    """
    removed: list[str] = []
    with Staging(database.connect()) as staging:
        for first in range(0, len(accounts), _REMOVED_TOGETHER):
            together = accounts[first : first + _REMOVED_TOGETHER]
            removed += _remove(staging, database, together, run_id=run_id, clock=clock)
    return removed


def _remove(
    staging: Staging,
    database: Database,
    accounts: Sequence[KnownAccount],
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> list[str]:
    account_ids = [account.id for account in accounts]

    def write() -> None:
        with database.writing(staging.connection) as connection:
            replaced = [ReplacedAccount(a.id, a.integration, a.tenant_id) for a in accounts]
            now = take_instant(connection, clock)
            replace_rows(connection, replaced, run_id=run_id, now=now)
            forget_accounts(connection, account_ids)

    try:
        database.retried(lambda: staging.with_room(write))
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever its rows do, it is this account's failure
        raise_interruption(error)
        if len(accounts) > 1:
            alone = [
                _remove(staging, database, [account], run_id=run_id, clock=clock)
                for account in accounts
            ]
            return [account_id for found in alone for account_id in found]
        logger.warning(
            "Integrated account %s, whose grace period is over, could not be removed (%s: %s). "
            "Its rows stay; the next tick tries again.",
            show(accounts[0].partition_key),
            type(error).__name__,
            redact(first_line(error)),
        )
        return []
    return account_ids
