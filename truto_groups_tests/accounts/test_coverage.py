"""Whether every active account is in the tables, whole and fresh. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.accounts.coverage import Coverage, find_coverage
from truto_groups.accounts.model import KnownAccount
from truto_groups_tests.stand import START, known_account

NOW = START + timedelta(days=2)


def known(key: str, *, hours: float | None = 1, **fields: Any) -> KnownAccount:
    confirmed_at = None if hours is None else NOW - timedelta(hours=hours)
    outcome = None if hours is None else "published"
    return known_account(key, **{"last_confirmed_at": confirmed_at, "outcome": outcome, **fields})


def cover(accounts: Sequence[KnownAccount], *, skipped: Sequence[str] = ()) -> Coverage:
    def max_age_of(account: KnownAccount) -> timedelta | None:
        return None if account.id in skipped else timedelta(days=1)

    return find_coverage(accounts, max_age_of=max_age_of, now=NOW)


def missing(coverage: Coverage) -> list[str]:
    return [one.account.partition_key for one in coverage.missing]


def test_it_is_complete_when_every_active_account_is_fresh() -> None:
    coverage = cover([known("a"), known("b", hours=24)])

    assert coverage.is_complete
    assert coverage.say() == "2 of 2 active accounts are complete and fresh."


def test_what_is_missing_is_named_with_since_when_why_and_what_to_do() -> None:
    error = "Okta refuses the token. Have the tenant reconnect it."
    stale = known("acme.okta.1", hours=30, outcome="failed", error=error)
    never = known("acme.jira.2", hours=None)
    coverage = cover([known("a"), never, stale])

    assert not coverage.is_complete
    assert coverage.say() == (
        "1 of 3 active accounts are complete and fresh; missing: acme.jira.2, acme.okta.1."
    )
    first, second = coverage.missing
    assert (first.since, first.why) == (START, "Its groups were never published.")
    assert "truto-groups sync" in first.what_to_do
    assert second.since == NOW - timedelta(hours=30)
    assert second.why == "It was last confirmed 1 d 6 h before; max_age is 1 d 0 h."
    assert second.what_to_do == error


def test_a_new_account_is_missing_before_it_is_stale() -> None:
    coverage = cover([known("a"), known("new", hours=None, first_listed_at=NOW)])

    assert missing(coverage) == ["new"]


def test_a_failed_or_held_back_attempt_leaves_what_is_fresh_fresh() -> None:
    accounts = [known("a", outcome="failed", error="x"), known("b", outcome="held_back")]

    assert cover(accounts).is_complete


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "needs_reauth"},
        {"gone_at": NOW},
        {"supports_groups": False},
        {},
    ],
    ids=["not active", "gone", "without groups in its app", "skipped"],
)
def test_what_is_not_synced_is_not_counted_and_told_when_it_has_groups(
    fields: dict[str, Any],
) -> None:
    other, empty = known("o", hours=90, **fields), known("e", hours=None, **fields)
    coverage = cover([known("a"), other, empty], skipped=["o", "e"] if not fields else [])

    assert coverage.is_complete
    assert (coverage.active_count, coverage.known_count) == (1, 3)
    (told,) = coverage.others
    assert told.account.id == "o"
    assert told.why


def test_where_no_account_is_known_nothing_is_complete() -> None:
    coverage = cover([])

    assert not coverage.is_complete
    assert "None of the wanted accounts was known" in coverage.say()


def test_accounts_of_which_none_is_active_lack_nothing() -> None:
    coverage = cover([known("o", status="needs_reauth")])

    assert coverage.is_complete
    assert coverage.say() == "0 of 0 active accounts are complete and fresh."


def test_the_sentence_names_the_longest_missing_and_says_how_many_more() -> None:
    accounts = [known(f"k{hours}", hours=hours) for hours in range(25, 133)]
    coverage = cover([*accounts, known("fresh")])

    assert coverage.say() == (
        "1 of 109 active accounts are complete and fresh; missing: k132, k131, k130, k129, k128 "
        "and 103 more."
    )
    told = coverage.to_json()["missing"]
    assert isinstance(told, list)
    assert len(told) == 108


def test_what_others_wrote_is_shown_and_not_obeyed() -> None:
    coverage = cover([known("a\x1b[31m", hours=30, error="bad\x07", outcome="failed")])

    assert "\x1b" not in coverage.say()
    (told,) = coverage.to_json()["missing"]  # type: ignore[misc]
    assert told["what_to_do"] == "bad\\x07"
