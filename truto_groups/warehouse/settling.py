"""Settle what became of accounts: inspect what was landed, judge it, write it in one transaction.

For each account that was walked to its end: skipped when another run has a newer answer,
unchanged when the whole answer is what it was, held back when its audit finds it wrong, published
otherwise. The judgement itself is judging.py's; nothing here knows what drift is.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.accounts import KnownAccount
from truto_groups.contract import NORMALIZATION_VERSION
from truto_groups.drift.filters import ToldFilter, find_contradicted_filters
from truto_groups.judging import KnownShapes, Landed, Verdict, judge
from truto_groups.settings import AccountSettings
from truto_groups.walks import CompleteWalk
from truto_groups.warehouse import shapes
from truto_groups.warehouse.contracts import read_declared_parameters
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.ledger import (
    Attempt,
    Overtaking,
    find_overtaken,
    finish_attempts,
    read_confirmations,
    read_count_history,
)
from truto_groups.warehouse.publishing import (
    ReplacedAccount,
    Replacement,
    hold_back,
    release_held_back,
    replace_rows,
)
from truto_groups.warehouse.shapes import AuditedShape
from truto_groups.warehouse.staging import Staging
from truto_groups.warehouse.statements import statement

_EXAMPLES = 20


@dataclass(frozen=True)
class CompleteSync:
    """An account whose every page has been landed.

    Attributes:
        account: The account.
        settings: What holds for it.
        walk: The proof that no page is missing.
        started_at: When the attempt began.
    """

    account: KnownAccount
    settings: AccountSettings
    walk: CompleteWalk
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
    overtaken_by: Overtaking | None = None

    @property
    def is_good(self) -> bool:
        """Whether the account's rows are the newest answer, of this run or of another."""
        if self.overtaken_by is not None:
            return self.overtaken_by.outcome != "held_back"
        return self.attempt.outcome in ("published", "unchanged")


@dataclass
class _Settlement:
    """Accounts by what becomes of them."""

    attempts: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    audited: dict[str, AuditedShape] = field(default_factory=dict[str, AuditedShape])
    published: list[CompleteSync] = field(default_factory=list[CompleteSync])
    held_back: list[str] = field(default_factory=list[str])
    overtaken: Mapping[str, Overtaking] = field(default_factory=dict[str, Overtaking])


def settle(
    staging: Staging,
    database: Database,
    walked: Sequence[CompleteSync],
    failed: Sequence[Attempt],
    *,
    run_id: str,
    now: datetime,
) -> list[AccountResult]:
    """Settle accounts that were walked to the end, and write down those that failed.

    Args:
        staging: Holds the records of the walked accounts.
        database: Where to publish.
        walked: Accounts of which nothing is missing.
        failed: Attempts that came to nothing.
        run_id: The run.
        now: Aware UTC instant of the publication.

    Returns:
        One result per account; what it says is committed.

    Raises:
        DatabaseError: Nothing was written of those that share the transaction.
    """
    try:
        return _settle_together(staging, database, walked, failed, run_id=run_id, now=now)
    except duckdb.OutOfMemoryException:
        if not walked:
            raise
    if len(walked) == 1:
        too_large = _fail_too_large(walked[0])
        return _settle_together(staging, database, (), [*failed, too_large], run_id=run_id, now=now)
    # One of them needs more memory than there is, which is no reason to publish none.
    results = settle(staging, database, (), failed, run_id=run_id, now=now)
    for sync in sorted(walked, key=lambda one: -one.walk.stats.byte_count):
        results += settle(staging, database, [sync], (), run_id=run_id, now=now)
        staging.forget([sync.account.id])
    return results


def _settle_together(
    staging: Staging,
    database: Database,
    walked: Sequence[CompleteSync],
    failed: Sequence[Attempt],
    *,
    run_id: str,
    now: datetime,
) -> list[AccountResult]:
    landed = staging.inspect([sync.account.id for sync in walked])
    digests = {
        s.account.id: digest_answer(
            landed[s.account.id],
            integration=s.account.integration,
            tenant_id=s.account.tenant_id,
            settings=s.settings,
        )
        for s in walked
    }
    changed = [s.account.id for s in walked if s.account.rows_digest != digests[s.account.id]]
    structures = staging.profile(changed)
    preview = staging.preview([s.account.id for s in walked if not s.settings.private_values])

    def write() -> tuple[_Settlement, Mapping[str, Replacement]]:
        with database.writing(staging.connection) as connection:
            keys = list(landed)
            since = min((sync.started_at for sync in walked), default=now)
            overtaken = find_overtaken(connection, keys, run_id=run_id, since=since, now=now)
            settlement = _Settlement(overtaken=overtaken)
            confirmed = read_confirmations(connection, keys)
            rows = _count_rows(connection, keys)
            to_judge: list[CompleteSync] = []
            for sync in walked:
                key = sync.account.id
                attempt = replace(
                    _attempt(sync), group_count=landed[key].group_count, digest=digests[key]
                )
                if key in overtaken:
                    reason = _say_overtaken(overtaken[key])
                    settlement.attempts[key] = replace(attempt, outcome="skipped", error=reason)
                elif confirmed.get(key) == digests[key] and _has_all_rows(attempt, rows.get(key)):
                    settlement.attempts[key] = replace(attempt, outcome="unchanged")
                else:
                    settlement.attempts[key] = attempt
                    to_judge.append(sync)
            missing = [s.account.id for s in to_judge if s.account.id not in changed]
            profiles = {**structures, **staging.profile(missing)}
            _judge(staging, settlement, to_judge, landed, profiles)
            known = {*confirmed, *rows}
            replaced = _write(connection, settlement, known, run_id=run_id, now=now)
            finish_attempts(
                connection, [*settlement.attempts.values(), *failed], run_id=run_id, now=now
            )
        return settlement, replaced

    settlement, replaced = staging.with_room(write)
    return [
        *(
            AccountResult(
                settlement.attempts[sync.account.id],
                account=sync.account,
                seconds=(now - sync.started_at).total_seconds(),
                replacement=replaced.get(sync.account.id, Replacement()),
                preview=preview.get(sync.account.id, ()),
                verdict=_verdict_of(settlement, sync.account.id),
                overtaken_by=settlement.overtaken.get(sync.account.id),
            )
            for sync in walked
        ),
        *(AccountResult(attempt) for attempt in failed),
    ]


