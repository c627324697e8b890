"""How each account stands, put together for those who show it.

Pure: known accounts, their settings and who is stale in, plain values out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from truto_groups.accounts.advice import WAITS_FOR_FIRST_SYNC, find_obstacle
from truto_groups.accounts.freshness import StaleAccount
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import Pace


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """How an account stands.

    Attributes:
        integrated_account_id: The account.
        partition_key: How people name it.
        label: What its tenant called it, or None.
        tenant_id: Whose it is, or None.
        integration: The app's kind.
        status: What Truto says of the connection.
        not_synced_because: Why it is not synced at all; None when it is.
        groups: Groups at its last confirmed sync, or None.
        last_confirmed_at: When its groups were last confirmed, or None.
        last_attempt_at: When its last attempt began, or None.
        outcome: How that ended, or None.
        error_kind: Its kind of failure, or None.
        error: What went wrong then, or None.
        gone_at: Since when Truto lists it no more, or None.
        is_stale: Whether its groups are older than allowed.
        what_to_do: What a person can do; empty when nothing needs to be done.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    tenant_id: str | None
    integration: str
    status: str
    not_synced_because: str | None
    groups: int | None
    last_confirmed_at: datetime | None
    last_attempt_at: datetime | None
    outcome: str | None
    error_kind: str | None
    error: str | None
    gone_at: datetime | None
    is_stale: bool
    what_to_do: str


def find_statuses(
    accounts: Iterable[KnownAccount],
    *,
    pace_of: Callable[[KnownAccount], Pace],
    stale: Iterable[StaleAccount],
    waiting: Mapping[str, str],
) -> list[AccountStatus]:
    """Say how each known account stands, by integration and tenant.

    Args:
        accounts: Known accounts.
        pace_of: Gives an account's pace.
        stale: Those of them that are stale; others may be among them.
        waiting: By id, what to do about an account that drifted or is held back.
    """
    known = sorted(accounts, key=lambda one: (one.integration, one.tenant_id or "", one.id))
    overdue = {found.account.id: found.advice for found in stale}
    statuses: list[AccountStatus] = []
    for account in known:
        obstacle = find_obstacle(account, skip=pace_of(account).skip)
        advice = _advise(
            account,
            obstacle=obstacle,
            stale_advice=overdue.get(account.id, ""),
            drift_advice=waiting.get(account.id, ""),
        )
        statuses.append(
            AccountStatus(
                integrated_account_id=account.id,
                partition_key=account.partition_key,
                label=account.label,
                tenant_id=account.tenant_id,
                integration=account.integration,
                status=account.status,
                not_synced_because=obstacle,
                groups=account.group_count,
                last_confirmed_at=account.last_confirmed_at,
                last_attempt_at=account.attempted_at,
                outcome=account.outcome,
                error_kind=account.error_kind,
                error=account.error,
                gone_at=account.gone_at,
                is_stale=account.id in overdue,
                what_to_do=advice,
            )
        )
    return statuses


def _advise(
    account: KnownAccount, *, obstacle: str | None, stale_advice: str, drift_advice: str
) -> str:
    if obstacle is not None:
        # Only a connection that broke waits for a person; the rest is as somebody wanted it.
        return obstacle if account.gone_at is None and not account.is_active else ""
    if account.outcome in ("failed", "held_back"):
        return f"{account.error or 'Look at its last run in Dagster.'} {drift_advice}".strip()
    if account.outcome is None:
        return WAITS_FOR_FIRST_SYNC
    return f"{stale_advice} {drift_advice}".strip()
