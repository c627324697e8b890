"""What vanishes while an app refuses us: told as a lost permission, neither as drift nor deletion.

Real: HTTP on loopback with the listing's own row, the client, DuckDB in a file, the checks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.report.pending import advise
from truto_groups.sandbox import Request, Response
from truto_groups.sync import settle
from truto_groups.sync.judge import judge_ahead
from truto_groups.sync.waiting import read_needs, read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups_tests.stand import GROUPS_PATH, START, A, B, Row, Stand, group, open_stand

# Each worker that has one of these would make the runs for itself.
pytestmark = pytest.mark.long

BY_NAME = {spec.name: spec.key for spec in CHECK_SPECS}
SCOPE = "Groups.Members.Read:All"


def refusal(stand: Stand, **fields: Any) -> dict[str, Any]:
    return refusal_at(stand.now, **fields)


def refusal_at(instant: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "resource": "groups",
        "method": "list",
        "missing_scopes": [SCOPE],
        "occurred_at": instant.isoformat(),
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
    return told_since(stand.now)


def told_since(instant: datetime, what: str = f"scope {SCOPE} is missing") -> str:
    return f"ermission lost: {what}, since {instant:%Y-%m-%d %H:%M} UTC"


@pytest.fixture(name="good_once", scope="module")
def provide_good_once(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """To copy from alone."""
    with open_stand(tmp_path_factory.mktemp("good")) as stand:
        for key in (A, B):
            stand.put(key, records())
        stand.discover()
        assert stand.outcomes(run_id="good") == {A: "published", B: "published"}
        stand.pass_time(hours=1)
    return stand


@pytest.fixture(name="good")
def provide_good(stand: Stand, good_once: Stand) -> Stand:
    """A and B were published an hour ago, with all records, and nothing was refused."""
    stand.go_on_from(good_once)
    for key in (A, B):
        stand.put(key, records())
    return stand


@pytest.fixture(name="hidden_once", scope="module")
def provide_hidden_once(good_once: Stand, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """To copy from alone."""
    with open_stand(tmp_path_factory.mktemp("hidden")) as stand:
        stand.go_on_from(good_once)
        for key, scopes in ((A, [SCOPE]), (B, [])):
            forbidden = refusal(stand, missing_scopes=scopes)
            stand.put(key, records(email=None), last_forbidden_error=forbidden)
        stand.discover()
        assert stand.outcomes(run_id="lost") == {A: "published", B: "published"}
        stand.pass_time(hours=1)
    return stand


@pytest.fixture(name="hidden")
def provide_hidden(stand: Stand, hidden_once: Stand) -> Stand:
    """The same an hour later: both refuse to tell a field, and B does not say which scope lacks."""
    stand.go_on_from(hidden_once)
    return stand


@dataclass(frozen=True)
class Loss:
    """What an account sends, and what it sends an hour later.

    Attributes:
        before: At first.
        after: Later.
        refused: Fields of the refusal that is listed meanwhile; None where there is none.
    """

    before: Sequence[Any]
    after: Sequence[Any]
    refused: Mapping[str, Any] | None = field(default_factory=dict[str, Any])


def without_email() -> list[Any]:
    groups = records()
    for one in groups:
        del one["remote_data"]["email"]
    return groups


def retyped(kind: str) -> list[Any]:
    return [{**one, "group_type": kind} for one in records()]


NO_SCOPES: Mapping[str, object] = {"empty": [], "null": None, "blank": ""}
FALLS = {
    "two groups": Loss(records(2, 0), []),
    "one of a type": Loss(records(20, 1), records(20, 0)),
    "without a type": Loss([{"id": "a", "name": "A"}, *records(5, 0)], records(5, 0)),
    "many of all types": Loss(records(30, 30), records(12, 12)),
}
HIDDEN = {
    "null": Loss(records(), records(email=None)),
    "vanished": Loss(records(), without_email()),
}
NEW_TEAMS = [group(100 + number, group_type="team") for number in range(5)]
UNEXPLAINED = {
    "one group less": Loss(records(), records()[1:]),
    "another type": Loss(records(), retyped("team")),
    "another type beside new groups": Loss(records(), [*retyped("squad"), *NEW_TEAMS]),
    "more of each type": Loss(records(), records(25, 5)),
}
LOSSES = {
    **FALLS,
    **UNEXPLAINED,
    "a type beside new groups": Loss(records(), [*records(departments=0), *NEW_TEAMS]),
    **{f"a hidden field: {how}": loss for how, loss in HIDDEN.items()},
    **{
        f"no scope: {how}": Loss(
            records(), records(departments=0, email=None), {"missing_scopes": scopes}
        )
        for how, scopes in NO_SCOPES.items()
    },
    "without a refusal": Loss(records(departments=1), records(departments=0), None),
    "let through": Loss(records(), records(0, 4)),
    "few groups": Loss(
        [group(1, remote_data={"email": "x", "phone": None})],
        [group(1, remote_data={"email": None})],
    ),
    "more groups": Loss(records(20, 4), records(600, 4)),
    "part of a field": Loss(records(), [*records(email=None)[:12], *records()[12:]]),
}
ACCOUNTS = {what: f"{number:08x}-0000-4000-8000-000000000001" for number, what in enumerate(LOSSES)}
LOST_AT = START + timedelta(hours=1)


@dataclass(frozen=True)
class Lost:
    """How all accounts with a loss ended, by what was lost."""

    stand: Stand
    outcomes: Mapping[str, str]

    def drift(self, what: str) -> list[tuple[str, str | None, str, str, str | None]]:
        return drift(self.stand, ACCOUNTS[what])

    def attempt(self, what: str) -> Row:
        return self.stand.ledger(ACCOUNTS[what])[-1]


@pytest.fixture(name="lost", scope="module")
def provide_lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """All accounts with a loss, each refused in its own way and synced again; to look at alone."""
    with open_stand(tmp_path_factory.mktemp("lost")) as stand:
        let_through = ACCOUNTS["let through"]
        stand.write_settings(f"accounts: {{{let_through}: {{volume: {{hold_back: false}}}}}}")
        for what, loss in LOSSES.items():
            stand.put(ACCOUNTS[what], loss.before)
        stand.discover()
        assert set(stand.outcomes(run_id="good").values()) == {"published"}
        assert stand.pass_time(hours=1) == LOST_AT
        for what, loss in LOSSES.items():
            forbidden = None if loss.refused is None else refusal_at(LOST_AT, **loss.refused)
            stand.put(ACCOUNTS[what], loss.after, last_forbidden_error=forbidden)
        stand.discover()
        outcomes = stand.outcomes(run_id="lost")
        stand.pass_time(hours=1)
        yield Lost(stand, {what: outcomes[account] for what, account in ACCOUNTS.items()})


def test_a_type_that_vanishes_while_a_refusal_stands_is_held_back_and_comes_back(
    good: Stand,
) -> None:
    before = good.data()
    forbidden, words = refusal(good), told(good)
    for run_id in ("lost", "still lost"):
        assert sync(good, records(departments=0), run_id=run_id, forbidden=forbidden) == (
            "held_back"
        )
    assert good.data()["groups"] == before["groups"]
    assert good.table("group_changes") == []
    attempt = good.ledger(A)[-1]
    assert attempt["error_kind"] == "permission_lost"
    assert words in attempt["error"]
    assert "All groups of type department are gone." in attempt["error"]
    assert "Have the tenant grant the permission again" in attempt["error"]
    ((kind, path, severity, now, whose),) = drift(good)
    assert (kind, path, severity, whose) == ("volume", None, "breaking", "permission_lost")
    assert SCOPE in now
    (row,) = rows_of(check(good, "group_counts_are_plausible"))
    assert SCOPE in row["what"]
    assert row["do"].startswith("Have the tenant grant")
    assert check(good, "no_unaccepted_drift").passed

    assert sync(good, records(), run_id="back", forbidden=forbidden) == "unchanged"
    assert drift(good) == []
    assert check(good, "group_counts_are_plausible").passed
    # The refusal is listed still, and it is older than what came since.
    assert sync(good, records(departments=0), run_id="deleted", forbidden=forbidden) == "published"
    assert len(good.table("group_changes")) == 4


@pytest.mark.parametrize("scopes", NO_SCOPES)
def test_a_refusal_that_names_no_scope_is_told_by_what_was_refused(lost: Lost, scopes: str) -> None:
    what = f"no scope: {scopes}"
    words = told_since(LOST_AT, "groups list is forbidden")
    assert lost.outcomes[what] == "held_back"
    assert words in lost.attempt(what)["error"]
    told = [(whose, now.count(words)) for _, _, _, now, whose in lost.drift(what)]
    assert told == [("permission_lost", 1)] * 2


def test_without_a_refusal_a_small_type_may_vanish(lost: Lost) -> None:
    assert lost.outcomes["without a refusal"] == "published"


@pytest.mark.parametrize("fall", FALLS)
def test_every_fall_that_a_refusal_explains_is_held_back(lost: Lost, fall: str) -> None:
    assert lost.outcomes[fall] == "held_back"
    assert lost.attempt(fall)["error_kind"] == "permission_lost"
    kept = lost.stand.table("groups", account=ACCOUNTS[fall])
    assert len(kept) == len(FALLS[fall].before)


def test_a_type_that_vanishes_is_held_back_however_many_others_have_come(lost: Lost) -> None:
    what = "a type beside new groups"
    assert lost.outcomes[what] == "held_back"
    assert told_since(LOST_AT) in lost.attempt(what)["error"]
    assert "All groups of type department are gone." in lost.attempt(what)["error"]


@pytest.mark.parametrize("what", UNEXPLAINED)
def test_what_a_refusal_does_not_explain_is_published(lost: Lost, what: str) -> None:
    """What was given another type is there under its id, and has not vanished."""
    assert lost.outcomes[what] == "published"
    assert len(lost.stand.table("groups", account=ACCOUNTS[what])) == len(LOSSES[what].after)


def test_the_settings_may_let_it_through_and_then_it_is_only_told(lost: Lost) -> None:
    assert lost.outcomes["let through"] == "published"
    found = lost.drift("let through")
    ((_, _, severity, now, whose),) = [row for row in found if row[0] == "volume"]
    assert (severity, whose) == ("warning", "permission_lost")
    assert told_since(LOST_AT) in now


@pytest.mark.parametrize("how", HIDDEN)
def test_a_field_that_a_refusal_hides_is_told_as_a_lost_permission(lost: Lost, how: str) -> None:
    what = f"a hidden field: {how}"
    assert lost.outcomes[what] == "published"
    ((kind, path, severity, now, whose),) = lost.drift(what)
    assert kind == {"null": "null_share_jumped", "vanished": "field_gone"}[how]
    assert (path, severity, whose) == ("remote_data.email", "warning", "permission_lost")
    assert told_since(LOST_AT) in now


def test_a_hidden_field_is_to_be_granted_again_and_not_to_be_accepted(hidden: Stand) -> None:
    result = check(hidden, "no_unaccepted_drift")
    row, _ = sorted(rows_of(result), key=lambda row: SCOPE not in row["what"])
    assert SCOPE in row["what"]
    assert row["do"].startswith("Have the tenant grant the permission again")
    assert "accept it" not in str(result.description)
    session = hidden.session()
    with hidden.database.reading() as connection:
        pending = next(one for one in read_pending(connection) if one.integrated_account_id == A)
        needs = read_needs(session, connection, read_known_accounts(connection))
    assert [(need.state, need.acceptable) for need in needs] == 2 * [("drifted", None)]
    assert pending.findings[0].message.startswith("A lost permission hides `remote_data.email`")
    assert "Have the tenant grant the permission again" in advise(pending)
    assert "truto-groups accept" not in advise(pending)


def test_a_hidden_field_that_is_shown_again_is_told_no_more(good: Stand) -> None:
    accounts = dict(zip(HIDDEN, (A, B), strict=True))
    for how, account in accounts.items():
        good.put(account, HIDDEN[how].after, last_forbidden_error=refusal(good))
    good.discover()
    good.sync(run_id="lost")
    assert {how: len(drift(good, account)) for how, account in accounts.items()} == {
        how: 1 for how in HIDDEN
    }
    for account in accounts.values():
        good.put(account, records())
    good.pass_time(hours=1)
    good.sync(run_id="back")
    assert {how: drift(good, account) for how, account in accounts.items()} == {
        how: [] for how in HIDDEN
    }


def test_a_field_of_few_groups_warns_too_and_one_that_was_always_null_does_not(
    lost: Lost,
) -> None:
    assert lost.outcomes["few groups"] == "published"
    found = {path: (severity, whose) for _, path, severity, _, whose in lost.drift("few groups")}
    assert found["remote_data.email"] == ("warning", "permission_lost")
    assert found["remote_data.phone"][0] == "information"
    assert found["remote_data.phone"][1] != "permission_lost"


def test_a_listing_that_tells_of_the_refusal_only_after_the_sync_explains_it_too(
    good: Stand,
) -> None:
    occurred = good.now
    assert sync(good, records(email=None), run_id="lost") == "published"
    assert drift(good)[0][4] != "permission_lost"
    good.put(
        A,
        records(email=None),
        last_forbidden_error=refusal(good, occurred_at=occurred.isoformat()),
    )
    good.discover()
    assert drift(good)[0][4] == "permission_lost"


@pytest.mark.parametrize("moment", ["while it is fetched", "while it is judged"])
def test_a_listing_that_comes_during_the_sync_holds_it_back(
    good: Stand, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = good.data()
    lost = records(departments=0)
    good.put(A, lost)
    forbidden = refusal(good)

    def discover() -> None:
        good.put(A, lost, last_forbidden_error=forbidden)
        good.discover()

    def fetched(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            good.server.intercept = None
            discover()
        return None

    def judged(*arguments: Any) -> Any:
        found = judge_ahead(*arguments)
        discover()
        return found

    if moment == "while it is fetched":
        good.server.intercept = fetched
    else:
        monkeypatch.setattr(settle, "judge_ahead", judged)
    assert good.outcomes(A, run_id="lost") == {A: "held_back"}
    assert good.ledger(A)[-1]["error_kind"] == "permission_lost"
    assert good.data() == before


def test_a_refusal_of_another_time_explains_nothing(stand: Stand) -> None:
    """A's is of long before the fields vanish, and B's of long after."""
    before, after = (refusal_at(START + timedelta(hours=hours)) for hours in (-2, 60))
    for run_id, email, refused in (
        ("good", "x", {A: before, B: None}),
        ("gone", None, {A: before, B: None}),
        ("same", None, {A: before, B: after}),
    ):
        for key, forbidden in refused.items():
            stand.put(key, records(email=email), last_forbidden_error=forbidden)
        stand.discover()
        outcome = "unchanged" if run_id == "same" else "published"
        assert stand.outcomes(run_id=run_id) == {A: outcome, B: outcome}
        stand.pass_time(hours=71 if run_id == "gone" else 1)
    assert [[row[4] for row in drift(stand, key)] for key in (A, B)] == [["vendor"], ["vendor"]]


def test_the_attempt_that_found_it_first_is_not_the_last_that_was_well(hidden: Stand) -> None:
    """Its end is written a moment before what it saw, by a clock that goes on."""
    hidden.write(
        "UPDATE account_syncs SET finished_at = finished_at - INTERVAL 1 MILLISECOND "
        "WHERE run_id = 'lost'"
    )
    hidden.write("UPDATE account_state SET forbidden_at = forbidden_at - INTERVAL 10 MINUTES")
    assert [row[4] for row in drift(hidden)] == ["permission_lost"]


def test_of_two_refusals_the_one_that_names_a_scope_is_told(hidden: Stand) -> None:
    assert "groups list is forbidden" in drift(hidden, B)[0][3]
    hidden.write(
        "INSERT INTO account_syncs BY NAME SELECT * REPLACE ('refused' AS run_id, 'failed' AS "
        "outcome, 'forbidden' AS error_kind, started_at - INTERVAL 1 MINUTE AS started_at, "
        "$error AS error) FROM account_syncs WHERE run_id = 'lost' AND integrated_account_id = $id",
        error=f"Okta forbids it; missing scopes: {SCOPE}. Have it granted.",
        id=B,
    )
    assert f"scope {SCOPE} is missing" in drift(hidden, B)[0][3]


def test_more_groups_than_is_plausible_are_no_lost_permission(lost: Lost) -> None:
    assert lost.outcomes["more groups"] == "published"
    ((kind, _, severity, now, whose),) = lost.drift("more groups")
    assert (kind, severity, whose) == ("volume", "warning", None)
    assert "ermission lost" not in now


def test_a_refusal_that_is_listed_no_longer_explains_nothing(good: Stand) -> None:
    """The permission was granted again before anything was fetched without it."""
    good.put(A, records(), last_forbidden_error=refusal(good))
    good.discover()
    (state,) = good.table("account_state", account=A)
    assert state["forbidden_at"] == good.now
    assert sync(good, records(departments=0, email=None), run_id="next") == "published"
    (state,) = good.table("account_state", account=A)
    assert {name: state[name] for name in state if name.startswith("forbidden_")} == dict.fromkeys(
        ("forbidden_call", "forbidden_scopes", "forbidden_at", "forbidden_since")
    )
    assert [row[4] for row in drift(good)] == ["vendor"]


def test_part_of_a_field_is_drift_as_before(lost: Lost) -> None:
    assert lost.outcomes["part of a field"] == "published"
    assert [row[4] for row in lost.drift("part of a field")] == ["vendor"]


def test_a_refused_sync_explains_what_the_next_one_lacks(good: Stand) -> None:
    """Truto's listing does not always tell; our own attempt knows the scope too."""
    body = {
        "message": "Forbidden",
        "truto_is_remote_error": True,
        "truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [SCOPE]}}},
    }

    def refuse(request: Request) -> Response | None:
        return Response.of_json(body, status=403) if request.integrated_account_id == A else None

    good.server.intercept = refuse
    assert sync(good, records(), run_id="refused") == "failed"
    assert SCOPE in good.ledger(A)[-1]["error"]
    good.server.intercept = None
    for run_id in ("lost", "still lost"):
        assert sync(good, records(departments=0), run_id=run_id) == "held_back"
        assert f"scope {SCOPE} is missing" in good.ledger(A)[-1]["error"]
        assert good.ledger(A)[-1]["error_kind"] == "permission_lost"
    assert sync(good, records(departments=0), run_id="other", key=B) == "published"
    assert sync(good, records(email=None), run_id="fields") == "published"
    assert [row[4] for row in drift(good)] == ["permission_lost"]
    assert SCOPE in drift(good)[0][3]


