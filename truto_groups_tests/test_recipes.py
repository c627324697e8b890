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
from truto_groups_tests.stand import A, B, C, D, Stand, group, open_stand, serve_body

pytestmark = pytest.mark.long

RECIPES = Path(__file__).parents[1] / "docs" / "recipes.md"
_RECIPE = re.compile(r"^## (.+?)\n.*?```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
_DAY = "2026-11-01"

E, F, G, H, J, K = (f"{digit * 8}-0000-4000-8000-00000000000{digit}" for digit in "567890")
OKTA, SLACK, JIRA, ONELOGIN = (
    "acme.okta.aaaaaaaa",
    "acme.slack.bbbbbbbb",
    "globex.jira.cccccccc",
    "initech.onelogin.dddddddd",
)
OTHER_SLACK = "hooli.slack.55555555"
SOLO = ("bitwarden.00000000", "bitwarden.88888888", "bitwarden.99999999")


def read_recipes() -> dict[str, str]:
    return dict(_RECIPE.findall(RECIPES.read_text(encoding="utf-8")))


@pytest.fixture(name="filled", scope="module")
def provide_filled(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two months of changes, and accounts of every kind that a recipe tells from another.

    One drifts and failed once, one waits, one fails; others are empty, new, gone or nobody's.
    """
    with open_stand(tmp_path_factory.mktemp("filled")) as stand:
        stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=60)
        teams = [group(n, cost_center=f"c{n}") for n in range(12)]
        twins = [group(n, "Twin") for n in (40, 41)]
        jira = [group(n, group_type="department") for n in range(3)]
        slack = [group(1, " on-CALL "), group(2), group(3, "Product", group_type="product")]
        okta = {"integration": "okta", "tenant_id": "acme"}
        gone = {"integration": "jira", "tenant_id": "gone"}
        onelogin = {"integration": "onelogin", "tenant_id": "initech"}
        stand.put(A, [*teams, *twins, group(30, "Old")], **okta)
        empty = [{**one, "remote_data": {**one["remote_data"], "phone": None}} for one in slack]
        stand.put(B, empty, integration="slack", tenant_id="acme")
        stand.put(C, jira, integration="jira", tenant_id="globex")
        stand.put(D, [group(1)], **onelogin)
        stand.put(E, [], integration="slack", tenant_id="hooli")
        stand.put(F, [group(1)], **gone)
        for key in (H, J, K):
            stand.put(key, [group(1, "Solo")], integration="bitwarden", tenant_id=None)
        stand.write_settings(f"accounts: {{{E}: {{refresh_every: 1h}}}}")
        stand.discover()
        stand.sync(run_id="first")
        stand.pass_time(days=10)
        stand.put(A, [*teams, *twins, group(31, "Less old")], **okta)
        stand.put(F, [group(1)], status="needs_reauth", **gone)
        stand.discover()
        stand.sync(A, run_id="long ago")
        stand.server.remove_account(F)
        stand.server.remove_account(K)
        stand.pass_time(days=47)
        stand.discover()
        stand.sync(B, D, E, H, J, run_id="before")
        stand.pass_time(days=2, hours=12)
        for key, run_id in ((A, "no"), (C, "nor"), (E, "neither")):
            stand.server.intercept = serve_body(key, {"message": "no"}, status=400)
            assert stand.outcomes(key, run_id=run_id) == {key: "failed"}
        stand.server.intercept = None
        okta_now = [group(0, "On-call"), *teams[1:11], *twins, group(31, "Less old")]
        okta_now.append(group(20, "New", cost_center="c"))
        large = [{**one, "remote_data": {"id": one["id"], "size": "large"}} for one in okta_now]
        stand.put(A, large, **okta)
        stand.put(C, [{"name": "no id"}], integration="jira", tenant_id="globex")
        stand.put(D, [group(1)], status="needs_reauth", last_error="Revoked", **onelogin)
        stand.put(G, [], integration="asana", tenant_id="hooli")
        stand.put(B, slack, integration="slack", tenant_id="acme")
        stand.discover()
        stand.sync(A, B, C, H, J, run_id="second")
        stand.write("UPDATE integrated_accounts SET supports_groups = FALSE WHERE id = $id", id=J)
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
    long_ago = filled.now - timedelta(days=59, hours=12)
    first = {f"g{n}": (f"Group {n}", long_ago) for n in range(12)}
    first |= {f"g{n}": ("Twin", long_ago) for n in (40, 41)}
    okta = first | {"g31": ("Less old", long_ago + timedelta(days=10))}
    expected = [("okta", *said[:1], key, *said[1:]) for key, said in okta.items()]
    expected += [("slack", " on-CALL ", "g1", long_ago), ("slack", "Group 2", "g2", long_ago)]
    assert rows == sorted(expected)


def test_which_tenants_have_no_departments(filled: Stand) -> None:
    rows = ask(filled, "Which tenants have no departments?")
    assert rows == [("acme", 2, 18), ("hooli", 2, 0), ("initech", 1, 1)]


def test_which_accounts_need_somebody(filled: Stand) -> None:
    rows = ask(filled, "Which accounts need somebody?")
    assert [row[:2] for row in rows] == [
        (OKTA, "type_changed"),
        (JIRA, "held_back"),
        (OTHER_SLACK, "failed"),
        (ONELOGIN, "needs_reauth"),
    ]
    type_changed, held_back, failed, needs_reauth = [row[2] for row in rows]
    assert type_changed.startswith("remote_data.size: string in 15 of 15")
    assert "held_back_groups" in held_back
    assert "400" in failed
    assert needs_reauth == "Revoked"


def test_which_accounts_are_the_largest(filled: Stand) -> None:
    rows = ask(filled, "Which accounts are the largest?")
    assert rows == [
        (OKTA, 15, "team"),
        (SLACK, 3, "team"),
        (JIRA, 3, "department"),
        *((key, 1, "team") for key in SOLO),
        ("gone.jira.66666666", 1, "team"),
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
    sizes = {"bitwarden": 3, "jira": 4, "okta": 15, "onelogin": 1, "slack": 3}
    told = [(slug, "remote_data", name, sizes[slug]) for slug in sizes for name in ("id", "size")]
    assert rows == sorted([*told, ("okta", "other_fields", "cost_center", 11)])


def test_how_fresh_integrations_are(filled: Stand) -> None:
    rows = ask(filled, "How fresh is each integration?")
    days_ago = filled.now - timedelta(days=2, hours=12)
    assert rows == [
        ("jira", 1, 0, 1, days_ago - timedelta(days=57)),
        ("slack", 2, 0, 1, days_ago),
        ("bitwarden", 1, 0, 0, filled.now),
        ("okta", 1, 0, 0, filled.now),
        ("asana", 1, 1, 0, None),
    ]
