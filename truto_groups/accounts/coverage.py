"""The coverage statement: whether every active account is in the tables, whole and fresh.

Pure: known accounts, their limits and a clock reading in, the statement out. For an instant that
has passed, the accounts are given as they were known then.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from truto_groups.accounts.advice import WAITS_FOR_FIRST_SYNC, advise_stale, find_obstacle
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import is_syncable
from truto_groups.text.visible import show
from truto_groups.text.words import say_count, say_duration

_NAMED_IN_A_SENTENCE = 5
_NOT_KEPT = (
    "How fresh it was then is not known: the ledger no longer holds the attempts of that time."
)
_HAS_GROUPS_ALL_THE_SAME = (
    "What groups it had then is known all the same, and --allow-incomplete writes them. How long "
    "attempts are kept is said by `ledger_kept_for` in the settings (history)."
)


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What is known by now of an instant that has passed, and the attempts of then do not tell.

    Attributes:
        pruned_before: Of before this instant the ledger holds some attempts only; None: it holds
            all there ever were.
        published: Ids of the accounts of which groups had been published by then.
        published_later: By id, when an account's groups were published first afterwards.
        first_listed_at: When the first of all accounts was listed; None: there is none.
    """

    pruned_before: datetime | None
    published: Collection[str]
    published_later: Mapping[str, datetime]
    first_listed_at: datetime | None


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
        first_listed_at: When the first of all accounts was listed, of an instant that has passed.
    """

    as_of: datetime
    known_count: int
    active_count: int
    missing: Sequence[MissingAccount]
    others: Sequence[OtherAccount]
    first_listed_at: datetime | None = None

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
            told = f"None of the wanted accounts was known at {_write(self.as_of)}"
            later = self.first_listed_at
            is_later = later is not None and later > self.as_of
            return f"{told}; the first was listed at {_write(later)}." if is_later else f"{told}."
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
    hindsight: Hindsight | None = None,
) -> Coverage:
    """Find how much of what should be there is there.

    An active account is missing when it was never confirmed, however new it is, and when it was
    confirmed longer ago than its ``max_age``.

    Args:
        accounts: Known accounts, as they were at ``now``.
        max_age_of: Gives an account's ``max_age``; None when it is skipped.
        now: Aware UTC instant to judge by.
        hindsight: What is known of that instant, where it has passed.
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
        why, advice = _look_back(account, why, advice, now=now, hindsight=hindsight)
        missing.append(MissingAccount(account, since, why, advice))
    missing.sort(key=lambda one: (one.since, one.account.partition_key))
    first_listed_at = hindsight.first_listed_at if hindsight else None
    return Coverage(now, len(known), active_count, missing, others, first_listed_at)


def _look_back(
    account: KnownAccount, why: str, advice: str, *, now: datetime, hindsight: Hindsight | None
) -> tuple[str, str]:
    """Say why an account is missing at an instant that has passed, and what to do by now."""
    if hindsight is None:
        return why, advice
    is_pruned = hindsight.pruned_before is not None and now < hindsight.pruned_before
    if account.last_confirmed_at is not None:
        return (_NOT_KEPT, _HAS_GROUPS_ALL_THE_SAME) if is_pruned else (why, advice)
    if is_pruned or account.id in hindsight.published:
        return _NOT_KEPT, _HAS_GROUPS_ALL_THE_SAME
    later = hindsight.published_later.get(account.id)
    if later is None:
        return "Its groups were not published yet.", advice
    return (
        "Its groups were not published yet.",
        f"They first were at {_write(later)}: ask for that instant or a later one.",
    )


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
