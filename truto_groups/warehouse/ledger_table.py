"""The ledger: one row per attempt to sync an account, written when it starts.

Freshness is read from here and never from the groups themselves, because an account without
groups has no rows. All functions work on a connection that Database.writing or .reading gave.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb

from truto_groups.warehouse.properties_table import remember_pruned
from truto_groups.warehouse.statements import statement

Outcome = Literal["published", "unchanged", "held_back", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Start:
    """An attempt whose first request has left.

    Attributes:
        integrated_account_id: The account.
        answer_order: Counts first requests; the larger number is the newer answer.
        started_at: Aware UTC instant.
    """

    integrated_account_id: str
    answer_order: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt to sync an account ended; the counts as far as it came.

    Attributes:
        integrated_account_id: The account.
        outcome: How it ended.
        group_count: Groups received, each id once; None when it never got that far.
        page_count: Pages walked.
        request_count: Requests sent, retries included.
        retry_count: Requests sent again.
        throttled_seconds: Waited because of rate limits.
        byte_count: Bytes of the bodies, decompressed.
        digest: Of the whole answer, order aside.
        error_kind: The kind of failure, for machines.
        error: What went wrong and what to do.
        conditions: Digest of the settings and the listing under which it was made.
    """

    integrated_account_id: str
    outcome: Outcome
    group_count: int | None = None
    page_count: int | None = None
    request_count: int | None = None
    retry_count: int | None = None
    throttled_seconds: float | None = None
    byte_count: int | None = None
    digest: str | None = None
    error_kind: str | None = None
    error: str | None = None
    conditions: str | None = None


@dataclass(frozen=True, slots=True)
class NewerAnswer:
    """A newer answer that another run has settled, seen from an attempt that it overtook.

    Attributes:
        run_id: The other run.
        outcome: How that ended.
    """

    run_id: str
    outcome: Outcome


def start_attempts(
    connection: duckdb.DuckDBPyConnection, starts: Sequence[Start], *, run_id: str
) -> None:
    """Write that attempts have begun, of which that is not written yet."""
    if not starts:
        return
    columns = {name: [getattr(start, name) for start in starts] for name in Start.__slots__}
    connection.execute(statement("ledger/start_attempts"), {**columns, "run_id": run_id}).fetchall()


def finish_attempts(
    connection: duckdb.DuckDBPyConnection,
    attempts: Sequence[Attempt],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Write how attempts of this run ended, and carry confirmations to the accounts."""
    if not attempts:
        return
    columns = {name: [getattr(attempt, name) for attempt in attempts] for name in Attempt.__slots__}
    conditions = columns.pop("conditions")
    connection.execute(
        statement("ledger/finish_attempts"), {**columns, "run_id": run_id, "now": now}
    ).fetchall()
    confirmed = [
        a.integrated_account_id for a in attempts if a.outcome in ("published", "unchanged")
    ]
    connection.execute(
        "UPDATE integrated_accounts SET last_confirmed_at = $now WHERE id IN (SELECT unnest($ids))",
        {"now": now, "ids": confirmed},
    ).fetchall()
    connection.execute(
        statement("ledger/remember_conditions"),
        {"ids": columns["integrated_account_id"], "conditions": conditions, "now": now},
    ).fetchall()


def interrupt_attempts(
    connection: duckdb.DuckDBPyConnection, run_id: str, *, is_cancelled: bool, now: datetime
) -> None:
    """Say of the attempts of a run that still run that it was cancelled, or broke off."""
    kind, what = ("cancelled", "was cancelled") if is_cancelled else ("broken_off", "broke off")
    _interrupt(connection, [run_id], kind=kind, what=what, now=now)


def end_killed_attempts(
    connection: duckdb.DuckDBPyConnection, *, is_alive: Callable[[str], bool], now: datetime
) -> None:
    """Say of the attempts of runs that are no more that these were killed."""
    running = connection.execute(
        "SELECT DISTINCT run_id FROM account_syncs WHERE outcome = 'running'"
    ).fetchall()
    dead = [run_id for (run_id,) in running if not is_alive(run_id)]
    if dead:
        what = "ended (it was killed, or its machine stopped)"
        _interrupt(connection, dead, kind="killed", what=what, now=now)


def _interrupt(
    connection: duckdb.DuckDBPyConnection,
    run_ids: Sequence[str],
    *,
    kind: str,
    what: str,
    now: datetime,
) -> None:
    connection.execute(
        statement("ledger/interrupt_attempts"),
        {"run_ids": list(run_ids), "kind": kind, "what": what, "now": now},
    ).fetchall()


def read_confirmations(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str]
) -> Mapping[str, str | None]:
    """Read which accounts were ever confirmed, with the digest of what their rows were made of."""
    account_ids = list(integrated_account_ids)
    rows = connection.execute(
        statement("ledger/read_confirmations"), {"ids": account_ids}
    ).fetchall()
    # One that was removed and is listed again is confirmed in the ledger alone, which is long.
    missing = sorted(set(account_ids) - {row[0] for row in rows})
    if missing:
        rows += connection.execute(
            statement("ledger/read_earlier_confirmations"), {"ids": missing}
        ).fetchall()
    return dict(rows)


def read_count_history(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str]
) -> Mapping[str, Sequence[int]]:
    """Read how many groups accounts had at their latest confirmed syncs, oldest first."""
    rows = connection.execute(
        statement("ledger/read_count_history"), {"ids": list(integrated_account_ids)}
    ).fetchall()
    return dict(rows)


def find_overtaken(
    connection: duckdb.DuckDBPyConnection, answer_orders: Mapping[str, int]
) -> Mapping[str, NewerAnswer]:
    """Find the accounts for which another run has already settled a newer answer.

    Args:
        connection: With the database.
        answer_orders: By integrated account id, the number of this run's answer.

    Returns:
        The newest such answer by integrated account id.
    """
    rows = connection.execute(
        statement("ledger/find_overtaken"),
        {"ids": list(answer_orders), "orders": list(answer_orders.values())},
    ).fetchall()
    return {row[0]: NewerAnswer(run_id=row[1], outcome=row[2]) for row in rows}


def read_attempts(
    connection: duckdb.DuckDBPyConnection, integrated_account_id: str, *, most: int
) -> list[dict[str, Any]]:
    """Read an account's last attempts, the newest first; by column, without the counts' rest."""
    cursor = connection.execute(
        statement("ledger/read_attempts"), {"id": integrated_account_id, "most": most}
    )
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read_request_counts(connection: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
    """Read how many requests each account's last confirmed sync took, by id."""
    return dict(connection.execute(statement("ledger/read_request_counts")).fetchall())


def prune_ledger(connection: duckdb.DuckDBPyConnection, *, before: datetime, most: int) -> int:
    """Delete attempts that began before an instant, the oldest first; what is still read stays.

    Args:
        connection: With the database attached, to write.
        before: Aware UTC instant.
        most: How many at most.

    Returns:
        How many were deleted.
    """
    ((count,),) = connection.execute(
        statement("ledger/prune_ledger"), {"before": before, "most": most}
    ).fetchall()
    if count:
        remember_pruned(connection, before)
    return count
