"""Replace the rows of accounts by what was landed: all of it in one transaction, or nothing.

What may be published was decided before (see settle.py); what differs is worked out in
``sql/publish/``. An account's raw records, groups, breakdown, changes and ledger row always
change together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from truto_groups.report.changes import ChangedGroup
from truto_groups.schema import NORMALIZATION_VERSION
from truto_groups.warehouse.connections import Connection, set_variables
from truto_groups.warehouse.statements import statement, statements

# The files of sql/publish/, in the order in which they run.
_STEPS = ("repair", "compare", "explain", "replace", "record")


@dataclass(frozen=True, slots=True)
class ReplacedAccount:
    """An account whose rows are to be replaced.

    Attributes:
        integrated_account_id: The account.
        integration: The app's kind, as a slug.
        tenant_id: The customer.
        is_initial: Whether its groups are taken as a beginning, which makes no ``group_changes``.
            Where it has rows, it is none, whatever is known of the account.
        digest: Of the answer that is published; None where it is none that Truto gave just now, so
            that no later answer is taken for the same.
    """

    integrated_account_id: str
    integration: str
    tenant_id: str | None
    is_initial: bool = False
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """What replacing an account's rows wrote.

    Attributes:
        added: Groups that were not there before, an initial sync's apart.
        removed: Groups that are there no longer.
        changed: Groups of which a column changed.
        touched: Groups of which only the raw record, remote_data or the rules changed.
        remote_changes: Of these, by field of remote_data, in how many it changed.
        examples: Some of the groups that were added, removed or changed, those renamed first.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    touched: int = 0
    remote_changes: Mapping[str, int] = field(default_factory=dict[str, int])
    examples: Sequence[ChangedGroup] = ()


def replace_rows(
    connection: Connection,
    accounts: Sequence[ReplacedAccount],
    *,
    run_id: str,
    now: datetime,
) -> Mapping[str, Replacement]:
    """Replace the rows of accounts by what staging holds for them, writing only what differs.

    Args:
        connection: Staging's, with the database attached and a transaction begun.
        accounts: An account for which nothing was landed has no groups any more.
        run_id: The run that publishes, for ``group_changes``.
        now: Aware UTC instant of the publication.

    Returns:
        What was written, by integrated account id; accounts without a difference have zeros.
    """
    if not accounts:
        return {}
    accounts = _doubt_beginnings(connection, accounts)
    compared = {account.integrated_account_id for account in accounts if not account.is_initial}
    landed = connection.execute(
        "SELECT DISTINCT integrated_account_id FROM staging.landed"
    ).fetchall()
    set_variables(
        connection,
        published_at=now,
        run_id=run_id,
        normalization_version=NORMALIZATION_VERSION,
        compared_ids=sorted(compared),
        landed_ids=sorted(compared & {account_id for (account_id,) in landed}),
    )
    fields = ReplacedAccount.__slots__
    columns = {name: [getattr(account, name) for account in accounts] for name in fields}
    connection.execute(statement("publish/batch"), columns).fetchall()
    for step in _STEPS:
        for text in statements(f"publish/{step}"):
            connection.execute(text).fetchall()
    counts = _read_counts(connection, accounts)
    initial = [account.integrated_account_id for account in accounts if account.is_initial]
    differing = [account_id for account_id, changes in counts.items() if changes]
    rebuild_breakdown(connection, [*initial, *differing])
    # Where nothing changed, group_changes need not be looked through.
    examples = _read_examples(connection) if differing else dict[str, list[ChangedGroup]]()
    remote = _read_remote_changes(connection)
    return {
        account_id: Replacement(
            **changes,
            remote_changes=remote.get(account_id, {}),
            examples=examples.get(account_id, ()),
        )
        for account_id, changes in counts.items()
    }


def _read_counts(
    connection: Connection, accounts: Sequence[ReplacedAccount]
) -> dict[str, dict[str, int]]:
    """Read how many groups of each account were added, removed, changed or touched."""
    rows = connection.execute(
        "SELECT integrated_account_id, change, count(*) FROM differences GROUP BY ALL"
    ).fetchall()
    counts: dict[str, dict[str, int]] = {account.integrated_account_id: {} for account in accounts}
    for integrated_account_id, change, count in rows:
        counts[integrated_account_id][change] = count
    return counts


def _read_remote_changes(connection: Connection) -> dict[str, dict[str, int]]:
    """Read in which paths of remote_data groups changed, the most frequent first, by account."""
    remote: dict[str, dict[str, int]] = {}
    for integrated_account_id, path, count in connection.execute(
        "SELECT integrated_account_id, path, group_count FROM remote_changes "
        "ORDER BY group_count DESC, path"
    ).fetchall():
        remote.setdefault(integrated_account_id, {})[path] = count
    return remote


def _read_examples(connection: Connection) -> dict[str, list[ChangedGroup]]:
    """Read some of what was just written into group_changes, by account."""
    rows = connection.execute(statement("publish/publication_examples")).fetchall()
    found: dict[str, list[ChangedGroup]] = {}
    for account_id, group_id, change, hint, name, fields in rows:
        changed = ChangedGroup(group_id, change, hint, name, msgspec.json.decode(fields))
        found.setdefault(account_id, []).append(changed)
    return found


def _doubt_beginnings(
    connection: Connection, accounts: Sequence[ReplacedAccount]
) -> Sequence[ReplacedAccount]:
    """Take no account for new that has rows: its ledger may be lost, and ids come twice."""
    claimed = [account.integrated_account_id for account in accounts if account.is_initial]
    if not claimed:
        return accounts
    rows = connection.execute(statement("publish/count_rows"), {"ids": claimed}).fetchall()
    having = {row[0] for row in rows}
    return [
        replace(account, is_initial=False) if account.integrated_account_id in having else account
        for account in accounts
    ]


def rebuild_breakdown(connection: Connection, integrated_account_ids: Sequence[str]) -> None:
    """Count the groups of accounts anew by type."""
    if not integrated_account_ids:
        return
    set_variables(connection, rebuilt_ids=list(integrated_account_ids))
    for text in statements("publish/rebuild_breakdown"):
        connection.execute(text).fetchall()


def hold_back(
    connection: Connection,
    integrated_account_ids: Sequence[str],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Keep the landed records of accounts for inspection and acceptance."""
    if not integrated_account_ids:
        return
    set_variables(connection, ids=list(integrated_account_ids), run_id=run_id, published_at=now)
    for text in statements("publish/hold_back"):
        connection.execute(text).fetchall()


def release_held_back(connection: Connection, integrated_account_ids: Sequence[str]) -> None:
    """Drop what was held back for accounts, because a later sync was published."""
    connection.execute(
        "DELETE FROM held_back_groups WHERE integrated_account_id IN (SELECT unnest($ids))",
        {"ids": list(integrated_account_ids)},
    ).fetchall()
