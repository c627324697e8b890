"""Judge what was landed: what it is, whether it changed, and the verdict of its audit.

The verdict itself is drift/verdict.py's; nothing here knows what drift is. Judging takes longer
than writing, so it comes before anybody is kept out; again only where another run came between.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.accounts.model import KnownAccount
from truto_groups.drift.ignored_filters import IgnoredFilter, find_ignored_filters
from truto_groups.drift.permission import LostPermission
from truto_groups.drift.verdict import PERMISSION_LOST, LandedAccount, Verdict, judge
from truto_groups.errors import DatabaseError, ForbiddenError
from truto_groups.schema import NORMALIZATION_VERSION
from truto_groups.settings import AccountSettings
from truto_groups.sync.land import Staging
from truto_groups.truto.walk_results import CompleteLanding
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.earlier_syncs import (
    NO_STATE,
    Past,
    PastState,
    read_past,
    read_retyped,
    read_states,
)
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.shapes_table import AuditedShape

_EXAMPLES = 20
# As truto/refusals.py tells them; the view account_drift reads them too.
_SCOPES = re.compile(r"missing scopes: (?!none named)(.+?)[.;](?: |$)|: scope (.+?) is missing, ")
_REFUSED = frozenset({ForbiddenError.kind, PERMISSION_LOST})
OF_NO_ACCOUNT = (DatabaseError, duckdb.IOException, duckdb.FatalException, MemoryError)
"""What no account can be blamed for; all else is the failure of the account it happened to."""


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
class Inspected:
    """What was landed of accounts, before anything is compared with the database."""

    syncs: Sequence[LandedSync]
    landed: Mapping[str, LandedAccount]
    digests: Mapping[str, str]
    structures: Mapping[str, Sequence[tuple[str, int]]]
    preview: Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Judged:
    """A verdict, or what went wrong with it, and what was known of the account then."""

    sync: LandedSync
    audited: AuditedShape | Exception
    past_state: PastState


def inspect_landed(staging: Staging, syncs: Sequence[LandedSync]) -> Inspected:
    """Count and digest what was landed, and profile what is not what it was."""
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
    return Inspected(
        syncs,
        landed,
        digests,
        staging.profile(changed),
        staging.preview([s.account.id for s in syncs if not s.settings.private_values]),
    )


def judge_ahead(staging: Staging, database: Database, inspected: Inspected) -> Mapping[str, Judged]:
    """Judge what seems to have changed, while others may publish: it takes longer than writing."""
    if not inspected.structures:
        return {}
    with database.reading(staging.connection) as connection:
        changed = [sync for sync in inspected.syncs if sync.account.id in inspected.structures]
        past = _read_past(connection, changed)
    return _judge(staging, changed, inspected, inspected.structures, past)


def judge_what_moved(
    staging: Staging,
    inspected: Inspected,
    judged: Mapping[str, Judged],
    syncs: Sequence[LandedSync],
) -> list[Judged]:
    """Take the verdicts that still hold, and judge anew where another run came between."""
    states = read_states(staging.connection, [sync.account.id for sync in syncs])
    holding = {
        account_id: one
        for account_id, one in judged.items()
        if one.past_state == states.get(account_id, NO_STATE)
    }
    moved = [sync for sync in syncs if sync.account.id not in holding]
    if moved:
        account_ids = [sync.account.id for sync in moved]
        missing = [
            account_id for account_id in account_ids if account_id not in inspected.structures
        ]
        structures = {**inspected.structures, **staging.profile(missing)}
        past = _read_past(staging.connection, moved)
        holding |= _judge(staging, moved, inspected, structures, past)
    return [holding[sync.account.id] for sync in syncs]


@dataclass(frozen=True)
class _PastOfLanded:
    """What is known of accounts, beside what was landed of them.

    Attributes:
        past: What is known.
        permissions: What accounts were refused since they were confirmed.
        retyped: Of these, the types of published groups that are still there.
    """

    past: Past
    permissions: Mapping[str, LostPermission]
    retyped: Mapping[str, Collection[str | None]]


def _read_past(connection: Connection, syncs: Sequence[LandedSync]) -> _PastOfLanded:
    past = read_past(connection, [sync.account.id for sync in syncs])
    permissions = {
        sync.account.id: found
        for sync in syncs
        if (found := find_lost_permission(sync.account, past.refusals.get(sync.account.id)))
    }
    return _PastOfLanded(past, permissions, read_retyped(connection, list(permissions)))


def _judge(
    staging: Staging,
    syncs: Sequence[LandedSync],
    inspected: Inspected,
    structures: Mapping[str, Sequence[tuple[str, int]]],
    known: _PastOfLanded,
) -> dict[str, Judged]:
    past = known.past
    judged: dict[str, Judged] = {}
    for sync in syncs:
        account_id = sync.account.id
        audited: AuditedShape | Exception
        try:
            verdict = judge(
                inspected.landed[account_id],
                structures.get(account_id, ()),
                settings=sync.settings,
                known=past.shapes_of(account_id),
                count_history=past.counts.get(account_id, ()),
                permission=known.permissions.get(account_id),
                retyped=known.retyped.get(account_id, ()),
            )
            audited = _describe(staging, sync, verdict, past.declared)
        except OF_NO_ACCOUNT:
            raise
        except duckdb.OutOfMemoryException:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes this account's failure
            raise_interruption(error)
            audited = error
        judged[account_id] = Judged(sync, audited, past.states.get(account_id, NO_STATE))
    return judged


def find_lost_permission(
    account: KnownAccount, listed: LostPermission | None
) -> LostPermission | None:
    """Find what an account was refused since it was last confirmed, as far as it is known.

    Args:
        account: The account.
        listed: What Truto was refused last, as listed by now: a listing may come during the run.
    """
    confirmed_at = account.last_confirmed_at
    if confirmed_at is None:
        return None
    if listed is not None and listed.since > confirmed_at:
        return listed
    if account.error_kind in _REFUSED and account.attempted_at is not None:
        found = _SCOPES.search(account.error or "")
        scopes = None if found is None else found[1] or found[2]
        return LostPermission("groups list", scopes, account.attempted_at)
    return None


def _describe(
    staging: Staging,
    sync: LandedSync,
    verdict: Verdict,
    declared: Mapping[str, Collection[str]],
) -> AuditedShape:
    """Add to a verdict what a person wants to see: examples, and filters that were ignored."""
    account_id, settings = sync.account.id, sync.settings
    examples: dict[str, str] = {}
    told = [finding for finding in verdict.findings if finding.severity != "information"]
    for finding in told[:_EXAMPLES]:
        if finding.steps and not settings.private_values:
            example = staging.find_example(account_id, finding)
            if example is not None:
                examples[finding.path] = example
    filters: Sequence[IgnoredFilter] = ()
    if settings.query:
        filters = find_ignored_filters(
            settings.query,
            declared=declared.get(sync.account.integration),
            observed=staging.observe_values(account_id),
        )
    return AuditedShape(verdict, settings.answer_digest, examples, filters)


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
