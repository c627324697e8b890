"""Listings as they are kept: what an answer of Truto does to accounts that are known.

Real: HTTP on loopback, the client, DuckDB in a file. What goes through Dagster is in
defs/test_automation.py.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from truto_groups.accounts.discovery import Discovery
from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.planning import is_due, plan_due
from truto_groups.accounts.ranges import PartitionRange
from truto_groups.contracts.refresh_contracts import find_in_use
from truto_groups.errors import RetriesExhaustedError
from truto_groups.sandbox import Request, Response
from truto_groups.sync.remove import remove_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import KEYS, START, A, B, C, Stand, group, groups_of, open_stand

pytestmark = pytest.mark.long

WITHOUT_GROUPS = {
    "unified": [{"model": "user-directory", "resource": "users", "methods": ["list"]}],
}


def answer_capabilities(stand: Stand, body: object) -> None:
    """Answer every question for capabilities with one body."""

    def intercept(request: Request) -> Response | None:
        return Response.of_json(body) if request.path.endswith("capabilities") else None

    stand.server.intercept = intercept


NO_ANSWERS = {
    "okta": {"unified": {}},
    "gitlab": {"unified": []},
    "slack": WITHOUT_GROUPS,
}
"""Nothing, none, and others than groups; by the integration of which so much is told."""


def test_no_answer_about_an_integration_stops_accounts_whose_groups_were_listed(
    stand: Stand,
) -> None:
    """One account is asked for all of its integration; all would be passed over, never stale."""
    old = dict(zip(NO_ANSWERS, (A, B, C), strict=True))
    new = {slug: account.replace("-0000-", "-1111-") for slug, account in old.items()}
    for slug, account in old.items():
        stand.put(account, groups_of(3), integration=slug)
    stand.discover()
    assert set(stand.outcomes().values()) == {"published"}

    def intercept(request: Request) -> Response | None:
        if not request.path.endswith("capabilities"):
            return None
        asked = {account: slug for slug, account in (*old.items(), *new.items())}
        return Response.of_json(NO_ANSWERS[asked[request.segments[1]]])

    stand.server.intercept = intercept
    for slug, account in new.items():
        stand.put(account, groups_of(1), integration=slug)
    stand.pass_time(days=30)
    accounts = stand.discover().accounts
    session = stand.session()
    assert {one.integration for one in accounts if one.supports_groups is False} == set()
    assert {
        account.id
        for account in accounts
        if is_due(account, pace=session.pace_of(account), now=stand.now, next_tick=timedelta(0))
    } == {*old.values(), *new.values()}
    stale = find_stale_accounts(accounts, max_age_of=session.max_age_of, now=stand.now)
    assert {found.account.id for found in stale} == set(old.values())
    outcomes = stand.outcomes(run_id="later")
    assert {slug: outcomes[one] for slug, one in old.items()} == dict.fromkeys(old, "unchanged")
    assert {slug: outcomes[one] for slug, one in new.items()} == dict.fromkeys(new, "published")


def test_accounts_of_an_integration_without_groups_are_passed_over_until_one_has_some(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(3))
    answer_capabilities(stand, WITHOUT_GROUPS)
    assert [account.supports_groups for account in stand.discover().accounts] == [False]
    assert stand.outcomes() == {A: "passed over"}
    answer_capabilities(stand, {"unified": {}})
    stand.pass_time(days=1)
    assert [account.supports_groups for account in stand.discover().accounts] == [None]
    assert stand.outcomes() == {A: "published"}


def test_what_was_answered_of_its_integration_does_not_hold_for_an_account_of_another(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(3), integration="okta")
    answer_capabilities(stand, WITHOUT_GROUPS)
    assert [account.supports_groups for account in stand.discover().accounts] == [False]
    stand.put(A, groups_of(3), integration="gitlab")
    answer_capabilities(stand, [])  # no answer
    assert [account.supports_groups for account in stand.discover().accounts] == [None]
    assert stand.outcomes() == {A: "published"}


def test_an_account_that_could_not_be_asked_is_told_by_its_key(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.put(A, groups_of(1))
    answer_capabilities(stand, [])  # no answer
    stand.discover()
    (told,) = caplog.messages
    assert told.startswith("Not known whether okta lists groups: ")
    assert f"integrated account {KEYS[A]} is not what" in told


def test_a_row_without_an_id_is_told_and_makes_nobody_disappear(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    for key in (A, B, C):
        stand.put(key, groups_of(1))
    stand.discover()
    rows = [{"id": A, "status": "active", "integration": {"name": "okta"}}, {"id": B}, {"id": None}]
    stand.server.intercept = lambda request: (
        Response.of_json({"result": rows}) if request.path == "/integrated-account" else None
    )
    stand.pass_time(hours=1)
    found = stand.discover()
    assert (found.gone, {account.id for account in found.accounts}) == ([], {A, B, C})
    assert [account.gone_at for account in found.accounts] == [None] * 3
    assert {a.id: a.status for a in found.accounts} == {A: "active", B: "unknown", C: "active"}
    assert "row 3 on page 1 (integration unknown): the id cannot be read" in caplog.text
    del rows[2]
    assert stand.discover().gone == [C]


def list_rows(stand: Stand, *rows: object) -> None:
    """Answer a listing with these rows, and leave all else to the sandbox."""
    stand.server.intercept = lambda request: (
        Response.of_json({"result": rows}) if request.path == "/integrated-account" else None
    )


def test_accounts_whose_integration_truto_does_not_say_have_no_answer_in_common(
    stand: Stand,
) -> None:
    """One without groups was asked for all of them, and none was ever synced."""
    stand.put(A, integration="zendesk")
    stand.put(B, groups_of(1))
    list_rows(stand, {"id": A, "status": "active"}, {"id": B, "status": "active"})
    accounts = stand.discover().accounts
    assert [(one.integration, one.supports_groups) for one in accounts] == [("unknown", None)] * 2
    assert find_in_use(stand.session(), accounts) == set()
    assert stand.outcomes(B) == {B: "published"}
    list_rows(stand, {"id": A, "status": "active", "integration": "zendesk"}, {"id": B})
    assert {one.id: one.supports_groups for one in stand.discover().accounts} == {A: False, B: None}


def test_a_listing_that_does_not_say_the_integration_does_not_take_it_away(stand: Stand) -> None:
    stand.put(A, groups_of(1), integration="gitlab")
    stand.write_settings("integrations: {gitlab: {skip: true}}")
    stand.discover()
    list_rows(stand, {"id": A, "status": "active", "integration": None})
    (account,) = stand.discover().accounts
    assert (account.integration, account.supports_groups) == ("gitlab", True)
    assert stand.outcomes(A) == {A: "passed over"}
    list_rows(stand, {"id": A, "status": "active", "integration": {"name": "okta"}})
    assert [one.integration for one in stand.discover().accounts] == ["okta"]


def test_odd_texts_and_instants_of_an_account_are_kept_and_read_back(stand: Stand) -> None:
    body = (
        rb'{"result":[{"id":"%s","status":"active","tenant_id":"\ud83d \u0000 \u001b",'
        rb'"created_at":"0001-01-01T00:00:00Z","updated_at":"9999-12-31T23:59:59.999999Z",'
        rb'"last_error":{"code":1e999},"integration":"okta"}]}'
    ) % A.encode()
    stand.server.intercept = lambda request: (
        Response(body=body) if request.path == "/integrated-account" else None
    )
    (account,) = stand.discover().accounts
    assert (account.tenant_id, account.last_error) == ("\ufffd \0 \x1b", '{"code":1e999}')
    assert account.created_at is not None
    assert account.updated_at is not None
    assert (account.created_at.year, account.updated_at.year) == (1, 9999)


def test_settings_that_apply_to_no_account_are_told_once_in_a_process(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """They were ignored in silence: an account that was to be skipped was synced."""
    stand.put(A, groups_of(1), integration="asana")
    stand.write_settings("integrations:\n  assana:\n    skip: true\n")
    for _ in range(2):
        stand.discover()
    told = [(r.name, r.levelname, r.getMessage()) for r in caplog.records]
    line = f"{stand.settings_path}:2: integrations.assana: no listed account is of this integration"
    assert told == [
        ("truto_groups.accounts.discovery", "WARNING", f"{line}; did you mean asana?"),
    ]


def test_an_account_that_is_gone_already_is_not_gone_again_and_does_not_count(
    stand: Stand,
) -> None:
    """Of the two that are left one disappears: exactly half, which may be."""
    for key in (A, B, C):
        stand.put(key, groups_of(1))
    stand.discover()
    for key in (C, B):
        stand.server.remove_account(key)
        assert stand.discover().gone == [key]


@dataclass
class Returned:
    """How A came back with two of its twenty groups, and B lost as many without ever being away.

    Attributes:
        away_at: An instant at which A was removed already.
        outcomes: Of the sync when A was back.
    """

    stand: Stand
    away_at: datetime
    outcomes: dict[str, str]


@pytest.fixture(name="returned", scope="module")
def provide_returned(tmp_path_factory: pytest.TempPathFactory) -> Returned:
    with open_stand(tmp_path_factory.mktemp("returned")) as stand:
        stand.put(A, groups_of(20))
        stand.put(B, groups_of(20))
        stand.discover()
        assert stand.outcomes() == {A: "published", B: "published"}
        stand.server.remove_account(A)
        for _ in range(2):
            stand.pass_time(days=8)
            stand.discover()
        assert stand.table("groups", account=A) == []
        away_at = stand.now
        stand.put(A, groups_of(2))
        stand.put(B, groups_of(2))
        stand.pass_time(days=1)
        stand.discover()
        return Returned(stand, away_at, stand.outcomes(run_id="back"))


def test_an_account_that_returns_after_its_removal_is_judged_as_a_new_one(
    returned: Returned,
) -> None:
    """Its rows are gone, so that the number it once had protects nothing."""
    assert returned.outcomes == {A: "published", B: "held_back"}
    assert {row["id"] for row in returned.stand.table("groups", account=A)} == {"g0", "g1"}


def test_the_groups_of_an_account_that_returns_are_added_and_were_not_there_meanwhile(
    returned: Returned,
) -> None:
    changes = [row["change"] for row in returned.stand.table("group_changes", account=A)]
    assert sorted(changes) == ["added"] * 2 + ["removed"] * 20
    owners = "SELECT DISTINCT integrated_account_id FROM groups_as_of($at)"
    assert returned.stand.rows(owners, at=returned.away_at) == [(B,)]


def test_what_is_known_of_an_account_is_its_last_attempt_and_its_last_confirmed_sync(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    stand.outcomes(run_id="confirmed")
    stand.write(
        "INSERT INTO account_syncs BY NAME "
        "SELECT s.* REPLACE (o AS run_id, o AS outcome, o AS error, NULL AS group_count, "
        "s.answer_order + n AS answer_order, s.started_at + INTERVAL (n) HOUR AS started_at) "
        "FROM account_syncs AS s, (VALUES (1, 'failed'), (2, 'skipped')) AS v(n, o)"
    )
    (account,) = stand.discover().accounts
    assert (account.outcome, account.error, account.group_count) == ("failed", "failed", 3)
    assert account.attempted_at == START + timedelta(hours=1)
    assert account.seconds == 0


def test_a_first_sync_that_is_held_back_does_not_speak_of_rows_that_stay(stand: Stand) -> None:
    stand.put(A, [{**group(1), "id": None}])
    stand.put(B, groups_of(20))
    stand.discover()
    assert stand.outcomes() == {A: "held_back", B: "published"}
    stand.put(B, [])
    stand.pass_time(hours=1)
    assert stand.outcomes(run_id="r1") == {A: "held_back", B: "held_back"}
    assert "No rows are published" in stand.ledger(A)[-1]["error"]
    assert "The rows published before stay" in stand.ledger(B)[-1]["error"]


def test_settings_that_an_integration_makes_impossible_stop_no_other_account(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """The listing, every plan and every check ended with the mistake of one account."""
    stand.put(A, groups_of(1), integration="gitlab")
    stand.put(B, groups_of(1))
    stand.discover()
    assert stand.outcomes() == {A: "published", B: "published"}
    stand.write_settings(
        f"integrations: {{gitlab: {{refresh_every: 5d, max_age: 6d}}}}\n"
        f"accounts: {{'{A}': {{max_age: 4d}}}}\n"
    )
    stand.pass_time(days=5)
    keys = [f"acme.gitlab.{A[:8]}", KEYS[B]]
    accounts = stand.discover(partition_keys=keys).accounts
    session = stand.session()
    (warning,) = caplog.messages
    assert f"accounts.{A}.max_age" in warning
    tick = timedelta(minutes=10)
    plan = plan_due(
        accounts,
        partition_keys=keys,
        in_flight=(),
        pace_of=session.pace_of,
        now=stand.now,
        next_tick=tick,
    )
    assert plan.ranges == [PartitionRange(*keys)]
    assert stand.outcomes(run_id="r1") == {A: "failed", B: "unchanged"}
    replayed = stand.replay(A)[A]
    assert isinstance(replayed, AccountResult)
    assert replayed.attempt.outcome == "published"
    stand.pass_time(minutes=10)
    account, _ = stand.discover().accounts
    (stale,) = find_stale_accounts([account], max_age_of=session.max_age_of, now=stand.now)
    assert "max_age 4d" in stale.advice
    assert not is_due(account, pace=session.pace_of(account), now=stand.now, next_tick=tick)


def keep_waiting(stand: Stand, *, suffix: str) -> threading.Event:
    """Let requests for a path wait until the event is set."""
    goes_on = threading.Event()

    def intercept(request: Request) -> Response | None:
        if request.path.endswith(suffix):
            goes_on.wait(10)
        return None

    stand.server.intercept = intercept
    return goes_on


def test_a_listing_that_has_little_time_fails_in_time_and_says_so(stand: Stand) -> None:
    """A tick that takes a minute is ended by Dagster, without a word of Truto."""
    stand.put(A, groups_of(1))
    goes_on = keep_waiting(stand, suffix="/integrated-account")
    started = time.monotonic()
    with pytest.raises(RetriesExhaustedError, match=r"not list the .* within 0\.3 s"):
        stand.discover(within_seconds=0.4)
    assert time.monotonic() - started < 5
    goes_on.set()


def test_a_question_that_has_little_time_is_asked_again_next_time(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    goes_on = keep_waiting(stand, suffix="/capabilities")
    (account,) = stand.discover(within_seconds=2).accounts
    assert account.supports_groups is None
    goes_on.set()
    (account,) = stand.discover(within_seconds=2).accounts
    assert account.supports_groups is True


@contextmanager
def answered_late(stand: Stand, *, suffix: str, work: Callable[[], object]) -> Iterator[None]:
    """Begin work in a thread, and let its first answer for a path, made now, arrive at the end."""
    is_made, goes_on = threading.Event(), threading.Event()

    def intercept(request: Request) -> Response | None:
        if not request.path.endswith(suffix) or is_made.is_set():
            return None
        answer = stand.server.answer(request)
        is_made.set()
        assert goes_on.wait(30)
        return answer

    stand.server.intercept = intercept
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            assert is_made.wait(30)
            yield
        finally:
            goes_on.set()
        done.result(60)
    stand.server.intercept = None


def statuses(stand: Stand) -> dict[str, str]:
    """Every known account's status, or that it is gone."""
    return {
        row["id"]: "gone" if row["gone_at"] else row["status"]
        for row in stand.table("integrated_accounts")
    }


