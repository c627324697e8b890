"""Who needs a person, why, and what to do: one entry for an account, by the worst of its troubles.

Pure: known accounts and what stands against them in, plain values out. How they are drawn is
overview.py's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from truto_groups.accounts.advice import find_obstacle
from truto_groups.accounts.freshness import StaleAccount, find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.errors import summarize_kind
from truto_groups.report.pending import PendingAcceptance, find_reasons, find_told, is_acceptable
from truto_groups.text.words import say_count, say_duration

STATES: Final = ("failed", "held back", "not connected", "stale", "drifted")
"""Why an account can need somebody, the worst first."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Since when no attempt of an account ended well, and the run of the last one."""

    since: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Need:
    """An account that needs a person.

    Attributes:
        account: The account.
        state: Why, in a word of ``STATES``.
        also: What else is the matter, in such words.
        what: What is wrong, in a sentence.
        since: Since when.
        what_to_do: What a person can do.
        run_id: The run that last tried it, or None.
        acceptable: What accepting would do, where it helps.
    """

    account: KnownAccount
    state: str
    also: tuple[str, ...]
    what: str
    since: datetime
    what_to_do: str
    run_id: str | None
    acceptable: PendingAcceptance | None


def find_needs(
    accounts: Iterable[KnownAccount],
    *,
    max_age_of: Callable[[KnownAccount], timedelta | None],
    troubles: Mapping[str, Trouble],
    pending: Mapping[str, PendingAcceptance],
    drifted_since: Mapping[str, datetime],
    now: datetime,
) -> list[Need]:
    """Find the accounts that need a person.

    Those that are gone, skipped or of an integration without groups need nobody.

    Args:
        accounts: Known accounts.
        max_age_of: Gives an account's ``max_age``; None when it is skipped.
        troubles: By id, of accounts whose last attempt failed or was held back.
        pending: By id, what waits for a person to accept it; without values where an account is
            private.
        drifted_since: By id, since when an account drifts.
        now: Aware UTC instant to judge by.

    Returns:
        The worst first, and of the same state who waits longest.
    """
    concerned = [
        one
        for one in accounts
        if one.gone_at is None and one.supports_groups is not False and max_age_of(one) is not None
    ]
    stale = {
        found.account.id: found
        for found in find_stale_accounts(concerned, max_age_of=max_age_of, now=now)
    }
    needs: list[Need] = []
    for account in concerned:
        trouble = troubles.get(account.id)
        waiting = pending.get(account.id)
        states = list(
            _find_states(
                account,
                trouble=trouble,
                stale=stale.get(account.id),
                waiting=waiting,
                drifted_since=drifted_since.get(account.id, now),
            )
        )
        if not states:
            continue
        state, what, since, what_to_do = states[0]
        helps = (
            state in ("held back", "drifted")
            and waiting is not None
            and is_acceptable(waiting)
            and not any(finding.is_permission_lost for finding in waiting.findings)
        )
        needs.append(
            Need(
                account=account,
                state=state,
                also=tuple(other for other, *_ in states[1:]),
                what=what,
                since=since,
                what_to_do=what_to_do,
                run_id=waiting.run_id if trouble is None and waiting else _run_of(trouble),
                acceptable=waiting if helps else None,
            )
        )
    return sorted(
        needs, key=lambda one: (STATES.index(one.state), one.since, one.account.partition_key)
    )


def _find_states(
    account: KnownAccount,
    *,
    trouble: Trouble | None,
    stale: StaleAccount | None,
    waiting: PendingAcceptance | None,
    drifted_since: datetime,
) -> Iterator[tuple[str, str, datetime, str]]:
    """Each trouble of an account, the worst first: state, what, since and what to do."""
    if not account.is_active:
        # What failed before is history: it cannot be tried again.
        since = account.updated_at or account.last_confirmed_at or account.first_listed_at
        what = f"Truto says {account.status}."
        yield "not connected", what, since, find_obstacle(account, skip=False) or ""
    elif account.outcome == "failed" and trouble is not None:
        what = summarize_kind(account.error_kind or "error")
        yield "failed", what, trouble.since, _say_error(account)
    elif account.outcome == "held_back" and trouble is not None:
        what = _say_waiting(waiting) if waiting else "Its last sync was held back."
        yield "held back", what, trouble.since, _say_error(account)
    if stale is not None:
        since = account.last_confirmed_at or account.first_listed_at
        verb = "Never confirmed" if account.last_confirmed_at is None else "Not confirmed"
        limit = say_duration(stale.max_age)
        what = f"{verb} for {say_duration(stale.age)}; allowed are {limit}."
        yield "stale", what, since, stale.advice
    if waiting is not None and waiting.is_published:
        told = find_told(waiting.findings)
        advice = told[0].advice if told else "See in the app whether so many groups came or went."
        yield "drifted", _say_waiting(waiting), drifted_since, advice


def _say_error(account: KnownAccount) -> str:
    """What went wrong and what to do, without the name that stands beside it."""
    told = account.error or "Look at its last run."
    for name in (account.id, account.partition_key):
        told = told.replace(f", of integrated account {name} ({account.integration})", "")
    return told


def _say_waiting(one: PendingAcceptance) -> str:
    reasons = find_reasons(one)
    more = len(reasons) - 1
    return f"{reasons[0]} And {say_count(more, 'more change')}." if more else reasons[0]


def _run_of(trouble: Trouble | None) -> str | None:
    return None if trouble is None else trouble.run_id
