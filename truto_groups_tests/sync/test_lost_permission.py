"""What vanishes while an app refuses us: told as a lost permission, neither as drift nor deletion.

Real: HTTP on loopback with the listing's own row, the client, DuckDB in a file, the checks.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.report.pending import advise
from truto_groups.sandbox import Request, Response
from truto_groups.sync import settle
from truto_groups.sync.judge import judge_ahead
from truto_groups.sync.waiting import read_needs, read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups_tests.stand import GROUPS_PATH, A, B, Stand, group

BY_NAME = {spec.name: spec.key for spec in CHECK_SPECS}
SCOPE = "Groups.Members.Read:All"


def refusal(stand: Stand, **fields: Any) -> dict[str, Any]:
    return {
        "resource": "groups",
        "method": "list",
        "missing_scopes": [SCOPE],
        "occurred_at": stand.now.isoformat(),
        **fields,
    }


def records(teams: int = 20, departments: int = 4, *, email: str | None = "x") -> list[Any]:
    kinds = ["team"] * teams + ["department"] * departments
    return [
        group(number, group_type=kind, remote_data={"email": email and f"{email}{number}", "n": 1})
        for number, kind in enumerate(kinds)
    ]


def sync(
    stand: Stand, groups: Sequence[Any], *, run_id: str, key: str = A, forbidden: object = None
) -> str:
    stand.put(key, groups, last_forbidden_error=forbidden)
    stand.discover()
    outcome = stand.outcomes(key, run_id=run_id)[key]
    stand.pass_time(hours=1)
    return outcome


def drift(stand: Stand, key: str = A) -> list[tuple[str, str | None, str, str, str | None]]:
    return [
        (row["kind"], row["path"], row["severity"], row["now"], row["attributed_to"])
        for row in stand.table("account_drift", account=key)
    ]


def check(stand: Stand, name: str) -> Any:
    (result,) = evaluate_checks(stand.session(), [BY_NAME[name]])
    return result


def rows_of(result: Any) -> list[Any]:
    return list(result.metadata["what_to_do"].value)


def told(stand: Stand) -> str:
    return f"ermission lost: scope {SCOPE} is missing, since {stand.now:%Y-%m-%d %H:%M} UTC"


@pytest.mark.long
def test_a_type_that_vanishes_while_a_refusal_stands_is_held_back_and_comes_back(
    stand: Stand,
) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    before = stand.data()
    forbidden, words = refusal(stand), told(stand)
    for run_id in ("lost", "still lost"):
        assert sync(stand, records(departments=0), run_id=run_id, forbidden=forbidden) == (
            "held_back"
        )
    assert stand.data()["groups"] == before["groups"]
    assert stand.table("group_changes") == []
    attempt = stand.ledger(A)[-1]
    assert attempt["error_kind"] == "permission_lost"
    assert words in attempt["error"]
    assert "All groups of type department are gone." in attempt["error"]
    assert "Have the tenant grant the permission again" in attempt["error"]
    ((kind, path, severity, now, whose),) = drift(stand)
    assert (kind, path, severity, whose) == ("volume", None, "breaking", "permission_lost")
    assert SCOPE in now
    (row,) = rows_of(check(stand, "group_counts_are_plausible"))
    assert SCOPE in row["what"]
    assert row["do"].startswith("Have the tenant grant")
    assert check(stand, "no_unaccepted_drift").passed

    assert sync(stand, records(), run_id="back", forbidden=forbidden) == "unchanged"
    assert drift(stand) == []
    assert check(stand, "group_counts_are_plausible").passed
    # The refusal is listed still, and it is older than what came since.
    assert sync(stand, records(departments=0), run_id="deleted", forbidden=forbidden) == "published"
    assert len(stand.table("group_changes")) == 4


@pytest.mark.long
@pytest.mark.parametrize("scopes", [[], None, ""], ids=["empty", "null", "blank"])
def test_a_refusal_that_names_no_scope_is_told_by_what_was_refused(
    stand: Stand, scopes: object
) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    words = f"ermission lost: groups list is forbidden, since {stand.now:%Y-%m-%d %H:%M} UTC"
    hidden, forbidden = records(departments=0, email=None), refusal(stand, missing_scopes=scopes)
    assert sync(stand, hidden, run_id="lost", forbidden=forbidden) == "held_back"
    assert words in stand.ledger(A)[-1]["error"]
    told = [(whose, now.count(words)) for _, _, _, now, whose in drift(stand)]
    assert told == [("permission_lost", 1)] * 2


@pytest.mark.long
def test_without_a_refusal_a_small_type_may_vanish(stand: Stand) -> None:
    assert sync(stand, records(departments=1), run_id="good") == "published"
    assert sync(stand, records(departments=0), run_id="next") == "published"


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (records(2, 0), []),
        (records(20, 1), records(20, 0)),
        ([{"id": "a", "name": "A"}, *records(5, 0)], records(5, 0)),
        (records(30, 30), records(12, 12)),
    ],
    ids=["two groups", "one of a type", "without a type", "many of all types"],
)
def test_every_fall_that_a_refusal_explains_is_held_back(
    stand: Stand, before: list[Any], after: list[Any]
) -> None:
    assert sync(stand, before, run_id="good") == "published"
    assert sync(stand, after, run_id="lost", forbidden=refusal(stand)) == "held_back"
    assert stand.ledger(A)[-1]["error_kind"] == "permission_lost"
    assert len(stand.table("groups")) == len(before)


@pytest.mark.long
def test_a_type_that_vanishes_is_held_back_however_many_others_have_come(stand: Stand) -> None:
    """What was given another type is there under its id, and has not vanished."""
    assert sync(stand, records(), run_id="good") == "published"
    forbidden, words = refusal(stand), told(stand)
    grown = [*records(departments=0), *(group(100 + one, group_type="team") for one in range(5))]
    assert sync(stand, grown, run_id="lost", forbidden=forbidden) == "held_back"
    assert words in stand.ledger(A)[-1]["error"]
    assert "All groups of type department are gone." in stand.ledger(A)[-1]["error"]
    retyped = [{**one, "group_type": "squad"} for one in records()] + grown[-5:]
    assert sync(stand, retyped, run_id="retyped", forbidden=forbidden) == "published"


@pytest.mark.long
def test_what_a_refusal_does_not_explain_is_published(stand: Stand) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    forbidden = refusal(stand)
    one_less = records()[1:]
    assert sync(stand, one_less, run_id="one", forbidden=forbidden) == "published"
    retyped = [{**one, "group_type": "team"} for one in one_less]
    assert sync(stand, retyped, run_id="retyped", forbidden=refusal(stand)) == "published"
    assert sync(stand, records(25, 5), run_id="more", forbidden=refusal(stand)) == "published"


@pytest.mark.long
def test_the_settings_may_let_it_through_and_then_it_is_only_told(stand: Stand) -> None:
    stand.write_settings("defaults: {volume: {hold_back: false}}")
    assert sync(stand, records(), run_id="good") == "published"
    words = told(stand)
    assert sync(stand, records(0, 4), run_id="lost", forbidden=refusal(stand)) == "published"
    ((_, _, severity, now, whose),) = [row for row in drift(stand) if row[0] == "volume"]
    assert (severity, whose) == ("warning", "permission_lost")
    assert words in now


@pytest.mark.long
@pytest.mark.parametrize("email", [None, "gone"], ids=["null", "vanished"])
def test_a_field_that_a_refusal_hides_is_told_as_a_lost_permission(
    stand: Stand, email: str | None
) -> None:
    def hide(groups: list[Any]) -> list[Any]:
        for one in groups:
            del one["remote_data"]["email"]
        return groups

    hidden = records(email=None) if email is None else hide(records())
    assert sync(stand, records(), run_id="good") == "published"
    words = told(stand)
    assert sync(stand, hidden, run_id="lost", forbidden=refusal(stand)) == "published"
    ((kind, path, severity, now, whose),) = drift(stand)
    assert kind == ("null_share_jumped" if email is None else "field_gone")
    assert (path, severity, whose) == ("remote_data.email", "warning", "permission_lost")
    assert words in now
    result = check(stand, "no_unaccepted_drift")
    (row,) = rows_of(result)
    assert SCOPE in row["what"]
    assert row["do"].startswith("Have the tenant grant the permission again")
    assert "accept it" not in str(result.description)
    session = stand.session()
    with stand.database.reading() as connection:
        (pending,) = read_pending(connection)
        needs = read_needs(session, connection, read_known_accounts(connection))
    assert [(need.state, need.acceptable) for need in needs] == [("drifted", None)]
    assert pending.findings[0].message.startswith("A lost permission hides `remote_data.email`")
    assert sync(stand, records(), run_id="back") == "published"
    assert drift(stand) == []


@pytest.mark.long
def test_a_field_of_few_groups_warns_too_and_one_that_was_always_null_does_not(
    stand: Stand,
) -> None:
    def few(email: str | None, phone: object) -> list[Any]:
        return [group(1, remote_data={"email": email, "phone": phone})]

    assert sync(stand, few("x", None), run_id="good") == "published"
    hidden = [group(1, remote_data={"email": None})]
    assert sync(stand, hidden, run_id="lost", forbidden=refusal(stand)) == "published"
    found = {path: (severity, whose) for _, path, severity, _, whose in drift(stand)}
    assert found["remote_data.email"] == ("warning", "permission_lost")
    assert found["remote_data.phone"][0] == "information"
    assert found["remote_data.phone"][1] != "permission_lost"


@pytest.mark.long
def test_a_listing_that_tells_of_the_refusal_only_after_the_sync_explains_it_too(
    stand: Stand,
) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    occurred = stand.now
    assert sync(stand, records(email=None), run_id="lost") == "published"
    assert drift(stand)[0][4] != "permission_lost"
    stand.put(
        A,
        records(email=None),
        last_forbidden_error=refusal(stand, occurred_at=occurred.isoformat()),
    )
    stand.discover()
    assert drift(stand)[0][4] == "permission_lost"


@pytest.mark.long
@pytest.mark.parametrize("moment", ["while it is fetched", "while it is judged"])
def test_a_listing_that_comes_during_the_sync_holds_it_back(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    before = stand.data()
    lost = records(departments=0)
    stand.put(A, lost)
    forbidden = refusal(stand)

    def discover() -> None:
        stand.put(A, lost, last_forbidden_error=forbidden)
        stand.discover()

    def fetched(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            stand.server.intercept = None
            discover()
        return None

    def judged(*arguments: Any) -> Any:
        found = judge_ahead(*arguments)
        discover()
        return found

    if moment == "while it is fetched":
        stand.server.intercept = fetched
    else:
        monkeypatch.setattr(settle, "judge_ahead", judged)
    assert stand.outcomes(A, run_id="lost") == {A: "held_back"}
    assert stand.ledger(A)[-1]["error_kind"] == "permission_lost"
    assert stand.data() == before


@pytest.mark.long
@pytest.mark.parametrize("hours", [-2, 60], ids=["long before", "long after"])
def test_a_refusal_of_another_time_explains_nothing(stand: Stand, hours: int) -> None:
    forbidden = refusal(stand, occurred_at=(stand.now + timedelta(hours=hours)).isoformat())
    early = forbidden if hours < 0 else None
    assert sync(stand, records(), run_id="good", forbidden=early) == "published"
    assert sync(stand, records(email=None), run_id="gone", forbidden=early) == "published"
    stand.pass_time(hours=70)
    assert sync(stand, records(email=None), run_id="same", forbidden=forbidden) == "unchanged"
    assert [row[4] for row in drift(stand)] == ["vendor"]


@pytest.mark.long
def test_the_attempt_that_found_it_first_is_not_the_last_that_was_well(stand: Stand) -> None:
    """Its end is written a moment before what it saw, by a clock that goes on."""
    assert sync(stand, records(), run_id="good") == "published"
    assert sync(stand, records(email=None), run_id="lost", forbidden=refusal(stand)) == "published"
    stand.write(
        "UPDATE account_syncs SET finished_at = finished_at - INTERVAL 1 MILLISECOND "
        "WHERE run_id = 'lost'"
    )
    stand.write("UPDATE account_state SET forbidden_at = forbidden_at - INTERVAL 10 MINUTES")
    assert [row[4] for row in drift(stand)] == ["permission_lost"]


@pytest.mark.long
def test_of_two_refusals_the_one_that_names_a_scope_is_told(stand: Stand) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    later = refusal(stand, missing_scopes=[], occurred_at=stand.now.isoformat())
    assert sync(stand, records(email=None), run_id="lost", forbidden=later) == "published"
    assert "groups list is forbidden" in drift(stand)[0][3]
    stand.write(
        "INSERT INTO account_syncs BY NAME SELECT * REPLACE ('refused' AS run_id, 'failed' AS "
        "outcome, 'forbidden' AS error_kind, started_at - INTERVAL 1 MINUTE AS started_at, "
        "$error AS error) FROM account_syncs WHERE run_id = 'lost'",
        error=f"Okta forbids it; missing scopes: {SCOPE}. Have it granted.",
    )
    assert f"scope {SCOPE} is missing" in drift(stand)[0][3]


@pytest.mark.long
def test_more_groups_than_is_plausible_are_no_lost_permission(stand: Stand) -> None:
    assert sync(stand, records(20, 4), run_id="good") == "published"
    assert sync(stand, records(600, 4), run_id="more", forbidden=refusal(stand)) == "published"
    ((kind, _, severity, now, whose),) = drift(stand)
    assert (kind, severity, whose) == ("volume", "warning", None)
    assert "ermission lost" not in now


@pytest.mark.long
def test_a_refusal_that_is_listed_no_longer_explains_nothing(stand: Stand) -> None:
    """The permission was granted again before anything was fetched without it."""
    assert sync(stand, records(), run_id="good") == "published"
    stand.put(A, records(), last_forbidden_error=refusal(stand))
    stand.discover()
    assert [row["forbidden_at"] for row in stand.table("account_state")] == [stand.now]
    assert sync(stand, records(departments=0, email=None), run_id="next") == "published"
    (state,) = stand.table("account_state")
    assert {name: state[name] for name in state if name.startswith("forbidden_")} == dict.fromkeys(
        ("forbidden_call", "forbidden_scopes", "forbidden_at", "forbidden_since")
    )
    assert [row[4] for row in drift(stand)] == ["vendor"]


@pytest.mark.long
def test_part_of_a_field_is_drift_as_before(stand: Stand) -> None:
    assert sync(stand, records(), run_id="good") == "published"
    half = [*records(email=None)[:12], *records()[12:]]
    assert sync(stand, half, run_id="half", forbidden=refusal(stand)) == "published"
    assert [row[4] for row in drift(stand)] == ["vendor"]


@pytest.mark.long
def test_a_refused_sync_explains_what_the_next_one_lacks(stand: Stand) -> None:
    """Truto's listing does not always tell; our own attempt knows the scope too."""
    body = {
        "message": "Forbidden",
        "truto_is_remote_error": True,
        "truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [SCOPE]}}},
    }

    def refuse(request: Request) -> Response | None:
        return Response.of_json(body, status=403) if request.integrated_account_id == A else None

    for key in (A, B):
        assert sync(stand, records(), run_id=f"good {key}", key=key) == "published"
    stand.server.intercept = refuse
    assert sync(stand, records(), run_id="refused") == "failed"
    assert SCOPE in stand.ledger(A)[-1]["error"]
    stand.server.intercept = None
    for run_id in ("lost", "still lost"):
        assert sync(stand, records(departments=0), run_id=run_id) == "held_back"
        assert f"scope {SCOPE} is missing" in stand.ledger(A)[-1]["error"]
        assert stand.ledger(A)[-1]["error_kind"] == "permission_lost"
    assert sync(stand, records(departments=0), run_id="other", key=B) == "published"
    assert sync(stand, records(email=None), run_id="fields") == "published"
    assert [row[4] for row in drift(stand)] == ["permission_lost"]
    assert SCOPE in drift(stand)[0][3]


