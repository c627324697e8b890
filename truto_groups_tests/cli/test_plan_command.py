"""What the coming day costs, told before anything is fetched.

The database is real, the clock is the machine's; what is known of accounts was written by hand or
by a sync on the sandbox.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from truto_groups.cli import main
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups_tests.stand import A, B, C, D, Stand, enter_project, groups_of, open_stand

OLD = "2020-01-01T00:00:00Z"


@pytest.fixture(name="known", scope="module")
def provide_known(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two accounts of okta and one of slack, confirmed now, and one of okta never."""
    with open_stand(tmp_path_factory.mktemp("known")) as stand:
        stand.write_settings("truto: {page_size: 10}")
        stand.now = datetime.now(UTC)
        for key, groups, integration in ((A, 35, "okta"), (B, 5, "okta"), (C, 10, "slack")):
            stand.put(key, groups_of(groups), integration=integration, tenant_id="acme")
        stand.discover()
        stand.sync(A, B, C)
        stand.put(D, groups_of(3), integration="okta", tenant_id="globex")
        stand.discover()
    return stand


@pytest.fixture(name="stand")
def provide_stand(
    stand: Stand, known: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stand:
    """The same in a database of the test's own; no token."""
    enter_project(stand, tmp_path, monkeypatch)
    stand.go_on_from(known)
    monkeypatch.delenv("TRUTO_API_TOKEN")
    return stand


def plan(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["plan", "--json", *arguments]) == code
    return json.loads(capsys.readouterr().out)


def plan_with(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, *, code: int = 0
) -> dict[str, Any]:
    path = tmp_path / "changed.yaml"
    path.write_text(text)
    return plan(capsys, "--settings", str(path), code=code)["with"]


def let_pass(stand: Stand, *, hours: int) -> None:
    """Let all that is known be so much older."""
    for table, column in (
        ("account_syncs", "started_at"),
        ("account_syncs", "finished_at"),
        ("integrated_accounts", "last_confirmed_at"),
        ("account_state", "wanted_at"),
    ):
        stand.write(f"UPDATE {table} SET {column} = {column} - INTERVAL {hours} HOURS")  # noqa: S608


def effect_on(found: dict[str, Any], key: str) -> dict[str, Any]:
    (effect,) = [one for one in found["accounts"] if one["integrated_account_id"] == key]
    return effect


def test_requests_are_those_of_the_last_sync_and_estimated_where_there_was_none(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = {
        row[0]: row[1]
        for row in stand.rows("SELECT integrated_account_id, request_count FROM account_syncs")
    }
    assert counted == {A: 4, B: 1, C: 1}

    found = plan(capsys)

    # Every six hours less a tick: four times within the day; the new one at once as well.
    day = found["day"]
    assert (day["accounts"], day["syncs"], day["estimated"]) == (4, 4 * 3 + 5, 1)
    assert day["requests"] == 4 * (4 + 1 + 1) + 5 * 2
    by_integration = {load["name"]: load["requests"] for load in found["integrations"]}
    assert by_integration == {"okta": 4 * (4 + 1) + 5 * 2, "slack": 4}
    assert sum(hour["requests"] for hour in found["hours"]) == day["requests"]
    assert found["accounts"] == 4


def test_what_cannot_be_synced_asks_for_nothing(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write("UPDATE integrated_accounts SET status = 'needs_reauth' WHERE id = $id", id=A)
    stand.write("UPDATE integrated_accounts SET gone_at = now() WHERE id = $id", id=B)
    stand.write_settings("integrations: {slack: {skip: true}}")
    found = plan(capsys)
    assert [load["name"] for load in found["integrations"]] == ["okta"]
    assert found["day"]["accounts"] == 1


def test_minutes_are_those_of_the_ceiling_that_holds_longest(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write(
        "UPDATE account_syncs SET request_count = 601 WHERE integrated_account_id = $id", id=A
    )
    stand.write_settings("truto: {requests_per_10_seconds_per_account: 100}")
    found = plan(capsys)
    # Four syncs of one account: 600 further requests each, at 100 in 10 s.
    assert found["slowest"] == {
        "partition_key": "acme.okta.aaaaaaaa",
        "integrated_account_id": A,
        "requests": 601,
        "minutes": 1.0,
    }
    assert found["day"]["minutes"] == 4.0
    stand.write_settings("truto: {requests_per_10_seconds: 10}")
    total = plan(capsys)["day"]
    assert total["minutes"] == pytest.approx((total["requests"] - 1) // 10 / 6, abs=0.01)
    stand.write_settings(
        "truto: {requests_per_10_seconds: 0, requests_per_10_seconds_per_account: 0}"
    )
    assert plan(capsys)["day"]["minutes"] == 0


def test_a_changed_file_is_told_account_by_account(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = plan_with(
        capsys,
        tmp_path,
        "truto: {page_size: 10, requests_per_10_seconds: 100}\n"
        "integrations: {slack: {refresh_every: 1h}}\n"
        f"accounts: {{{A}: {{page_size: 100, query: {{organization_id: [a, b]}}}}}}\n",
    )
    assert {one["integrated_account_id"] for one in found["accounts"]} == {A, C}
    slack = effect_on(found, C)
    assert slack["changes"] == {"refresh_every": ["6h", "1h"]}
    assert slack["requests_a_day"] == [4, 29]
    okta = effect_on(found, A)
    assert okta["changes"] == {
        "page_size": [10, 100],
        "query": [{}, {"organization_id": ["a", "b"]}],
    }
    # Four pages become one, and one more for the second listing.
    assert okta["requests_a_day"] == [16, 8]
    text = f"truto: {{page_size: 10}}\naccounts: {{{A}: {{page_size: 35}}}}"
    whole = plan_with(capsys, tmp_path, text)
    assert effect_on(whole, A)["requests_a_day"] == [16, 4]
    assert found["requests_per_10_seconds"] == [500, 100]
    assert found["day"]["requests"] > plan(capsys)["day"]["requests"]


@pytest.mark.parametrize(
    ("integration", "counted", "complete", "then", "requests"),
    [
        ("okta", 4, "auto", "always", 4 + 35),
        ("okta", 4 + 35, "auto", "always", 4 + 35),
        ("okta", 4 + 35, "auto", "never", 4),
        ("okta", 4 + 35, "always", "never", 4),
        ("okta", 4 + 35, "always", "auto", 4),
        ("okta", 4, "never", "auto", 4),
        ("jfrog", 4 + 35, "auto", "always", 4 + 35),
        ("jfrog", 4 + 35, "auto", "never", 4),
        ("jfrog", 4, "never", "auto", 4 + 35),
        ("okta", 2, "auto", "always", 2 + 35),
    ],
)
def test_groups_that_are_read_by_themselves_are_counted_once(
    stand: Stand,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    integration: str,
    counted: int,
    complete: str,
    then: str,
    requests: int,
) -> None:
    stand.write("UPDATE integrated_accounts SET integration = $i WHERE id = $a", i=integration, a=A)
    stand.write(
        "UPDATE account_syncs SET request_count = $count WHERE integrated_account_id = $id",
        count=counted,
        id=A,
    )
    paces = "refresh_every: 24h, max_age: 48h"
    text = f"truto: {{page_size: 10}}\ndefaults: {{{paces}, complete: {complete}}}"
    stand.write_settings(text)
    # 24 hours less a tick: a little more than once a day.
    found = plan_with(capsys, tmp_path, text.replace(complete, then))
    assert effect_on(found, A)["requests_a_day"] == [
        round(one * 24 * 6 / (24 * 6 - 1)) for one in (counted, requests)
    ]


def test_what_would_change_for_no_account_alone_is_told_too(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (
        "truto: {page_size: 10, retry_attempts: 2, requests_per_10_seconds: 400}\n"
        "discovery: {grace_period: 2d}\nhistory: {ledger_kept_for: 30d}\n"
    )
    found = plan_with(capsys, tmp_path, text)
    assert found["general"] == {
        "truto.retry_attempts": [6, 2],
        "discovery.grace_period": ["7d", "2d"],
        "history.ledger_kept_for": ["365d", "30d"],
    }
    assert found["accounts"] == []
    assert main(["plan", "--settings", str(tmp_path / "changed.yaml")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "history.ledger_kept_for: 30d instead of 365d." in out
    assert "The token's ceiling: 400 in 10 s instead of 500." in out
    assert plan_with(capsys, tmp_path, "truto: {page_size: 10}")["general"] == {}


def test_requests_at_the_ceiling_wait_for_nothing_and_one_more_for_a_window(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write_settings("defaults: {refresh_every: 30h, max_age: 40h}")
    stand.write("UPDATE integrated_accounts SET gone_at = now() WHERE id IN ($c, $d)", c=C, d=D)
    let_pass(stand, hours=30)
    for requests, minutes in ((50, 0.0), (51, 0.17), (100, 0.17), (101, 0.33)):
        stand.write("UPDATE account_syncs SET request_count = $count", count=requests)
        assert plan(capsys)["day"]["minutes"] == minutes


def test_what_is_synced_or_stale_at_once_is_named(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    let_pass(stand, hours=3)
    found = plan_with(
        capsys,
        tmp_path,
        f"accounts:\n  {A}: {{refresh_every: 2h}}\n  {B}: {{refresh_every: 1h, max_age: 2h}}\n"
        f"  {C}: {{skip: true}}\n  {D}: {{refresh_every: 1h}}\ntruto: {{page_size: 10}}\n",
    )
    flags = {
        one["integrated_account_id"]: (one["is_synced_at_once"], one["is_stale_then"])
        for one in found["accounts"]
    }
    assert flags == {A: (True, False), B: (True, True), C: (False, False), D: (False, False)}
    assert effect_on(found, C)["requests_a_day"] == [4, 0]


def test_a_failure_that_waits_for_other_settings_is_tried_again(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    let_pass(stand, hours=8)
    session = stand.session()
    with stand.database.reading() as connection:
        (slack,) = [one for one in read_known_accounts(connection) if one.id == C]
    stand.write(
        "UPDATE account_syncs SET outcome = 'failed', error_kind = 'forbidden', "
        "started_at = now() WHERE integrated_account_id = $id",
        id=C,
    )
    stand.write(
        "UPDATE account_state SET attempted_conditions = $conditions "
        "WHERE integrated_account_id = $id",
        id=C,
        conditions=slack.conditions(session.pace_of(slack).digest),
    )
    text = "truto: {page_size: 10}\nintegrations: {slack: {query: {name: x}}}"
    assert effect_on(plan_with(capsys, tmp_path, text), C)["is_synced_at_once"] is True


def test_an_invalid_file_is_refused_with_its_line(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "changed.yaml"
    path.write_text("defaults:\n  refresh_every: 6\n")
    assert main(["plan", "--settings", str(path)]) == 2
    assert f"{path}:2: defaults.refresh_every: 6 has no unit" in capsys.readouterr().err
    assert main(["plan", "--settings", str(tmp_path / "none.yaml")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_what_is_wrong_for_one_account_or_names_nobody_is_told(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = plan_with(
        capsys,
        tmp_path,
        "truto: {page_size: 10}\n"
        "integrations:\n  slack: {refresh_every: 30h, max_age: 40h}\n  oktaa: {skip: true}\n"
        f"accounts:\n  {C}: {{max_age: 25h}}\n",
        code=1,
    )
    (mistake,) = found["mistakes"]
    assert "changed.yaml:6" in mistake
    (stray,) = found["unused"]
    assert "oktaa" in stray
    assert "did you mean okta?" in stray


def test_a_person_reads_it_in_words_and_nothing_changes(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = stand.data()
    path = tmp_path / "changed.yaml"
    path.write_text("truto: {page_size: 10}\nintegrations: {slack: {refresh_every: 1h}}\n")
    assert main(["plan", "--settings", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "17 syncs of 4 accounts (of 4 known), 34 requests" in out
    assert "1 account that was never synced are estimated" in out
    assert "refresh_every: 6h → 1h" in out
    assert "acme.slack.cccccccc" in out
    assert stand.data() == before


def test_without_accounts_or_without_a_database_it_says_so(
    stand: Stand,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    stand.write("DELETE FROM integrated_accounts")
    assert main(["plan"]) == 0
    assert "No account is known yet" in capsys.readouterr().out
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(tmp_path / "none.duckdb"))
    assert main(["plan"]) == 2
    assert "There is no database" in capsys.readouterr().err


def test_the_day_begins_now_whatever_is_overdue(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write("UPDATE integrated_accounts SET last_confirmed_at = $at::TIMESTAMPTZ", at=OLD)
    found = plan(capsys)
    assert found["day"]["syncs"] == 4 * 5
    first = found["hours"][0]
    assert first["accounts"] == 4
    begin = datetime.fromisoformat(found["from"])
    assert first["name"].startswith(f"{begin:%H:%M}")
    assert begin - datetime.now(UTC) < timedelta(minutes=1)
