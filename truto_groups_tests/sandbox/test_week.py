"""The week of the sandbox: what happens on which day, and how one goes from day to day.

Real HTTP on loopback; the days are the test's.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from truto_groups.sandbox import sample_account, sample_accounts
from truto_groups.sandbox.week import DAYS, LAST_DAY, describe_day, list_accounts_on

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANTS = [START + timedelta(days=day) for day in range(LAST_DAY + 1)]
WEEK = "/sandbox/week"
ACCOUNTS = "/integrated-account"


def at(label: str, *, day: int) -> Any:
    """An account on a day; None when it is not connected then."""
    found = [one for one in list_accounts_on(INSTANTS[:day]) if one.context.get("label") == label]
    return found[0] if found else None


def names(label: str, *, day: int) -> dict[Any, str]:
    return {group["id"]: group["name"] for group in at(label, day=day).groups_at(1)}


def begin_day(reader: Any, instant: datetime) -> Any:
    return reader.get(WEEK, f"at={quote(instant.isoformat())}", method="POST")


def test_on_the_first_day_all_samples_work_as_at_their_first_refresh() -> None:
    accounts = list_accounts_on(INSTANTS[:1])
    assert [one.id for one in accounts] == [one.id for one in sample_accounts()]
    for account, sample in zip(accounts, sample_accounts(), strict=True):
        assert (account.status, account.failure) == ("active", None)
        assert account.refreshes == sample.refreshes[:1]


def test_okta_renames_adds_and_removes_a_group_hours_before_the_second_day_is_synced() -> None:
    before, after = names("acme okta", day=1), names("acme okta", day=2)
    renamed = {(before[key], after[key]) for key in before.keys() & after.keys()}
    assert {pair for pair in renamed if pair[0] != pair[1]} == {
        ("Platform", "Platform Engineering")
    }
    assert {before[key] for key in before.keys() - after.keys()} == {"Contractors"}
    assert {after[key] for key in after.keys() - before.keys()} == {"Security"}
    for group in at("acme okta", day=6).groups_at(1):
        if group["name"] == "Platform Engineering":
            assert group["updated_at"] == group["remote_data"]["lastUpdated"]
            assert group["updated_at"] == "2026-03-02T09:47:00.000Z"
            assert group["remote_data"]["profile"]["name"] == group["name"]
        elif group["name"] == "Engineering":
            assert group in at("acme okta", day=1).groups_at(1)


def test_jira_collapses_on_the_third_day_and_a_person_accepts_that_from_the_fourth_on() -> None:
    sizes = [len(at("acme jira", day=day).groups_at(1)) for day in range(1, DAYS + 1)]
    assert sizes == [62, 62, 6, 6, 6, 6, 6]
    accepted = [describe_day(INSTANTS[:day])["accepted"] for day in range(1, DAYS + 1)]
    assert [len(one) for one in accepted] == [0, 0, 0, 1, 1, 1, 1]
    assert accepted[3][0]["integrated_account_id"] == sample_account("jira").id


def test_an_account_comes_on_the_second_day_and_goes_on_the_fifth() -> None:
    connected = [at("initech fivetran trial", day=day) for day in range(1, DAYS + 1)]
    assert [one is not None for one in connected] == [False, True, True, True, False, False, False]
    assert connected[1].created_at == connected[3].created_at == "2026-03-02T09:47:00.000Z"
    assert connected[1].id not in {one.id for one in sample_accounts()}


def test_onelogin_is_to_be_reconnected_from_the_fourth_day_on() -> None:
    assert at("initech onelogin", day=3).status == "active"
    assert at("initech onelogin", day=3).groups_at(1)
    lost = at("initech onelogin", day=4)
    assert (lost.status, lost.failure.status) == ("needs_reauth", 401)
    assert at("initech onelogin", day=DAYS).updated_at == lost.updated_at


def test_gitlab_loses_fields_on_the_fifth_day_while_the_listing_tells_of_a_missing_scope(
    serve: Callable[..., Any],
) -> None:
    reader = serve()
    gitlab = sample_account("gitlab").id
    for instant in INSTANTS[:4]:
        begin_day(reader, instant)
    assert reader.get(f"{ACCOUNTS}/{gitlab}").json["last_forbidden_error"] is None
    before = reader.all_groups(gitlab)
    begin_day(reader, INSTANTS[4])
    assert reader.get(f"{ACCOUNTS}/{gitlab}").json["last_forbidden_error"] == {
        "resource": "user-directory/groups",
        "method": "list",
        "missing_scopes": ["read_api"],
        "occurred_at": "2026-03-05T09:47:00.000Z",
    }
    after = reader.all_groups(gitlab)
    lost = {"description", "created_at"}
    assert [one["id"] for one in after] == [one["id"] for one in before]
    for old, new in zip(before, after, strict=True):
        assert old.keys() - new.keys() == lost
        assert old["remote_data"].keys() - new["remote_data"].keys() == lost


def test_launchdarkly_drifts_on_the_sixth_day_and_not_before() -> None:
    samples = sample_account("launchdarkly")
    assert list(at("acme launchdarkly", day=5).groups_at(1)) == list(samples.groups_at(1))
    assert list(at("acme launchdarkly", day=6).groups_at(1)) == list(samples.groups_at(2))


def test_every_day_has_something_to_tell_and_after_the_last_nothing_happens() -> None:
    told = [describe_day(INSTANTS[:day])["happened"] for day in range(1, LAST_DAY + 2)]
    assert [bool(one) for one in told] == [False, *[True] * (LAST_DAY - 1), False]
    last, after = (list_accounts_on(INSTANTS[:day]) for day in (LAST_DAY, LAST_DAY + 1))
    assert last == after


def test_each_day_serves_every_account_of_it_without_loss(serve: Callable[..., Any]) -> None:
    reader = serve()
    for day, instant in enumerate(INSTANTS, start=1):
        assert begin_day(reader, instant).json["day"] == day
        expected = list_accounts_on(INSTANTS[:day])
        rows = reader.get(ACCOUNTS, "limit=100").json["result"]
        assert [row["id"] for row in rows] == [one.id for one in expected]
        for account in expected:
            if account.integration.slug in ("okta", "jira", "fivetran", "bitwarden", "slack"):
                assert reader.all_groups(account.id) == list(account.groups_at(1))
                assert reader.all_groups(account.id) == list(account.groups_at(1))


def test_a_restart_goes_on_with_the_day_and_a_delete_begins_anew(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    state_path = tmp_path / "sandbox.json"
    first = serve(state_path=state_path)
    assert first.get(WEEK).json["day"] == 0
    okta = sample_account("okta")
    for _ in range(2):
        first.all_groups(okta.id)
    for instant in INSTANTS[:3]:
        begin_day(first, instant)
    first.server.close()

    second = serve(state_path=state_path)
    assert second.get(WEEK).json["day"] == 3
    assert second.server.accounts == list_accounts_on(INSTANTS[:3])

    assert second.get(WEEK, method="DELETE").json["day"] == 0
    assert second.server.accounts == sample_accounts()
    assert second.all_groups(okta.id) == list(okta.groups_at(1))
    second.server.close()
    assert serve(state_path=state_path).get(WEEK).json["day"] == 0


@pytest.mark.parametrize("query", ["", "at=", "at=yesterday"])
def test_a_day_that_has_no_instant_does_not_begin(serve: Callable[..., Any], query: str) -> None:
    reader = serve()
    assert reader.get(WEEK, query, method="POST").status == 400
    assert reader.get(WEEK).json["day"] == 0


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [("PUT", {}, 405), ("POST", {"Authorization": "Bearer wrong"}, 401)],
    ids=["another method", "another token"],
)
def test_the_week_is_moved_by_its_methods_and_token_alone(
    serve: Callable[..., Any], method: str, headers: dict[str, str], status: int
) -> None:
    reader = serve()
    answer = reader.get(WEEK, f"at={quote(START.isoformat())}", method=method, headers=headers)
    assert answer.status == status
    assert reader.get(WEEK).json["day"] == 0


def test_an_event_is_told_on_its_day_alone() -> None:
    told = [describe_day(INSTANTS[:day])["happened"] for day in (2, 3)]
    assert not set(told[0]) & set(told[1])
