"""Which accounts are confirmed longer ago than allowed. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups_tests.stand import known_account

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def known(key: str, *, hours: float | None, listed: float = 48, **fields: Any) -> KnownAccount:
    account = known_account(
        key,
        first_listed_at=NOW - timedelta(hours=listed),
        last_confirmed_at=None if hours is None else NOW - timedelta(hours=hours),
    )
    return replace(account, **fields)


def stale(*accounts: KnownAccount, max_age: timedelta | None = DAY) -> list[str]:
    found = find_stale_accounts(accounts, max_age_of=lambda _: max_age, now=NOW)
    return [one.account.id for one in found]


def test_an_account_is_stale_when_it_was_confirmed_longer_ago_than_its_max_age() -> None:
    accounts = [known("over", hours=24.1), known("at", hours=24), known("under", hours=23)]
    assert stale(*accounts) == ["over"]


def test_one_stale_account_is_told_while_others_are_fresh_and_the_longest_overdue_first() -> None:
    assert stale(known("a", hours=1), known("b", hours=25), known("c", hours=90)) == ["c", "b"]


def test_an_account_that_was_never_confirmed_counts_from_its_first_listing() -> None:
    assert stale(known("new", hours=None, listed=23), known("old", hours=None, listed=25)) == [
        "old"
    ]


def test_an_account_without_groups_is_as_fresh_as_its_last_confirmation() -> None:
    assert stale(known("a", hours=1, group_count=0), known("b", hours=25, group_count=0)) == ["b"]


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        ({"gone_at": NOW}, 90),
        ({"supports_groups": False}, None),
        ({"supports_groups": False}, 90),
        ({"status": "needs_reauth"}, None),
    ],
    ids=["gone", "without groups", "had groups once", "never active"],
)
def test_what_is_shown_only_is_never_stale(fields: dict[str, Any], hours: float | None) -> None:
    assert stale(known("a", hours=hours, **fields)) == []


def test_a_skipped_account_is_never_stale() -> None:
    assert stale(known("a", hours=90), max_age=None) == []


def test_an_account_that_is_not_active_ages_when_it_has_rows_and_says_reconnect() -> None:
    account = known("a", hours=30, status="needs_reauth", last_error="Token revoked")
    (found,) = find_stale_accounts([account], max_age_of=lambda _: DAY, now=NOW)
    assert (found.age, found.max_age) == (timedelta(hours=30), DAY)
    assert "needs_reauth" in found.advice
    assert "Token revoked" in found.advice
    assert "reconnect" in found.advice


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"outcome": "held_back", "error": "why"}, "held back"),
        ({"outcome": "failed", "error": "No such organization."}, "No such organization."),
        ({}, "daemon"),
    ],
    ids=["held back", "failed", "nothing tried"],
)
def test_what_to_do_depends_on_the_last_attempt(fields: dict[str, Any], word: str) -> None:
    account = known("a", hours=30, **fields)
    (found,) = find_stale_accounts([account], max_age_of=lambda _: DAY, now=NOW)
    assert word in found.advice


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        find_stale_accounts([], max_age_of=lambda _: DAY, now=NOW.replace(tzinfo=None))