def test_a_completion_that_is_refused_fails_and_names_the_scope(good: Stand) -> None:
    good.write_settings("defaults: {complete: always}")
    before = good.data()
    body = {"truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [SCOPE]}}}}

    def refuse(request: Request) -> Response | None:
        is_single = len(request.segments) == 4 and request.segments[2] == "groups"
        return Response.of_json(body, status=403) if is_single else None

    good.server.intercept = refuse
    assert sync(good, records(3, 0, email=None), run_id="refused") == "failed"
    attempt = good.ledger(A)[-1]
    assert attempt["error_kind"] == "forbidden"
    assert SCOPE in attempt["error"]
    assert good.data() == before


ODD: Mapping[str, tuple[object, str | None, str | None]] = {
    "null": (None, None, None),
    "an empty object": ({}, None, None),
    "an array": ([], None, None),
    "a text": ("403", None, None),
    "scopes are a text": ({"missing_scopes": "one"}, "a call", "one"),
    "odd scopes": ({"missing_scopes": [1, None, {"a": 1}, "two"]}, "a call", "two"),
    "scopes are an object": (
        {"missing_scopes": {"a": 1}, "resource": 7, "method": "list"},
        "list",
        None,
    ),
    "a number as instant": ({"resource": "groups", "occurred_at": 12}, "groups", None),
    "an instant to come": (
        {"resource": "groups", "occurred_at": "2999-01-01T00:00:00Z"},
        "groups",
        None,
    ),
    "very long scopes": (
        {"missing_scopes": ["x" * 99] * 100},
        "a call",
        ", ".join(["x" * 99] * 100)[:499] + "…",
    ),
}
"""What Truto's listing may say, and the call and the scopes that are understood of it."""
ODD_ACCOUNTS = {
    what: f"{number:08x}-0000-4000-8000-000000000001" for number, what in enumerate(ODD)
}


@pytest.fixture(name="odd", scope="module")
def provide_odd(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[list[Row], str]]:
    """By what is odd: the account's state after each of two listings, and how its sync ended."""
    with open_stand(tmp_path_factory.mktemp("odd")) as stand:
        for what, account in ODD_ACCOUNTS.items():
            stand.put(account, records(), last_forbidden_error=ODD[what][0])
        states: list[list[Row]] = []
        for _ in range(2):
            stand.discover()
            states.append(stand.table("account_state"))
            stand.pass_time(hours=1)
        outcomes = stand.outcomes()
    return {
        what: (
            [row for rows in states for row in rows if row["integrated_account_id"] == account],
            outcomes[account],
        )
        for what, account in ODD_ACCOUNTS.items()
    }


@pytest.mark.parametrize("what", ODD)
def test_an_odd_refusal_costs_only_what_is_odd_about_it(
    odd: Mapping[str, tuple[list[Row], str]], what: str
) -> None:
    _, call, scopes = ODD[what]
    states, outcome = odd[what]
    assert outcome == "published"
    assert len(states) == 2
    for row in states:
        assert (row["forbidden_call"], row["forbidden_scopes"]) == (call, scopes)
        # Without a credible instant, it counts from the listing that told of it first.
        assert row["forbidden_at"] == row["forbidden_since"] == (START if call else None)
