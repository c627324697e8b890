"""Settle what became of accounts that were landed whole, and write it in one transaction.

Skipped when another run has a newer answer, unchanged when the whole answer is what it was, held
back when its audit finds it wrong, published otherwise. Only what has to be alone is done alone.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.accounts.model import KnownAccount
from truto_groups.drift.verdict import Verdict
from truto_groups.errors import tell_unforeseen
from truto_groups.sync.access_review import note_privileged_changes
from truto_groups.sync.judge import (
    OF_NO_ACCOUNT,
    Inspected,
    Judged,
    LandedSync,
    inspect_landed,
    judge_ahead,
    judge_what_moved,
)
from truto_groups.sync.land import Staging
from truto_groups.sync.publish import (
    ReplacedAccount,
    Replacement,
    hold_back,
    release_held_back,
    replace_rows,
)
from truto_groups.telemetry import record_publication
from truto_groups.warehouse import shapes_table
from truto_groups.warehouse.commits import Commits
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.interruption import holding_signals, raise_interruption
from truto_groups.warehouse.ledger_table import (
    Attempt,
    NewerAnswer,
    Start,
    find_overtaken,
    finish_attempts,
    read_confirmations,
    start_attempts,
)
from truto_groups.warehouse.properties_table import take_instant
from truto_groups.warehouse.shapes_table import AuditedShape
from truto_groups.warehouse.statements import statement


@dataclass(frozen=True)
class AccountResult:
    """What became of an account, when it is committed.

    Attributes:
        attempt: As the ledger has it.
        account: The account; None when all that is known stands in the attempt.
        seconds: From the attempt's begin to its commit.
        replacement: What was written.
        preview: The first groups: id, name and group_type of each; none of a private account.
        verdict: What the audit said; None when there was nothing to audit.
        overtaken_by: The newer answer because of which it was skipped.
    """

    attempt: Attempt
    account: KnownAccount | None = None
    seconds: float | None = None
    replacement: Replacement = field(default_factory=Replacement)
    preview: Sequence[Mapping[str, Any]] = ()
    verdict: Verdict | None = None
    overtaken_by: NewerAnswer | None = None

    @property
    def is_good(self) -> bool:
        """Whether the account's rows are the newest answer, of this run or of another."""
        if self.overtaken_by is not None:
            return self.overtaken_by.outcome != "held_back"
        return self.attempt.outcome in ("published", "unchanged")


@dataclass
class _Settlement:
    """Accounts by what becomes of them.

    ``known`` were confirmed before, or have rows; ``complete`` have as many as were received.
    """

    now: datetime
    overtaken: Mapping[str, NewerAnswer]
    attempts: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    audited: dict[str, AuditedShape] = field(default_factory=dict[str, AuditedShape])
    published: list[LandedSync] = field(default_factory=list[LandedSync])
    known: Collection[str] = ()
    complete: Collection[str] = ()
    held_back: list[str] = field(default_factory=list[str])
    replaced: Mapping[str, Replacement] = field(default_factory=dict[str, Replacement])


def settle(
    staging: Staging,
    database: Database,
    landed: Sequence[LandedSync],
    failed: Sequence[Attempt],
    *,
    starts: Mapping[str, Start],
    run_id: str,
    clock: Callable[[], datetime],
) -> Generator[Sequence[AccountResult]]:
    """Settle accounts that were landed whole, and write down those that failed.

    Accounts share a transaction; where that comes to nothing because of what one of them sent, each
    has its own, so that it is that account's failure alone.

    Args:
        staging: Holds the records of the landed accounts.
        database: Where to publish.
        landed: Accounts of which nothing is missing.
        failed: Attempts that came to nothing.
        starts: Of all these accounts, by id: written where the ledger has them not, or no more.
        run_id: The run.
        clock: Gives the present as an aware UTC instant.

    Yields:
        The results of a transaction, one per account, when it is committed; signals wait until the
        next are asked for. What was staged of these accounts can be forgotten.

    Raises:
        DatabaseError: Nothing was written of those that share the transaction.
    """

    def settle_together(
        landed: Sequence[LandedSync], failed: Sequence[Attempt]
    ) -> Generator[list[AccountResult]]:
        with contextlib.ExitStack() as held:
            yield _settle_together(
                staging, database, landed, failed, held, starts=starts, run_id=run_id, clock=clock
            )

    try:
        yield from settle_together(landed, failed)
    except OF_NO_ACCOUNT:
        raise
    except Exception as error:
        raise_interruption(error)
        if not landed:
            raise
        reason = error
    else:
        return
    if len(landed) == 1:
        yield from settle_together((), [*failed, _fail(landed[0], reason)])
        return
    if failed:
        yield from settle_together((), failed)
    for sync in sorted(landed, key=lambda one: -one.landing.walk.stats.byte_count):
        yield from settle(staging, database, [sync], (), starts=starts, run_id=run_id, clock=clock)


