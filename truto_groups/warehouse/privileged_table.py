"""The table privileged_group_changes: written with a publication, reviewed by a person.

Which groups are privileged is privileged.py's to say. All functions work on a connection that
Database.writing or .reading gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from truto_groups.report.privileged_changes import UnreviewedChange
from truto_groups.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group that a publication made, or gave another name or type.

    Attributes:
        integrated_account_id: Its account.
        integration: The app's kind, as a slug.
        tenant_id: The customer.
        id: The group.
        is_added: Whether it is new.
        name: As it is.
        name_before: As it was; None for a new group.
        group_type: As received.
        group_type_before: As received before; None for a new group.
    """

    integrated_account_id: str
    integration: str
    tenant_id: str | None
    id: str
    is_added: bool
    name: str | None
    name_before: str | None
    group_type: str | None
    group_type_before: str | None


@dataclass(frozen=True, slots=True)
class PrivilegedChange:
    """A change by which a group became privileged.

    Attributes:
        group: The group, as it was and as it is.
        change: created, renamed or retyped.
        matched_rules: The rules that call it so, as text.
    """

    group: Candidate
    change: str
    matched_rules: str


def read_candidates(connection: duckdb.DuckDBPyConnection) -> list[Candidate]:
    """Read what the publication of just now made or named anew, in the same transaction."""
    rows = connection.execute(statement("privileged/read_candidates")).fetchall()
    return [Candidate(*row) for row in rows]


def write_privileged_changes(
    connection: duckdb.DuckDBPyConnection,
    changes: Sequence[PrivilegedChange],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Write changes that wait for a review from now on.

    Args:
        connection: In the transaction of the publication.
        changes: What became privileged.
        run_id: The run that publishes.
        now: Aware UTC instant of the publication.
    """
    if not changes:
        return
    fields = [name for name in Candidate.__slots__ if name != "is_added"]
    columns = {name: [getattr(one.group, name) for one in changes] for name in fields}
    connection.execute(
        statement("privileged/write_changes"),
        {
            **columns,
            "change": [one.change for one in changes],
            "matched_rules": [one.matched_rules for one in changes],
            "changed_at": now,
            "run_id": run_id,
        },
    ).fetchall()


def read_unreviewed(connection: duckdb.DuckDBPyConnection) -> list[UnreviewedChange]:
    """Read what waits for a review, the newest first; accounts that are forgotten aside."""
    rows = connection.execute(statement("privileged/read_unreviewed")).fetchall()
    return [UnreviewedChange(*row) for row in rows]


def write_review(
    connection: duckdb.DuckDBPyConnection,
    integrated_account_ids: Sequence[str],
    *,
    until: datetime | None,
    reviewed_at: datetime,
    reviewed_by: str,
    reason: str,
) -> None:
    """Write down who reviewed what waits of these accounts, up to an instant, and why."""
    connection.execute(
        "UPDATE privileged_group_changes "
        "SET reviewed_at = $reviewed_at, reviewed_by = $reviewed_by, review_reason = $reason "
        "WHERE reviewed_at IS NULL AND integrated_account_id IN (SELECT unnest($ids::VARCHAR[])) "
        "AND ($until::TIMESTAMPTZ IS NULL OR changed_at <= $until::TIMESTAMPTZ)",
        {
            "ids": list(integrated_account_ids),
            "until": until,
            "reviewed_at": reviewed_at,
            "reviewed_by": reviewed_by,
            "reason": reason,
        },
    ).fetchall()