def _say_overtaken(newer: Overtaking) -> str:
    if newer.outcome == "held_back":
        return f"Run {newer.run_id} began later, and its newer answer was held back."
    return f"Run {newer.run_id} began later and has settled a newer answer."


def _verdict_of(settlement: _Settlement, key: str) -> Verdict | None:
    audited = settlement.audited.get(key)
    return None if audited is None else audited.verdict


def _judge(
    staging: Staging,
    settlement: _Settlement,
    syncs: Sequence[CompleteSync],
    landed: Mapping[str, Landed],
    structures: Mapping[str, Sequence[tuple[str, int]]],
) -> None:
    connection = staging.connection
    keys = [sync.account.id for sync in syncs]
    declared = read_declared_parameters(connection) if syncs else {}
    known_shapes = shapes.read_shapes(connection, keys)
    counts = read_count_history(connection, keys)
    for sync in syncs:
        key = sync.account.id
        verdict = judge(
            landed[key],
            structures.get(key, ()),
            settings=sync.settings,
            known=known_shapes.get(key, KnownShapes()),
            count_history=counts.get(key, ()),
        )
        settlement.audited[key] = _describe(staging, sync, verdict, declared)
        if verdict.hold_back_reason is None:
            settlement.published.append(sync)
            continue
        settlement.held_back.append(key)
        settlement.attempts[key] = replace(
            settlement.attempts[key],
            outcome="held_back",
            error_kind=verdict.hold_back_kind,
            error=verdict.hold_back_reason,
        )


def _describe(
    staging: Staging,
    sync: CompleteSync,
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
    filters: Sequence[ToldFilter] = ()
    if settings.query:
        filters = find_contradicted_filters(
            settings.query,
            declared=declared.get(sync.account.integration),
            observed=staging.observe_values(key),
        )
    return AuditedShape(verdict, settings.answer_digest, examples, filters)


def _write(
    connection: duckdb.DuckDBPyConnection,
    settlement: _Settlement,
    known: Collection[str],
    *,
    run_id: str,
    now: datetime,
) -> Mapping[str, Replacement]:
    accounts = [
        ReplacedAccount(
            sync.account.id,
            sync.account.integration,
            sync.account.tenant_id,
            is_initial=sync.account.id not in known and not sync.settings.record_initial_sync,
            digest=settlement.attempts[sync.account.id].digest,
        )
        for sync in settlement.published
    ]
    replaced = replace_rows(connection, accounts, run_id=run_id, now=now)
    hold_back(connection, settlement.held_back, run_id=run_id, now=now)
    settled = [
        key
        for key, attempt in settlement.attempts.items()
        if attempt.outcome in ("published", "unchanged")
    ]
    release_held_back(connection, settled)
    shapes.write_shapes(
        connection,
        settlement.audited,
        published={sync.account.id for sync in settlement.published},
        run_id=run_id,
        now=now,
    )
    return replaced


def _attempt(sync: CompleteSync) -> Attempt:
    """What a walk to the end has cost; how it ended is to be filled in."""
    stats = sync.walk.stats
    return Attempt(
        integrated_account_id=sync.account.id,
        outcome="published",
        page_count=sync.walk.page_count,
        request_count=stats.request_count,
        retry_count=stats.retry_count,
        throttled_seconds=round(stats.throttled_seconds, 3),
        byte_count=stats.byte_count,
        conditions=sync.account.conditions(sync.settings.digest),
    )


def _fail_too_large(sync: CompleteSync) -> Attempt:
    key, byte_count = sync.account.id, sync.walk.stats.byte_count
    return replace(
        _attempt(sync),
        outcome="failed",
        error_kind="too_large",
        error=f"The groups of integrated account {key} ({byte_count / 1e6:,.0f} MB) are so "
        "long that they need more memory at once than a run takes. The rows published before stay. "
        "Leave out what is long: `query: {truto_exclude_fields: [remote_data]}` for the account in "
        "the settings file.",
    )


def digest_answer(
    landed: Landed, *, integration: str, tenant_id: str | None, settings: AccountSettings
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


def _count_rows(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> Mapping[str, tuple[int, int]]:
    """Count the rows of accounts in raw_groups and in groups."""
    rows = connection.execute(statement("count_rows"), {"ids": list(keys)}).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _has_all_rows(attempt: Attempt, rows: tuple[int, int] | None) -> bool:
    """Whether no row is missing, nor there twice, of what the attempt confirms."""
    return (rows or (0, 0)) == (attempt.group_count, attempt.group_count)
