"""Land the records that the database kept of an account, as if they had just been fetched.

A bounded number of bytes at a time, whatever the records weigh: they need no more memory than
pages do. What becomes of them then is replaying's and acceptance's business.
"""

from collections.abc import Sequence
from itertools import count

from truto_groups.errors import RawRecordsError
from truto_groups.settings import AccountSettings
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.warehouse.connections import Connection

_RECORDS_AT_FIRST = 16
_FEWEST_TOGETHER, _MOST_TOGETHER = 16, 4000
# To read a part of what is long, DuckDB unpacks all of it: fewer parts take less time.
_BYTES_TOGETHER = 32 << 20


def land_raw_records(
    staging: Staging, integrated_account_id: str, *, settings: AccountSettings
) -> None:
    """Land an account's raw records from ``raw_groups``.

    Raises:
        RawRecordsError: They cannot be read back.
        duckdb.OutOfMemoryException: They are so long that there is not enough memory.
    """
    _land(
        staging,
        integrated_account_id,
        settings,
        places="SELECT id FROM raw_groups WHERE integrated_account_id = $account_id ORDER BY id",
        records="SELECT record::VARCHAR FROM raw_groups "
        "WHERE integrated_account_id = $account_id AND id BETWEEN $first AND $last",
    )


def land_held_back(
    staging: Staging, integrated_account_id: str, *, settings: AccountSettings
) -> None:
    """Land the records of an account's sync that waits, from ``held_back_groups``.

    Raises:
        RawRecordsError: They cannot be read back.
        duckdb.OutOfMemoryException: They are so long that there is not enough memory.
    """
    _land(
        staging,
        integrated_account_id,
        settings,
        places="SELECT position FROM held_back_groups "
        "WHERE integrated_account_id = $account_id ORDER BY position",
        records="SELECT record::VARCHAR FROM held_back_groups "
        "WHERE integrated_account_id = $account_id AND position BETWEEN $first AND $last "
        "ORDER BY position",
    )


def _land(
    staging: Staging, account_id: str, settings: AccountSettings, *, places: str, records: str
) -> None:
    found = [
        row[0] for row in staging.connection.execute(places, {"account_id": account_id}).fetchall()
    ]
    size = _RECORDS_AT_FIRST
    for number in count(1):
        chosen, found = found[:size], found[size:]
        if not chosen:
            return
        texts = _read(staging, records, account_id=account_id, first=chosen[0], last=chosen[-1])
        page = StagedPage(account_id, number, f"[{','.join(texts)}]", settings.remote_data)
        if unreadable := staging.land([page]):
            raise RawRecordsError(
                f"The records kept of integrated account {account_id} cannot be read back: "
                f"{unreadable[account_id]}.",
                advice="Sync the account again: materialize raw_groups for it.",
            )
        mean = max(1, len(page.records) // len(texts))
        size = min(max(_BYTES_TOGETHER // mean, _FEWEST_TOGETHER), _MOST_TOGETHER)


def _read(staging: Staging, records: str, **parameters: object) -> Sequence[str]:
    connection: Connection = staging.connection
    rows = staging.with_room(lambda: connection.execute(records, parameters).fetchall())
    return [row[0] for row in rows]
