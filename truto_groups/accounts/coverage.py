"""The coverage statement: whether every active account is in the tables, whole and fresh.

Pure: known accounts, their limits and a clock reading in, the statement out. For an instant that
has passed, the accounts are given as they were known then.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from truto_groups.accounts.advice import WAITS_FOR_FIRST_SYNC, advise_stale, find_obstacle
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import is_syncable
from truto_groups.text.visible import show
from truto_groups.text.words import say_count, say_duration

_NAMED_IN_A_SENTENCE = 5


@dataclass(frozen=True, slots=True)
class MissingAccount:
    """An active account whose groups are not there, or are older than allowed.

    Attributes:
        account: The account.
        since: When its groups were last confirmed; when it was first listed, if they never were.
        why: What is wrong, in a sentence.
        what_to_do: What a person can do.
    """

    account: KnownAccount
    since: datetime
    why: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """An account that is not active and has groups all the same, which grow old.

    Attributes:
        account: The account.
        why: Why it is not synced.
    """

    account: KnownAccount
    why: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what should be there is there.

    Attributes:
        as_of: Aware UTC instant of which this is said.
        known_count: Accounts of which it is said that were known then, active or not.
        active_count: Those that are synced: active, listed, not skipped, with groups.
        missing: Those of them that are not complete and fresh, the longest missing first.
        others: Those that are not active and have groups.
    """

    as_of: datetime
    known_count: int
    active_count: int
    missing: Sequence[MissingAccount]
    others: Sequence[OtherAccount]

    @property
    def complete_count(self) -> int:
        """Active accounts that are complete and fresh."""
        return self.active_count - len(self.missing)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing; where no account was known, everything is."""
        return self.known_count > 0 and not self.missing

    def say(self) -> str:
        """Say it in one sentence, which names the first that are missing."""
        if not self.known_count:
            return f"None of the wanted accounts was known at {_write(self.as_of)}."
        accounts = say_count(self.active_count, "active account")
        verb = "is" if self.active_count == 1 else "are"
        told = f"{self.complete_count:,} of {accounts} {verb} complete and fresh"
        if not self.missing:
            return f"{told}."
        named = [show(one.account.partition_key) for one in self.missing[:_NAMED_IN_A_SENTENCE]]
        more = len(self.missing) - len(named)
        return f"{told}; missing: {', '.join(named)}{f' and {more:,} more' if more else ''}."

    def to_json(self) -> dict[str, object]:
        """Everything as plain values, for programs."""
        return {
            "statement": self.say(),
            "as_of": _write(self.as_of),
            "is_complete": self.is_complete,
            "known_accounts": self.known_count,
            "active_accounts": self.active_count,
            "complete_and_fresh_accounts": self.complete_count,
            "missing": [
                {
                    **_identify(one.account),
                    "since": _write(one.since),
                    "why": show(one.why),
                    "what_to_do": show(one.what_to_do),
                }
                for one in self.missing
            ],
            "not_active_with_groups": [
                {
                    **_identify(one.account),
                    "last_confirmed_at": _write(one.account.last_confirmed_at),
                    "why": show(one.why),
                }
                for one in self.others
            ],
        }


def find_coverage(
    accounts: Iterable[KnownAccount],
    *,
    max_age_of: Callable[[KnownAccount], timedelta | None],
    now: datetime,
) -> Coverage:
    """Find how much of what should be there is there.

    An active account is missing when it was never confirmed, however new it is, and when it was
    confirmed longer ago than its ``max_age``.

    Args:
        accounts: Known accounts, as they were at ``now``.
        max_age_of: Gives an account's ``max_age``; None when it is skipped.
        now: Aware UTC instant to judge by.
    """
    known = list(accounts)
    active_count = 0
    missing: list[MissingAccount] = []
    others: list[OtherAccount] = []
    for account in known:
        max_age = max_age_of(account)
        if max_age is None or not is_syncable(account, skip=False):
            if account.last_confirmed_at is not None:
                why = find_obstacle(account, skip=max_age is None) or ""
                others.append(OtherAccount(account, why))
            continue
        active_count += 1
        confirmed_at = account.last_confirmed_at
        if confirmed_at is None:
            why = "Its groups were never published."
        elif now - confirmed_at > max_age:
            age = say_duration(now - confirmed_at)
            why = f"It was last confirmed {age} before; max_age is {say_duration(max_age)}."
        else:
            continue
        since = confirmed_at or account.first_listed_at
        advice = WAITS_FOR_FIRST_SYNC if account.outcome is None else advise_stale(account)
        missing.append(MissingAccount(account, since, why, advice))
    missing.sort(key=lambda one: (one.since, one.account.partition_key))
    return Coverage(now, len(known), active_count, missing, others)


def _identify(account: KnownAccount) -> dict[str, object]:
    return {
        "partition_key": account.partition_key,
        "integrated_account_id": account.id,
        "integration": account.integration,
        "tenant_id": account.tenant_id,
        "label": account.label,
    }


def _write(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds")
