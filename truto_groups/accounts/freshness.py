"""Tell which accounts' groups are older than allowed.

Pure: known accounts, their limits and a clock reading in, verdicts out. When accounts are synced
is planning.py's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from truto_groups.accounts.advice import advise_stale
from truto_groups.accounts.model import KnownAccount


@dataclass(frozen=True, slots=True)
class StaleAccount:
    """An account that is stale, and why.

    Attributes:
        account: The account.
        age: Since its last confirmation; since it was first listed when there is none.
        max_age: How old it may be.
        advice: What a person can do.
    """

    account: KnownAccount
    age: timedelta
    max_age: timedelta
    advice: str


def find_stale_accounts(
    accounts: Iterable[KnownAccount],
    *,
    max_age_of: Callable[[KnownAccount], timedelta | None],
    now: datetime,
) -> list[StaleAccount]:
    """Find the accounts that are confirmed longer ago than allowed.

    One that was never confirmed counts from its first listing. Gone accounts and those whose
    integration has no groups are never stale; those that are not active only when they have rows
    that age.

    Args:
        accounts: Known accounts.
        max_age_of: Gives an account's ``max_age``; None when it is skipped.
        now: Aware UTC instant to judge by.

    Returns:
        The longest overdue first; empty when all are fresh.

    Raises:
        ValueError: ``now`` is naive.
    """
    if now.tzinfo is None:
        raise ValueError("now must be an aware instant.")
    stale: list[StaleAccount] = []
    for account in accounts:
        is_exempt = (
            account.gone_at is not None
            or account.supports_groups is False
            or (not account.is_active and account.last_confirmed_at is None)
        )
        max_age = None if is_exempt else max_age_of(account)
        if max_age is None:
            continue
        age = now - (account.last_confirmed_at or account.first_listed_at)
        if age > max_age:
            stale.append(StaleAccount(account, age, max_age, advise_stale(account)))
    return sorted(stale, key=lambda found: found.max_age - found.age)


def find_lag_seconds(
    accounts: Iterable[KnownAccount],
    *,
    max_age_of: Callable[[KnownAccount], timedelta | None],
    now: datetime,
) -> float | None:
    """Find how long ago the account was confirmed, of those that are synced, that waits longest.

    One that was never confirmed counts from its first listing.

    Args:
        accounts: Known accounts; those that are not synced are passed over.
        max_age_of: Gives an account's ``max_age``; None when it is skipped.
        now: Aware UTC instant.

    Returns:
        Seconds; None when no account is synced.
    """
    synced = (
        account
        for account in accounts
        if account.is_active and account.gone_at is None and account.supports_groups is not False
    )
    ages = (
        now - (account.last_confirmed_at or account.first_listed_at)
        for account in synced
        if max_age_of(account) is not None
    )
    oldest = max(ages, default=None)
    return None if oldest is None else oldest.total_seconds()