LISTING = "/integrated-account"


def test_an_older_listing_that_arrives_later_changes_nothing(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """It marked an account as gone that another tick had just added, and wrote old statuses."""
    caplog.set_level("INFO", logger="truto_groups.accounts.discovery")
    stand.put(A, groups_of(1))
    stand.put(C, groups_of(1))
    stand.discover()
    late: list[Discovery] = []
    with answered_late(stand, suffix=LISTING, work=lambda: late.append(stand.discover())):
        stand.put(B, groups_of(1))
        stand.put(A, groups_of(1), status="needs_reauth")
        stand.server.remove_account(C)
        stand.discover()
        before = stand.table("integrated_accounts"), stand.table("account_state")
    assert (stand.table("integrated_accounts"), stand.table("account_state")) == before
    assert statuses(stand) == {A: "needs_reauth", B: "active", C: "gone"}
    assert (late[0].gone, late[0].added_keys) == ([], [KEYS[B]])
    assert "A newer listing" in caplog.text


def test_listings_that_overlap_in_any_order_leave_what_the_newest_told(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    stand.discover()
    with (
        answered_late(stand, suffix=LISTING, work=stand.discover),
        answered_late(stand, suffix=LISTING, work=stand.discover),
    ):
        stand.put(A, groups_of(1), status="validation_error")
        stand.discover()
    assert statuses(stand) == {A: "validation_error"}


def test_an_account_that_a_run_looked_up_is_not_gone_by_a_listing_asked_for_before(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(1))
    stand.discover()
    with answered_late(stand, suffix=LISTING, work=stand.discover):
        stand.put(B, groups_of(1))
        assert stand.outcomes(B) == {B: "published"}
    assert statuses(stand) == {A: "active", B: "active"}
    stand.server.remove_account(B)
    stand.discover()
    assert statuses(stand) == {A: "active", B: "gone"}


def test_what_a_run_looked_up_is_not_undone_by_a_listing_asked_for_before(stand: Stand) -> None:
    stand.put(A, groups_of(1), status="needs_reauth")
    stand.put(B, groups_of(1))
    stand.discover()
    with answered_late(stand, suffix=LISTING, work=stand.discover):
        stand.put(A, groups_of(1))
        assert stand.outcomes(A) == {A: "published"}
        stand.server.remove_account(B)
    assert statuses(stand) == {A: "active", B: "active"}
    assert stand.outcomes(A, run_id="r2") == {A: "unchanged"}
    stand.put(A, groups_of(1), status="needs_reauth")
    stand.discover()
    assert statuses(stand) == {A: "needs_reauth", B: "gone"}


def test_an_older_look_up_does_not_undo_a_newer_listing(stand: Stand) -> None:
    stand.put(A, groups_of(1), status="needs_reauth")
    stand.put(B, groups_of(1))
    stand.discover()
    stand.put(A, groups_of(1))
    with answered_late(stand, suffix=A, work=lambda: stand.outcomes(A)):
        stand.put(A, groups_of(1), status="validation_error")
        stand.discover()
    assert statuses(stand) == {A: "validation_error", B: "active"}
    assert stand.table("account_syncs") == []


def test_an_account_that_was_removed_while_it_was_looked_up_is_not_added(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    stand.discover()
    stand.put(B, groups_of(1))
    outcomes: dict[str, str] = {}
    with answered_late(stand, suffix=B, work=lambda: outcomes.update(stand.outcomes(B))):
        stand.server.remove_account(B)
        stand.discover()
    assert outcomes == {B: "failed"}
    assert statuses(stand) == {A: "active"}


def test_two_runs_that_look_up_an_account_each_add_both(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    stand.put(B, groups_of(1))
    with answered_late(stand, suffix=A, work=lambda: stand.outcomes(A, run_id="slow")):
        assert stand.outcomes(B, run_id="fast") == {B: "published"}
    assert statuses(stand) == {A: "active", B: "active"}


def test_listings_go_on_when_the_count_of_requests_is_lost(stand: Stand) -> None:
    stand.put(A, groups_of(1))
    for _ in range(3):
        stand.discover()
    stand.database.companion.with_name(f"{stand.database.companion.name}.order").unlink()
    stand.put(A, groups_of(1), status="needs_reauth")
    stand.discover()
    assert statuses(stand) == {A: "needs_reauth"}


def test_an_account_that_cannot_be_removed_stops_no_other(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    for key in (A, B, C):
        stand.put(key, groups_of(2))
    known = {account.id: account for account in stand.discover().accounts}
    stand.outcomes()
    # Half a character, which no database takes.
    odd = replace(known[A], tenant_id="\ud800")
    removed = remove_accounts(
        stand.database, [odd, known[B]], run_id="tick", clock=lambda: stand.now
    )
    assert removed == [B]
    assert f"{KEYS[A]}, whose grace period is over, could not be removed" in caplog.text
    owners = "SELECT DISTINCT integrated_account_id FROM {} ORDER BY ALL"
    assert stand.rows(owners.format("groups")) == [(A,), (C,)]
    assert stand.rows(owners.format("account_shapes")) == [(A,), (C,)]
    assert stand.rows(owners.format("group_changes")) == [(B,)]


def test_an_account_keeps_its_key_whatever_it_becomes_and_its_label_follows(stand: Stand) -> None:
    stand.put(A, groups_of(1), context={"label": " Okta EU "})
    assert stand.discover().added_keys == [KEYS[A]]
    stand.put(A, groups_of(1), integration="slack", tenant_id="globex", context={"label": {}})

    stand.discover(partition_keys=[KEYS[A]])

    rows = stand.rows("SELECT partition_key, integration, tenant_id FROM integrated_accounts")
    assert rows == [(KEYS[A], "slack", "globex")]
    assert stand.rows("SELECT label FROM integrated_accounts") == [(None,)]
    stand.put(A, groups_of(1), context={"label": "Okta US"})
    stand.discover()
    assert stand.rows("SELECT label FROM integrated_accounts") == [("Okta US",)]


def test_two_accounts_that_would_share_a_key_have_keys_of_their_own(stand: Stand) -> None:
    twin = A[:8] + "-1111-4000-8000-000000000009"
    stand.put(A, groups_of(1))
    stand.discover()
    stand.put(twin, groups_of(1))

    assert stand.discover(partition_keys=[KEYS[A]]).added_keys == [f"{KEYS[A]}1"]
    assert stand.rows("SELECT id FROM integrated_accounts WHERE partition_key = $key", key=KEYS[A])
