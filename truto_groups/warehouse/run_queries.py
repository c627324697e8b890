"""What became of the accounts of a run, as the ledger and the changes tell it.

For those who tell a person about a run; how an attempt is written is ledger_table.py's, what is
worth telling report/messages.py's.
"""

from dataclasses import dataclass

import duckdb

from truto_groups.report.messages import FailedAttempt
from truto_groups.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """What a run did with an account that it tried.

    Attributes:
        integrated_account_id: The account.
        partition_key: How people name it; its id when it is not known.
        label: What its tenant called it, or None.
        integration: The app's kind; "unknown" when the account is not known.
        tenant_id: Whose it is, or None.
        outcome: As in the ledger.
        group_count: Groups received; None when it never got that far.
        error_kind: The kind of failure, or None.
        error: What went wrong and what to do, or None.
        is_first: Whether the account had never been confirmed before.
        added: Groups that were added.
        removed: Groups that were removed.
        changed: Groups that were changed, remote_data apart.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    integration: str
    tenant_id: str | None
    outcome: str
    group_count: int | None
    error_kind: str | None
    error: str | None
    is_first: bool
    added: int
    removed: int
    changed: int

    @property
    def is_good(self) -> bool:
        """Whether the account's rows are what Truto says now."""
        return self.outcome in ("published", "unchanged", "skipped")


def read_outcomes(connection: duckdb.DuckDBPyConnection, *, run_id: str) -> list[AccountOutcome]:
    """Read what a run did with each account that it tried, by integration and tenant."""
    rows = connection.execute(statement("runs/read_outcomes"), {"run_id": run_id}).fetchall()
    return [AccountOutcome(*row) for row in rows]


def read_failures(connection: duckdb.DuckDBPyConnection, *, run_id: str) -> list[FailedAttempt]:
    """Read the accounts that a run tried and did not publish, by integration and tenant."""
    rows = connection.execute(statement("runs/read_failures"), {"run_id": run_id}).fetchall()
    return [FailedAttempt(*row) for row in rows]