def _settle_together(
    staging: Staging,
    database: Database,
    syncs: Sequence[LandedSync],
    failed: Sequence[Attempt],
    held: contextlib.ExitStack,
    *,
    starts: Mapping[str, Start],
    run_id: str,
    clock: Callable[[], datetime],
) -> list[AccountResult]:
    inspected = inspect_landed(staging, syncs)
    judged = database.retried(lambda: judge_ahead(staging, database, inspected))
    commits = Commits[_Settlement](database)

    def write() -> _Settlement:
        try:
            return write_held()
        except BaseException:
            held.close()
            raise

    def write_held() -> _Settlement:
        began = time.monotonic()
        with database.writing(staging.connection) as connection:
            settlement = commits.find(connection)
            if settlement is None:
                began = time.monotonic()
                settlement = _sort_out(staging, inspected, judged, now=clock())
                _write(connection, settlement, run_id=run_id, clock=clock)
                attempts = [*settlement.attempts.values(), *failed]
                begun = [starts[attempt.integrated_account_id] for attempt in attempts]
                start_attempts(connection, begun, run_id=run_id)
                finish_attempts(connection, attempts, run_id=run_id, now=settlement.now)
                commits.note(connection, settlement)
            held.enter_context(holding_signals())
        record_publication(time.monotonic() - began)
        return settlement

    settlement = database.retried(lambda: staging.with_room(write))
    return [
        *(_tell(settlement, sync, inspected.preview) for sync in syncs),
        *(AccountResult(attempt) for attempt in failed),
    ]


def _sort_out(
    staging: Staging, inspected: Inspected, judged: Mapping[str, Judged], *, now: datetime
) -> _Settlement:
    """Say what becomes of each account, now that nobody else writes."""
    connection = staging.connection
    account_ids = list(inspected.landed)
    orders = {sync.account.id: sync.answer_order for sync in inspected.syncs}
    settlement = _Settlement(now, find_overtaken(connection, orders))
    confirmed = read_confirmations(connection, account_ids)
    rows = _count_rows(connection, account_ids)
    open_syncs: list[LandedSync] = []
    for sync in inspected.syncs:
        account_id = sync.account.id
        attempt = replace(
            _attempt(sync),
            group_count=inspected.landed[account_id].group_count,
            digest=inspected.digests[account_id],
        )
        if account_id in settlement.overtaken:
            reason = _say_overtaken(settlement.overtaken[account_id])
            attempt = replace(attempt, outcome="skipped", error=reason)
        elif confirmed.get(account_id) == attempt.digest and _has_all_rows(
            attempt, rows.get(account_id)
        ):
            attempt = replace(attempt, outcome="unchanged")
        else:
            open_syncs.append(sync)
        settlement.attempts[account_id] = attempt
    settlement.known = {*confirmed, *rows}
    settlement.complete = {
        account_id
        for account_id, attempt in settlement.attempts.items()
        if _has_all_rows(attempt, rows.get(account_id))
    }
    for one in judge_what_moved(staging, inspected, judged, open_syncs):
        _take_verdict(settlement, one)
    return settlement


def _take_verdict(settlement: _Settlement, judged: Judged) -> None:
    sync, audited = judged.sync, judged.audited
    account_id = sync.account.id
    if isinstance(audited, Exception):
        settlement.attempts[account_id] = _fail(sync, audited)
        return
    settlement.audited[account_id] = audited
    verdict = audited.verdict
    if verdict.hold_back_reason is None:
        settlement.published.append(sync)
        return
    settlement.held_back.append(account_id)
    settlement.attempts[account_id] = replace(
        settlement.attempts[account_id],
        outcome="held_back",
        error_kind=verdict.hold_back_kind,
        error=verdict.hold_back_reason,
    )


