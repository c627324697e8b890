"""The recipes of docs/recipes.md answer what they ask, on a database that the sandbox filled.

Real: HTTP, DuckDB, the statements as they stand there. The clock is the test's, close to the
machine's, by which ``now()`` goes.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from truto_groups import read
from truto_groups_tests.stand import A, B, C, D, Stand, group, open_stand

pytestmark = pytest.mark.long

RECIPES = Path(__file__).parents[1] / "docs" / "recipes.md"
_RECIPE = re.compile(r"^## (.+?)\n.*?```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
_DAY = "2026-11-01"

OKTA, SLACK, JIRA, ONELOGIN = (
    "acme.okta.aaaaaaaa",
    "acme.slack.bbbbbbbb",
    "globex.jira.cccccccc",
    "initech.onelogin.dddddddd",
)


def read_recipes() -> dict[str, str]:
    return dict(_RECIPE.findall(RECIPES.read_text(encoding="utf-8")))


@pytest.fixture(name="filled", scope="module")
def provide_filled(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two days: renamed, retyped, added and vanished groups, drift, a held-back sync, no reauth."""
    with open_stand(tmp_path_factory.mktemp("filled")) as stand:
        stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        teams = [group(n, cost_center=f"c{n}") for n in range(12)]
        stand.put(A, teams, integration="okta", tenant_id="acme")
        stand.put(B, [group(1, " on-CALL "), group(2)], integration="slack", tenant_id="acme")
        jira = [group(n, group_type="department") for n in range(3)]
        stand.put(C, jira, integration="jira", tenant_id="globex")
        stand.put(D, [group(1)], integration="onelogin", tenant_id="initech")
        stand.discover()
        stand.sync(run_id="first")
        stand.pass_time(days=2, hours=12)
        changed = [group(0, "On-call"), *teams[1:11], group(20, "New", cost_center="c")]
        changed = [{**one, "remote_data": {"id": one["id"], "size": "large"}} for one in changed]
        stand.put(A, changed, integration="okta", tenant_id="acme")
        stand.put(C, [{"name": "no id"}], integration="jira", tenant_id="globex")
        stand.put(
            D,
            [group(1)],
            integration="onelogin",
            tenant_id="initech",
            status="needs_reauth",
            last_error="Revoked",
        )
        stand.discover()
        stand.sync(A, B, C, run_id="second")
    return stand


def ask(stand: Stand, title: str) -> list[tuple[Any, ...]]:
    day_between = (stand.now - timedelta(days=1)).isoformat()
    with read.connect(stand.database.location) as connection:
        return connection.sql(read_recipes()[title].replace(_DAY, day_between)).fetchall()


def test_there_are_ten_and_the_readme_leads_to_them() -> None:
    assert len(read_recipes()) == 10
    readme = (RECIPES.parents[1] / "README.md").read_text(encoding="utf-8")
    assert "](docs/recipes.md)" in readme


def test_which_groups_appeared(filled: Stand) -> None:
    rows = ask(filled, "Which groups appeared this week?")
    assert rows == [(OKTA, "New", "g20", filled.now)]


def test_which_groups_vanished(filled: Stand) -> None:
    rows = ask(filled, "Which groups vanished?")
    assert rows == [(OKTA, "Group 11", "g11", filled.now)]


def test_what_was_renamed(filled: Stand) -> None:
    rows = ask(filled, "What was renamed, when, and to what?")
    assert rows == [(OKTA, "Group 0", "On-call", filled.now, "second")]


def test_which_teams_there_were(filled: Stand) -> None:
    rows = ask(filled, "Which teams did a tenant have on a day?")
    assert len(rows) == 14
    names = {row[1] for row in rows}
    assert {"Group 0", "Group 11", " on-CALL "} <= names
    assert not {"New", "On-call"} & names


def test_which_tenants_have_no_departments(filled: Stand) -> None:
    rows = ask(filled, "Which tenants have no departments?")
    assert rows == [("acme", 2, 14), ("initech", 1, 1)]


def test_which_accounts_need_somebody(filled: Stand) -> None:
    rows = ask(filled, "Which accounts need somebody?")
    told = {(key, trouble) for key, trouble, _ in rows}
    assert {(OKTA, "type_changed"), (JIRA, "held_back"), (ONELOGIN, "needs_reauth")} == told
    why = {trouble: text for _, trouble, text in rows}
    assert why["needs_reauth"] == "Revoked"
    assert why["type_changed"].startswith("remote_data.size: string in 12 of 12")
    assert "held_back_groups" in why["held_back"]


def test_which_accounts_are_the_largest(filled: Stand) -> None:
    rows = ask(filled, "Which accounts are the largest?")
    assert rows == [
        (OKTA, 12, "team"),
        (JIRA, 3, "department"),
        (SLACK, 2, "team"),
        (ONELOGIN, 1, "team"),
    ]


def test_which_groups_have_the_same_name(filled: Stand) -> None:
    rows = ask(filled, "Which groups of a tenant have the same name in several apps?")
    assert rows == [
        ("acme", "group 2", ["okta", "slack"]),
        ("acme", "on-call", ["okta", "slack"]),
    ]


def test_which_fields_apps_send(filled: Stand) -> None:
    rows = ask(filled, "Which fields of their own do apps send, and what is in one?")
    assert ("okta", "other_fields", "cost_center", 11) in rows
    assert ("slack", "remote_data", "size", 2) in rows


def test_how_fresh_integrations_are(filled: Stand) -> None:
    rows = ask(filled, "How fresh is each integration?")
    assert [row[:4] for row in rows] == [
        ("jira", 1, 0, 1),
        ("okta", 1, 0, 0),
        ("slack", 1, 0, 0),
    ]
    assert rows[0][4] == filled.now - timedelta(days=2, hours=12)
