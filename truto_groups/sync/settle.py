"""Settle what became of accounts: inspect what was landed, judge it, write it in one transaction.

For each account that was landed whole: skipped when another run has a newer answer, unchanged when
the whole answer is what it was, held back when its audit finds it wrong, published otherwise. The
judgement itself is drift/verdict.py's; nothing here knows what drift is. Only what has to be alone
is done alone: judging comes before it, and again only where another run came between.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.accounts.model import KnownAccount
from truto_groups.drift.ignored_filters import IgnoredFilter, find_ignored_filters
from truto_groups.drift.verdict import LandedAccount, Verdict, judge
from truto_groups.errors import DatabaseError, tell_unforeseen
from truto_groups.schema import NORMALIZATION_VERSION
from truto_groups.settings import AccountSettings
from truto_groups.sync.land import Staging
from truto_groups.sync.publish import (
    ReplacedAccount,
    Replacement,
    hold_back,
    release_held_back,
    replace_rows,
)
from truto_groups.truto.pages import CompleteLanding
from truto_groups.warehouse import shapes_table
from truto_groups.warehouse.database import Connection, Database
from truto_groups.warehouse.earlier_syncs import NO_STATE, Past, PastState, read_past, read_states
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.ledger_table import (
    Attempt,
    NewerAnswer,
    find_overtaken,
    finish_attempts,
    read_confirmations,
)
from truto_groups.warehouse.properties_table import take_instant
from truto_groups.warehouse.shapes_table import AuditedShape
from truto_groups.warehouse.statements import statement

_EXAMPLES = 20
# What no account can be blamed for; everything else is the failure of the account it happened to.
_OF_NO_ACCOUNT = (DatabaseError, duckdb.IOException, duckdb.FatalException, MemoryError)


@dataclass(frozen=True)
class LandedSync:
    """An account whose every page has been landed.

    Attributes:
        account: The account.
        settings: What holds for it.
        landing: The proof that no page is missing.
        answer_order: The number of its first request.
        started_at: When that left.
    """

    account: KnownAccount
    settings: AccountSettings
    landing: CompleteLanding
    answer_order: int
    started_at: datetime


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


@dataclass(frozen=True)
class _Judged:
    """A verdict, or what went wrong with it, and what was known of the account then."""

    sync: LandedSync
    audited: AuditedShape | Exception
    past_state: PastState


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


@dataclass(frozen=True)
class _Inspected:
    """What was landed of accounts, before anything is compared with the database."""

    syncs: Sequence[LandedSync]
    landed: Mapping[str, LandedAccount]
    digests: Mapping[str, str]
    structures: Mapping[str, Sequence[tuple[str, int]]]
    preview: Mapping[str, Sequence[Mapping[str, Any]]]


def settle(
    staging: Staging,
    database: Database,
    landed: Sequence[LandedSync],
    failed: Sequence[Attempt],
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> list[AccountResult]:
    """Settle accounts that were landed whole, and write down those that failed.

    Accounts share a transaction; where that comes to nothing because of what one of them sent, each
    has its own, so that it is that account's failure alone.

    Args:
        staging: Holds the records of the landed accounts.
        database: Where to publish; the ledger has the attempts as running.
        landed: Accounts of which nothing is missing.
        failed: Attempts that came to nothing.
        run_id: The run.
        clock: Gives the present as an aware UTC instant.

    Returns:
        One result per account; what it says is committed.

    Raises:
        DatabaseError: Nothing was written of those that share the transaction.
    """

    def settle_together(
        landed: Sequence[LandedSync], failed: Sequence[Attempt]
    ) -> list[AccountResult]:
        return _settle_together(staging, database, landed, failed, run_id=run_id, clock=clock)

    try:
        return settle_together(landed, failed)
    except _OF_NO_ACCOUNT:
        raise
    except Exception as error:
        raise_interruption(error)
        if not landed:
            raise
        reason = error
    if len(landed) == 1:
        return settle_together((), [*failed, _fail(landed[0], reason)])
    results = settle_together((), failed) if failed else []
    for sync in sorted(landed, key=lambda one: -one.landing.walk.stats.byte_count):
        results += settle(staging, database, [sync], (), run_id=run_id, clock=clock)
        staging.forget([sync.account.id])
    return results


def _settle_together(
    staging: Staging,
    database: Database,
    syncs: Sequence[LandedSync],
    failed: Sequence[Attempt],
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> list[AccountResult]:
    inspected = _inspect(staging, syncs)
    judged = _judge_ahead(staging, database, inspected)

    def write() -> _Settlement:
        with database.writing(staging.connection) as connection:
            settlement = _sort_out(staging, inspected, judged, now=clock())
            _write(connection, settlement, run_id=run_id, clock=clock)
            attempts = [*settlement.attempts.values(), *failed]
            finish_attempts(connection, attempts, run_id=run_id, now=settlement.now)
        return settlement

    settlement = staging.with_room(write)
    return [
        *(_tell(settlement, sync, inspected.preview) for sync in syncs),
        *(AccountResult(attempt) for attempt in failed),
    ]


def _inspect(staging: Staging, syncs: Sequence[LandedSync]) -> _Inspected:
    landed = staging.inspect([sync.account.id for sync in syncs])
    digests = {
        sync.account.id: digest_answer(
            landed[sync.account.id],
            integration=sync.account.integration,
            tenant_id=sync.account.tenant_id,
            settings=sync.settings,
        )
        for sync in syncs
    }
    changed = [s.account.id for s in syncs if s.account.rows_digest != digests[s.account.id]]
    return _Inspected(
        syncs,
        landed,
        digests,
        staging.profile(changed),
        staging.preview([s.account.id for s in syncs if not s.settings.private_values]),
    )


def _judge_ahead(
    staging: Staging, database: Database, inspected: _Inspected
) -> Mapping[str, _Judged]:
    """Judge what seems to have changed, while others may publish: it takes longer than writing."""
    keys = list(inspected.structures)
    if not keys:
        return {}
    with database.reading(staging.connection) as connection:
        past = read_past(connection, keys)
    changed = [sync for sync in inspected.syncs if sync.account.id in inspected.structures]
    return _judge(staging, changed, inspected, inspected.structures, past)


def _sort_out(
    staging: Staging, inspected: _Inspected, judged: Mapping[str, _Judged], *, now: datetime
) -> _Settlement:
    """Say what becomes of each account, now that nobody else writes."""
    connection = staging.connection
    keys = list(inspected.landed)
    orders = {sync.account.id: sync.answer_order for sync in inspected.syncs}
    settlement = _Settlement(now, find_overtaken(connection, orders))
    confirmed = read_confirmations(connection, keys)
    rows = _count_rows(connection, keys)
    open_syncs: list[LandedSync] = []
    for sync in inspected.syncs:
        key = sync.account.id
        attempt = replace(
            _attempt(sync),
            group_count=inspected.landed[key].group_count,
            digest=inspected.digests[key],
        )
        if key in settlement.overtaken:
            reason = _say_overtaken(settlement.overtaken[key])
            attempt = replace(attempt, outcome="skipped", error=reason)
        elif confirmed.get(key) == attempt.digest and _has_all_rows(attempt, rows.get(key)):
            attempt = replace(attempt, outcome="unchanged")
        else:
            open_syncs.append(sync)
        settlement.attempts[key] = attempt
    settlement.known = {*confirmed, *rows}
    settlement.complete = {
        key for key, attempt in settlement.attempts.items() if _has_all_rows(attempt, rows.get(key))
    }
    for one in _judge_what_moved(staging, inspected, judged, open_syncs):
        _take_verdict(settlement, one)
    return settlement


def _judge_what_moved(
    staging: Staging,
    inspected: _Inspected,
    judged: Mapping[str, _Judged],
    syncs: Sequence[LandedSync],
) -> list[_Judged]:
    """Take the verdicts that still hold, and judge anew where another run came between."""
    states = read_states(staging.connection, [sync.account.id for sync in syncs])
    holding = {
        key: one for key, one in judged.items() if one.past_state == states.get(key, NO_STATE)
    }
    moved = [sync for sync in syncs if sync.account.id not in holding]
    if moved:
        keys = [sync.account.id for sync in moved]
        missing = [key for key in keys if key not in inspected.structures]
        structures = {**inspected.structures, **staging.profile(missing)}
        past = read_past(staging.connection, keys)
        holding |= _judge(staging, moved, inspected, structures, past)
    return [holding[sync.account.id] for sync in syncs]


def _judge(
    staging: Staging,
    syncs: Sequence[LandedSync],
    inspected: _Inspected,
    structures: Mapping[str, Sequence[tuple[str, int]]],
    past: Past,
) -> dict[str, _Judged]:
    judged: dict[str, _Judged] = {}
    for sync in syncs:
        key = sync.account.id
        audited: AuditedShape | Exception
        try:
            verdict = judge(
                inspected.landed[key],
                structures.get(key, ()),
                settings=sync.settings,
                known=past.shapes_of(key),
                count_history=past.counts.get(key, ()),
            )
            audited = _describe(staging, sync, verdict, past.declared)
        except _OF_NO_ACCOUNT:
            raise
        except duckdb.OutOfMemoryException:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes this account's failure
            raise_interruption(error)
            audited = error
        judged[key] = _Judged(sync, audited, past.states.get(key, NO_STATE))
    return judged


def _take_verdict(settlement: _Settlement, judged: _Judged) -> None:
    sync, audited = judged.sync, judged.audited
    key = sync.account.id
    if isinstance(audited, Exception):
        settlement.attempts[key] = _fail(sync, audited)
        return
    settlement.audited[key] = audited
    verdict = audited.verdict
    if verdict.hold_back_reason is None:
        settlement.published.append(sync)
        return
    settlement.held_back.append(key)
    settlement.attempts[key] = replace(
        settlement.attempts[key],
        outcome="held_back",
        error_kind=verdict.hold_back_kind,
        error=verdict.hold_back_reason,
    )


def _tell(
    settlement: _Settlement,
    sync: LandedSync,
    preview: Mapping[str, Sequence[Mapping[str, Any]]],
) -> AccountResult:
    key = sync.account.id
    audited = settlement.audited.get(key)
    return AccountResult(
        settlement.attempts[key],
        account=sync.account,
        seconds=(settlement.now - sync.started_at).total_seconds(),
        replacement=settlement.replaced.get(key, Replacement()),
        preview=preview.get(key, ()),
        verdict=None if audited is None else audited.verdict,
        overtaken_by=settlement.overtaken.get(key),
    )


def _say_overtaken(newer: NewerAnswer) -> str:
    if newer.outcome == "held_back":
        return f"Run {newer.run_id} asked later, and its newer answer was held back."
    return f"Run {newer.run_id} asked later and has settled a newer answer."


def _describe(
    staging: Staging,
    sync: LandedSync,
    verdict: Verdict,
    declared: Mapping[str, Collection[str]],
) -> AuditedShape:
    """Add to a verdict what a person wants to see: examples, and filters that were ignored."""
    key, settings = sync.account.id, sync.settings
    examples: dict[str, str] = {}
    told = [finding for finding in verdict.findings if finding.severity != "information"]
    for finding in told[:_EXAMPLES]:
        if finding.steps and not settings.private_values:
            example = staging.find_example(key, finding)
            if example is not None:
                examples[finding.path] = example
    filters: Sequence[IgnoredFilter] = ()
    if settings.query:
        filters = find_ignored_filters(
            settings.query,
            declared=declared.get(sync.account.integration),
            observed=staging.observe_values(key),
        )
    return AuditedShape(verdict, settings.answer_digest, examples, filters)


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
    for key, replacement in settlement.replaced.items():
        is_whole = key in settlement.known and key in settlement.complete
        if is_whole and replacement == Replacement():
            settlement.attempts[key] = replace(settlement.attempts[key], outcome="unchanged")
    hold_back(connection, settlement.held_back, run_id=run_id, now=instant)
    confirmed = [
        key
        for key, attempt in settlement.attempts.items()
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
    key, byte_count = sync.account.id, sync.landing.walk.stats.byte_count
    if isinstance(error, duckdb.OutOfMemoryException):
        return replace(
            _attempt(sync),
            outcome="failed",
            error_kind="too_large",
            error=f"The groups of integrated account {key} ({byte_count / 1e6:,.0f} MB) are so "
            "long that they need more memory at once than a run takes. The rows published before "
            f"stay. Make room in {tempfile.gettempdir()} (or let TMPDIR name another folder), or "
            "leave out what is long: `query: {truto_exclude_fields: [remote_data]}` for the "
            "account in the settings file.",
        )
    told = tell_unforeseen(key, error)
    return replace(_attempt(sync), outcome="failed", error_kind=told.kind, error=str(told))


def digest_answer(
    landed: LandedAccount, *, integration: str, tenant_id: str | None, settings: AccountSettings
) -> str:
    """Digest of all that decides about an account's rows: records, rules and listing."""
    counts = landed.counts
    parts = (
        landed.records_digest,
        landed.group_count,
        # Two equal records without an id leave no trace in a digest that knows no order.
        counts.record_count,
        counts.missing_id_count,
        counts.duplicate_id_count,
        counts.differing_id_count,
        NORMALIZATION_VERSION,
        integration,
        tenant_id,
        settings.remote_data,
        settings.query,  # so that an answer to another question is audited anew
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _count_rows(connection: Connection, keys: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """Count the rows of accounts in raw_groups and in groups."""
    rows = connection.execute(statement("count_rows"), {"ids": list(keys)}).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _has_all_rows(attempt: Attempt, rows: tuple[int, int] | None) -> bool:
    """Whether no row is missing, nor there twice, of what the attempt confirms."""
    return (rows or (0, 0)) == (attempt.group_count, attempt.group_count)
