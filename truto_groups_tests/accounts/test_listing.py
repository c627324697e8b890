"""What a listing of integrated accounts means for those that are known. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from truto_groups.accounts.listing import (
    MAX_QUESTIONS_IN_A_TICK,
    find_expired,
    find_gone,
    plan_questions,
)
from truto_groups.accounts.model import KnownAccount, ListedAccount
from truto_groups.errors import DoubtfulListingError
from truto_groups_tests.stand import known_account

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def known(key: str, *, integration: str = "okta", **fields: object) -> KnownAccount:
    account = known_account(key, integration=integration, supports_groups=None)
    return replace(account, **fields)


def gone(listed: str, before: str, *, share: float = 0.5) -> list[str]:
    return find_gone(
        [ListedAccount(key, "okta", "active") for key in listed],
        present=set(before),
        max_missing_share=share,
    )


def test_what_a_listing_lacks_is_gone() -> None:
    assert gone("abd", "abcd") == ["c"]
    assert gone("abcd", "abcd") == []


def test_a_first_listing_makes_nobody_disappear() -> None:
    assert gone("abc", "") == []
    assert gone("", "") == []


def test_an_empty_listing_marks_none_as_gone_and_says_so() -> None:
    """Behaviour 8; whatever the setting."""
    with pytest.raises(DoubtfulListingError, match="no integrated account at all, but 2") as caught:
        gone("", "ab", share=1.0)
    assert "TRUTO_API_TOKEN (or the variable that token_variable names)" in caught.value.advice


def test_a_listing_that_lacks_more_than_half_marks_none_as_gone_and_says_so() -> None:
    """Behaviour 8: exactly half may go."""
    assert gone("ab", "abcd") == ["c", "d"]
    with pytest.raises(DoubtfulListingError, match="lacks 3 of 4 known") as caught:
        gone("a", "abcd")
    assert "max_missing_share" in caught.value.advice


def test_new_accounts_do_not_make_up_for_those_that_a_listing_lacks() -> None:
    with pytest.raises(DoubtfulListingError):
        gone("awxyz", "abcd")


def test_the_share_that_may_be_missing_is_a_setting() -> None:
    assert gone("a", "abcd", share=0.75) == ["b", "c", "d"]
    with pytest.raises(DoubtfulListingError):
        gone("abc", "abcd", share=0.1)


def test_exactly_the_share_that_may_be_missing_is_believed() -> None:
    before = "".join(map(chr, range(1000, 1100)))
    for percent in range(100):
        missing = list(before[:percent])
        assert gone(before[percent:], before, share=percent / 100) == missing


def test_a_gone_account_expires_after_its_grace_period_and_never_while_in_flight() -> None:
    accounts = [
        known("present"),
        known("yesterday", gone_at=NOW - timedelta(days=1)),
        known("just", gone_at=NOW - WEEK),
        known("busy", gone_at=NOW - 2 * WEEK),
        known("almost", gone_at=NOW - WEEK + timedelta(seconds=1)),
    ]
    expired = find_expired(accounts, in_flight={"busy"}, grace_period=WEEK, now=NOW)
    assert expired == ["just"]


def ask(accounts: Sequence[KnownAccount], **hours: float) -> list[str]:
    capabilities = {name: (True, NOW - timedelta(hours=age)) for name, age in hours.items()}
    return [one.id for one in plan_questions(accounts, capabilities=capabilities, now=NOW)]


def test_an_integration_is_asked_once_a_day_through_one_active_account() -> None:
    accounts = [
        known("gone", integration="jira", gone_at=NOW),
        known("red", integration="jira", status="needs_reauth"),
        known("a", integration="jira"),
        known("b", integration="jira"),
        known("c", integration="okta"),
        known("d", integration="slack"),
    ]
    assert ask(accounts, okta=23, slack=24) == ["a", "d"]
    assert ask(accounts, okta=1, slack=1, jira=1) == []


def test_a_bounded_number_is_asked_at_a_time_and_those_never_asked_come_first() -> None:
    accounts = [known(f"{n:03}", integration=f"app{n:03}") for n in range(60)]
    old = {f"app{n:03}": 48.0 for n in range(30)}
    asked = ask(accounts, **old)
    assert asked == [f"{n:03}" for n in range(30, 30 + MAX_QUESTIONS_IN_A_TICK)]
    assert MAX_QUESTIONS_IN_A_TICK <= 50