@pytest.mark.long
def test_a_completion_that_is_refused_fails_and_names_the_scope(stand: Stand) -> None:
    stand.write_settings("defaults: {complete: always}")
    assert sync(stand, records(3, 0), run_id="good") == "published"
    before = stand.data()
    body = {"truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [SCOPE]}}}}

    def refuse(request: Request) -> Response | None:
        is_single = len(request.segments) == 4 and request.segments[2] == "groups"
        return Response.of_json(body, status=403) if is_single else None

    stand.server.intercept = refuse
    assert sync(stand, records(3, 0, email=None), run_id="refused") == "failed"
    attempt = stand.ledger(A)[-1]
    assert attempt["error_kind"] == "forbidden"
    assert SCOPE in attempt["error"]
    assert stand.data() == before


@pytest.mark.parametrize(
    ("odd", "call", "scopes"),
    [
        (None, None, None),
        ({}, None, None),
        ([], None, None),
        ("403", None, None),
        ({"missing_scopes": "one"}, "a call", "one"),
        ({"missing_scopes": [1, None, {"a": 1}, "two"]}, "a call", "two"),
        ({"missing_scopes": {"a": 1}, "resource": 7, "method": "list"}, "list", None),
        ({"resource": "groups", "occurred_at": 12}, "groups", None),
        ({"resource": "groups", "occurred_at": "2999-01-01T00:00:00Z"}, "groups", None),
        ({"missing_scopes": ["x" * 99] * 100}, "a call", ", ".join(["x" * 99] * 100)[:499] + "…"),
    ],
)
def test_an_odd_refusal_costs_only_what_is_odd_about_it(
    stand: Stand, odd: object, call: str | None, scopes: str | None
) -> None:
    began = stand.now
    stand.put(A, records(), last_forbidden_error=odd)
    for _ in range(2):
        stand.discover()
        (row,) = stand.table("account_state")
        assert (row["forbidden_call"], row["forbidden_scopes"]) == (call, scopes)
        # Without a credible instant, it counts from the listing that told of it first.
        assert row["forbidden_at"] == row["forbidden_since"] == (began if call else None)
        stand.pass_time(hours=1)
    assert stand.outcomes(A) == {A: "published"}


@pytest.mark.long
def test_the_shell_says_to_have_it_granted_again_and_not_to_accept_it(stand: Stand) -> None:
    sync(stand, records(), run_id="good")
    sync(stand, records(email=None), run_id="lost", forbidden=refusal(stand))

    with stand.database.reading() as connection:
        (waiting,) = read_pending(connection)

    assert "Have the tenant grant the permission again" in advise(waiting)
    assert "truto-groups accept" not in advise(waiting)