def _tell(
    settlement: _Settlement,
    sync: LandedSync,
    preview: Mapping[str, Sequence[Mapping[str, Any]]],
) -> AccountResult:
    account_id = sync.account.id
    audited = settlement.audited.get(account_id)
    return AccountResult(
        settlement.attempts[account_id],
        account=sync.account,
        seconds=(settlement.now - sync.started_at).total_seconds(),
        replacement=settlement.replaced.get(account_id, Replacement()),
        preview=preview.get(account_id, ()),
        verdict=None if audited is None else audited.verdict,
        overtaken_by=settlement.overtaken.get(account_id),
    )


def _say_overtaken(newer: NewerAnswer) -> str:
    if newer.outcome == "held_back":
        return f"Run {newer.run_id} asked later, and its newer answer was held back."
    return f"Run {newer.run_id} asked later and has settled a newer answer."


def _write(
    connection: Connection,
    settlement: _Settlement,
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> None:
    """Write what was decided; an answer that changes no row confirms what is there."""
    instant = take_instant(connection, clock) if settlement.audited else settlement.now
    accounts = [
        ReplacedAccount(
            sync.account.id,
            sync.account.integration,
            sync.account.tenant_id,
            is_initial=sync.account.id not in settlement.known
            and not sync.settings.record_initial_sync,
            digest=settlement.attempts[sync.account.id].digest,
        )
        for sync in settlement.published
    ]
    settlement.replaced = replace_rows(connection, accounts, run_id=run_id, now=instant)
    if accounts:
        privileged = {sync.account.id: sync.settings.privileged for sync in settlement.published}
        note_privileged_changes(connection, privileged, run_id=run_id, now=instant)
    for account_id, replacement in settlement.replaced.items():
        is_whole = account_id in settlement.known and account_id in settlement.complete
        if is_whole and replacement == Replacement():
            settlement.attempts[account_id] = replace(
                settlement.attempts[account_id], outcome="unchanged"
            )
    hold_back(connection, settlement.held_back, run_id=run_id, now=instant)
    confirmed = [
        account_id
        for account_id, attempt in settlement.attempts.items()
        if attempt.outcome in ("published", "unchanged")
    ]
    release_held_back(connection, confirmed)
    shapes_table.forget_waiting(connection, confirmed)
    shapes_table.write_shapes(
        connection,
        settlement.audited,
        published={sync.account.id for sync in settlement.published},
        run_id=run_id,
        now=instant,
    )


def _attempt(sync: LandedSync) -> Attempt:
    """What a walk to the end has cost; how it ended is to be filled in."""
    walk = sync.landing.walk
    return Attempt(
        integrated_account_id=sync.account.id,
        outcome="published",
        page_count=walk.page_count,
        request_count=walk.stats.request_count,
        retry_count=walk.stats.retry_count,
        throttled_seconds=round(walk.stats.throttled_seconds, 3),
        byte_count=walk.stats.byte_count,
        conditions=sync.account.conditions(sync.settings.digest),
    )


def _fail(sync: LandedSync, error: Exception) -> Attempt:
    name, byte_count = sync.account.partition_key, sync.landing.walk.stats.byte_count
    if isinstance(error, duckdb.OutOfMemoryException):
        return replace(
            _attempt(sync),
            outcome="failed",
            error_kind="too_large",
            error=f"The groups of integrated account {name} ({byte_count / 1e6:,.0f} MB) are "
            "so long that they need more memory at once than a run takes. The rows published "
            f"before stay. Make room in {tempfile.gettempdir()} (or let TMPDIR name another "
            "folder), or leave out what is long: `query: {truto_exclude_fields: [remote_data]}` "
            "for the account in the settings file.",
        )
    told = tell_unforeseen(name, error)
    return replace(_attempt(sync), outcome="failed", error_kind=told.kind, error=str(told))


def _count_rows(
    connection: Connection, account_ids: Sequence[str]
) -> Mapping[str, tuple[int, int]]:
    """Count the rows of accounts in raw_groups and in groups."""
    rows = connection.execute(
        statement("publish/count_rows"), {"ids": list(account_ids)}
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _has_all_rows(attempt: Attempt, rows: tuple[int, int] | None) -> bool:
    """Whether no row is missing, nor there twice, of what the attempt confirms."""
    return (rows or (0, 0)) == (attempt.group_count, attempt.group_count)
