"""What becomes of accounts that are synced together, each with an answer of its own.

Two runs for all tests of this file: a first sync, and one of accounts that are published already.
Real: HTTP on loopback, the client, the thread that fetches, DuckDB in a file. Faults are injected
on the server's side; the clock is the test's.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from truto_groups.errors import SettingsError
from truto_groups.sandbox import Request, Response, Verbatim
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import (
    DATA_TABLES,
    GROUPS_PATH,
    START,
    Intercept,
    Row,
    Stand,
    group,
    groups_of,
    open_stand,
    serve_body,
)

# Two runs of a second each, which every worker that has one of these would make for itself.
pytestmark = pytest.mark.long

DEEP = "[" * 5000 + "]" * 5000


def account_of(what: str) -> str:
    """The id of the account in which something happens."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, what))


def answer_by_account(faults: Mapping[str, Intercept]) -> Intercept:
    """Answer the groups of each of these accounts in its own way."""

    def intercept(request: Request) -> Response | None:
        fault = faults.get(request.integrated_account_id or "")
        return fault(request) if fault is not None else None

    return intercept


@dataclass(frozen=True)
class Run:
    """A run, and what the tables held before it and after it.

    Attributes:
        stand: Whose tables these are.
        results: What became of each account.
        before: The rows of each account, by its id and by table.
        after: The same after the run.
        asked: The account of each request for groups.
        now: When the run was.
    """

    stand: Stand
    results: Mapping[str, AccountResult | PassedOver]
    before: Mapping[tuple[str, str], Sequence[Row]]
    after: Mapping[tuple[str, str], Sequence[Row]]
    asked: Sequence[str | None]
    now: datetime

    def outcome(self, account: str) -> str:
        return self.result(account).attempt.outcome

    def result(self, account: str) -> AccountResult:
        result = self.results[account]
        assert isinstance(result, AccountResult)
        return result

    def rows(self, table: str, account: str) -> Sequence[Row]:
        return self.after.get((account, table), [])

    def attempt(self, account: str) -> Row:
        """The account's last row in the ledger."""
        rows = self.rows("account_syncs", account)
        return max(rows, key=lambda row: row["started_at"])

    def has_kept_rows(self, account: str) -> bool:
        return all(
            self.before.get((account, table)) == self.after.get((account, table))
            for table in DATA_TABLES
        )


def read_by_account(stand: Stand) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for table in (*DATA_TABLES, "account_syncs", "integrated_accounts", "held_back_groups"):
        name = "id" if table == "integrated_accounts" else "integrated_account_id"
        for row in stand.table(table):
            found.setdefault((row[name], table), []).append(row)
    return found


def run(stand: Stand, run_id: str) -> Run:
    before = read_by_account(stand)
    stand.server.forget_requests()
    results = stand.sync(run_id=run_id)
    asked = [r.integrated_account_id for r in stand.server.requests if r.path == GROUPS_PATH]
    return Run(stand, results, before, read_by_account(stand), asked, stand.now)


# A first sync.

ENVELOPES: Mapping[str, Any] = {
    "an empty cursor": {"result": [group(1)], "next_cursor": ""},
    "results": {"results": [group(1)]},
    "keyed by id": {"result": {"g1": group(1)}, "next_cursor": None},
}
WELL, EMPTY = account_of("well"), account_of("empty")
GONE, REVOKED, TOO_DEEP = account_of("gone"), account_of("revoked"), account_of("too deep")
LAPSED, GROUPLESS, SKIPPED = account_of("lapsed"), account_of("groupless"), account_of("skipped")
PARTIAL, UNITED, TWICE = account_of("partial"), account_of("united"), account_of("twice")
ODD, IMPOSSIBLE, UNASKED = account_of("odd"), account_of("impossible"), account_of("unasked")

SETTINGS = f"""
integrations:
  gitlab: {{refresh_every: 5d, max_age: 6d}}
accounts:
  {UNITED}: {{query: {{organization_id: ["1", "3"]}}}}
  {SKIPPED}: {{skip: true}}
  {IMPOSSIBLE}: {{max_age: 4d}}
"""


def connect_new_accounts(stand: Stand) -> None:
    for account in (GONE, REVOKED, TOO_DEEP, SKIPPED, *map(account_of, ENVELOPES)):
        stand.put(account, groups_of(3))
    stand.put(WELL, groups_of(5))
    stand.put(EMPTY, [])
    stand.put(LAPSED, groups_of(3), status="needs_reauth", last_error="Token was revoked")
    stand.put(GROUPLESS, groups_of(3), integration="zendesk")
    stand.put(PARTIAL, [group(1, description="in full")])
    in_organizations = [group(number, organization=f"{number}") for number in (1, 2, 3)]
    stand.put(UNITED, in_organizations, integration="asana")
    stand.put(UNASKED, groups_of(3), integration="asana")
    stand.put(TWICE, [group(1), group(2), group(1), group(2, "Later"), group(3)])
    odd = {"created_at": True, "updated_at": {"at": 1}, "group_type": ["team"]}
    stand.put(ODD, [group(1), group(2, **odd)])
    stand.put(IMPOSSIBLE, groups_of(3), integration="gitlab")


@pytest.fixture(name="first", scope="module")
def provide_first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The first sync of all accounts, two groups a page."""
    revoked = {"message": "Unauthorized", "truto_is_remote_error": True, "raw_response": {}}
    too_deep = f'{{"result": [{{"id": "1", "remote_data": {DEEP}}}]}}'
    partial = {"result": [{"id": "g1"}], "next_cursor": None, "is_partial_response": True}
    faults = {
        GONE: serve_body(GONE, {"message": "Resource is gone"}, status=404),
        REVOKED: serve_body(REVOKED, revoked, status=401),
        TOO_DEEP: serve_body(TOO_DEEP, too_deep),
        PARTIAL: serve_body(PARTIAL, partial),
        **{
            account_of(what): serve_body(account_of(what), body) for what, body in ENVELOPES.items()
        },
    }
    with open_stand(tmp_path_factory.mktemp("first")) as stand:
        connect_new_accounts(stand)
        stand.server.intercept = answer_by_account(faults)
        stand.knobs = {"page_size": 2}
        stand.discover()
        stand.write_settings(SETTINGS)
        yield run(stand, "r1")


def test_failing_accounts_leave_the_others_published(first: Run) -> None:
    """Behaviour 2."""
    failed = {GONE, REVOKED, TOO_DEEP, IMPOSSIBLE, UNASKED}
    passed_over = {LAPSED, GROUPLESS, SKIPPED}
    ended = {
        account: result.attempt.outcome
        for account, result in first.results.items()
        if isinstance(result, AccountResult)
    }
    assert set(ended) == set(first.results) - passed_over
    assert {account for account, outcome in ended.items() if outcome != "published"} == failed
    assert {ended[account] for account in failed} == {"failed"}
    with_rows = {account for account, table in first.after if table == "groups"}
    assert with_rows == set(ended) - failed - {EMPTY}


def test_a_failing_account_is_told_with_its_reason(first: Run) -> None:
    """Behaviour 2: with its reason and what to do about it."""
    row = first.attempt(GONE)
    assert row["error_kind"] == "not_found"
    assert f"acme.okta.{GONE[:8]}" in row["error"]
    assert "Resource is gone" in row["error"]


def test_an_app_that_wants_reauthorisation_fails_its_account_alone(first: Run) -> None:
    """Behaviour 5: a 401 with truto_is_remote_error."""
    assert (first.outcome(REVOKED), first.outcome(WELL)) == ("failed", "published")
    row = first.attempt(REVOKED)
    assert row["error_kind"] == "account_needs_reauth"
    assert "reconnect" in row["error"]


def test_a_record_that_no_parser_can_read_stops_no_other_account(first: Run) -> None:
    assert (first.outcome(TOO_DEEP), first.outcome(WELL)) == ("failed", "published")


def test_settings_that_an_integration_makes_impossible_fail_that_account_alone(
    first: Run,
) -> None:
    assert (first.outcome(IMPOSSIBLE), first.outcome(WELL)) == ("failed", "published")
    row = first.attempt(IMPOSSIBLE)
    assert row["error_kind"] == SettingsError.kind
    assert "max_age" in row["error"]


def test_accounts_that_cannot_be_synced_are_passed_over_without_a_ledger_row(
    first: Run,
) -> None:
    reasons = {
        account: result.reason
        for account, result in first.results.items()
        if isinstance(result, PassedOver)
    }
    assert set(reasons) == {LAPSED, GROUPLESS, SKIPPED}
    assert "needs_reauth (Token was revoked)" in reasons[LAPSED]
    assert "zendesk, has no groups" in reasons[GROUPLESS]
    assert "skips" in reasons[SKIPPED]
    assert not any(first.rows("account_syncs", account) for account in reasons)
    assert not set(reasons) & set(first.asked)


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_documented_envelope_is_understood(first: Run, envelope: str) -> None:
    account = account_of(envelope)
    assert first.outcome(account) == "published"
    assert [row["id"] for row in first.rows("groups", account)] == ["g1"]


def test_an_account_without_groups_is_published_as_empty(first: Run) -> None:
    """Behaviour 3: whole and well formed, it is an answer like any other."""
    assert first.outcome(EMPTY) == "published"
    assert [first.rows(table, EMPTY) for table in DATA_TABLES] == [[] for _ in DATA_TABLES]
    row = first.attempt(EMPTY)
    assert (row["group_count"], row["page_count"]) == (0, 1)
    (account,) = first.rows("integrated_accounts", EMPTY)
    assert account["last_confirmed_at"] == first.now


def test_a_missing_parameter_is_named_in_the_error(first: Run) -> None:
    assert first.outcome(UNASKED) == "failed"
    row = first.attempt(UNASKED)
    assert row["error_kind"] == "bad_request"
    assert "organization_id" in row["error"]


def test_a_parameter_with_several_values_is_listed_once_each_and_united(first: Run) -> None:
    assert first.outcome(UNITED) == "published"
    assert [row["id"] for row in first.rows("groups", UNITED)] == ["g1", "g3"]


def test_a_page_that_says_it_is_partial_is_completed(first: Run) -> None:
    assert first.outcome(PARTIAL) == "published"
    assert [row["description"] for row in first.rows("groups", PARTIAL)] == ["in full"]


def find_kinds(result: AccountResult) -> dict[str, int | None]:
    assert result.verdict is not None
    return {finding.kind: finding.record_count for finding in result.verdict.findings}


def test_the_same_group_on_two_pages_is_kept_once_and_another_content_is_told(
    first: Run,
) -> None:
    """Behaviour 4: the later one is kept."""
    names = [row["name"] for row in first.rows("groups", TWICE)]
    assert names == ["Group 1", "Later", "Group 3"]
    result = first.result(TWICE)
    assert result.attempt.group_count == 3
    assert find_kinds(result)["duplicate_ids_differ"] == 1


def test_what_is_no_instant_and_no_type_is_told_on_a_first_sync_and_published(
    first: Run,
) -> None:
    assert first.outcome(ODD) == "published"
    (row,) = [row for row in first.rows("groups", ODD) if row["id"] == "g2"]
    assert (row["created_at"], row["updated_at"]) == (None, None)
    assert (row["group_type"], row["group_type_as_received"]) == ("unmapped", '["team"]')
    kinds = find_kinds(first.result(ODD))
    assert {"instants_unreadable", "group_types_unmapped"} <= set(kinds)


def test_the_ledger_keeps_what_a_sync_cost(first: Run) -> None:
    row = first.attempt(WELL)
    assert (row["run_id"], row["outcome"]) == ("r1", "published")
    assert (row["group_count"], row["page_count"], row["request_count"]) == (5, 3, 3)
    assert (row["retry_count"], row["throttled_seconds"]) == (0, 0.0)
    assert row["byte_count"] > 500
    assert (row["started_at"], row["finished_at"]) == (START, START)
    assert (row["error_kind"], row["error"]) == (None, None)
    assert len(row["digest"]) == 32


def test_nothing_of_a_run_is_left_on_the_disk_but_database_and_lock(first: Run) -> None:
    folder = Path(first.stand.folder)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    suffixes = ("", ".lock", ".order", ".runs", ".turn")
    assert left == {first.stand.settings_path.name, *(f"groups.duckdb{one}" for one in suffixes)}


# A sync of accounts that are published already.

FAULTS = {
    "500 for ever": Response(status=500, body=b"{}"),
    "not found": Response.of_json({"message": "No such account"}, status=404),
    "HTML": Response(status=200, body=b"<html>", content_type="text/html"),
    "no result": Response.of_json({"next_cursor": None}),
    "result is null": Response.of_json({"result": None, "next_cursor": None}),
    "result is text": Response.of_json({"result": "x", "next_cursor": None}),
    "hung up": Response(hang_up=True),
    "cut off": Response(status=200, body=b'{"result": [{"id": "g1"}]', cut_at=9),
    "the first cursor again": Response.of_json({"result": [], "next_cursor": "again"}),
    "no JSON in a record": Response(status=200, body=b'{"result": [{"id": }]}'),
    "nested too deep": Response(
        status=200, body=f'{{"result": [{{"id": "1", "remote_data": {DEEP}}}]}}'.encode()
    ),
}
PAGES = {"first": 1, "middle": 2, "last": 4}

NO_LISTS: Mapping[str, object] = {
    "an empty object": {},
    "null": {"result": None},
    "a number": {"result": 0},
    "an empty array": [],
    "a text": '"text"',
    "null alone": "null",
}

CHAINS: Mapping[str, tuple[Iterable[str], str, str]] = {
    "at once": (["a", "a"], "pagination", "a page seen before"),
    "later": (["a", "b", "c", "a"], "pagination", "a page seen before"),
    "never": (map("c{}".format, count()), "too_many_pages", "pages"),
}
"""The cursors that follow, by when one of them is seen again; the kind of the error and a word."""

BAD: Mapping[str, Any] = {
    "id is null": {**group(2), "id": None},
    "id is missing": {"name": "No id"},
    "id is empty": {**group(2), "id": ""},
    "id changed its type": {**group(2), "id": 2},
    "name changed its type": {**group(2), "name": {"en": "Two"}},
    "group_type changed its type": {**group(2), "group_type": 4},
    "description changed its type": {**group(2), "description": ["x"]},
    "an array": ["g2"],
    "a text": "g2",
}

SOFTER: Mapping[str, Row] = {
    "null": {**group(2), "name": None},
    "absent": {key: value for key, value in group(2).items() if key != "name"},
    "added": {**group(2), "extra": 1},
    "retyped below": {**group(2), "remote_data": {"id": "g2", "size": "two"}},
    "a new type": {**group(2), "group_type": "squad"},
    "no instant": {**group(2), "created_at": "yesterday"},
    "a first value": {**group(2), "description": "new"},
}

SAME, ASKED_OTHERWISE = account_of("same"), account_of("asked otherwise")
NAMED_TWICE, INCOMPLETE = account_of("named twice"), account_of("incomplete")
GAPS = account_of("gaps")
TWO_NAMES = '{"id": "g0", "name": "Everyone", "name": "Admins"}'


def replace_second(record: Any) -> list[Any]:
    return [*groups_of(2), record, *groups_of(6)[3:]]


def fail_page(page: int, answer: Response) -> Intercept:
    """Answer the given page (from 1) of an account, and all that follow, with a fault."""
    counted = count(1)
    return lambda _: answer if next(counted) >= page else None


def follow(cursors: Iterable[str]) -> Intercept:
    """Answer each request with a group and the next cursor."""
    left = iter(cursors)
    return lambda _: Response.of_json({"result": [group(9)], "next_cursor": next(left)})


def lose_single_group(request: Request) -> Response | None:
    is_single = request.path == f"{GROUPS_PATH}/g3"
    return Response.of_json({"message": "gone"}, status=404) if is_single else None


def list_faults() -> dict[str, Intercept]:
    return {
        **{
            account_of(f"{fault} {page}"): fail_page(number, FAULTS[fault])
            for fault in FAULTS
            for page, number in PAGES.items()
        },
        **{
            account_of(f"no list {what}"): serve_body(account_of(f"no list {what}"), body)
            for what, body in NO_LISTS.items()
        },
        **{account_of(f"chain {what}"): follow(chain) for what, (chain, _, _) in CHAINS.items()},
        INCOMPLETE: lose_single_group,
    }


def describe(word: str) -> list[Row]:
    return [group(number, description=f"{word} {number}") for number in range(5)]


@pytest.fixture(name="again", scope="module")
def provide_again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A sync of accounts that are published already; two groups a page, each asked for once."""
    faults = list_faults()
    with open_stand(tmp_path_factory.mktemp("again")) as stand:
        stand.knobs = {"page_size": 2, "retry_attempts": 1, "max_pages": 20}
        changing = {
            **{account_of(f"bad {what}"): replace_second(bad) for what, bad in BAD.items()},
            **{account_of(f"softer {what}"): replace_second(one) for what, one in SOFTER.items()},
            NAMED_TWICE: [Verbatim(TWO_NAMES)],
        }
        for account in (*changing, SAME, ASKED_OTHERWISE):
            stand.put(account, groups_of(1 if account == NAMED_TWICE else 6))
        for account in faults:
            stand.put(account, groups_of(8))
        stand.put(INCOMPLETE, describe("Long"), integration="jfrog")
        stand.put(GAPS, groups_of(6), empty_pages=frozenset({1, 3}))
        stand.discover()
        assert set(stand.outcomes(run_id="r1").values()) == {"published"}
        stand.pass_time(hours=1)

        for account, groups in changing.items():
            stand.put(account, groups)
        for account in faults:
            stand.put(account, [group(number, "Changed") for number in range(8)])
        stand.put(INCOMPLETE, describe("Longer"), integration="jfrog")
        stand.write_settings(f"accounts: {{{ASKED_OTHERWISE}: {{query: {{group_type: team}}}}}}")
        stand.server.intercept = answer_by_account(faults)
        yield run(stand, "r2")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_page_leaves_the_previous_rows_as_they_were(
    again: Run, fault: str, page: str
) -> None:
    """Behaviours 1 and 3: what is unknown is not empty."""
    account = account_of(f"{fault} {page}")
    assert again.outcome(account) == "failed"
    told = again.result(account).attempt.error
    assert f"acme.okta.{account[:8]}" in (told or "")
    assert len(again.rows("groups", account)) == 8
    assert again.has_kept_rows(account)
    row = again.attempt(account)
    assert (row["outcome"], row["error"]) == ("failed", told)
    assert row["error_kind"] != "error"
    assert row["finished_at"] is not None


@pytest.mark.parametrize("body", NO_LISTS)
def test_unknown_is_not_empty(again: Run, body: str) -> None:
    """Behaviour 3: a malformed result is an error."""
    account = account_of(f"no list {body}")
    assert again.outcome(account) == "failed"
    assert again.attempt(account)["error_kind"] == "envelope"
    assert len(again.rows("groups", account)) == 8
    assert again.has_kept_rows(account)


def test_an_empty_page_with_a_cursor_is_no_end(again: Run) -> None:
    """Behaviour 3."""
    assert len(again.rows("groups", GAPS)) == 6


@pytest.mark.parametrize("chain", CHAINS)
def test_pages_cannot_trick_us(again: Run, chain: str) -> None:
    """Behaviour 4: a cursor seen before at any distance, or too many pages, fail the sync."""
    _, kind, word = CHAINS[chain]
    account = account_of(f"chain {chain}")
    assert again.outcome(account) == "failed"
    row = again.attempt(account)
    assert row["error_kind"] == kind
    assert word in row["error"]
    assert again.has_kept_rows(account)


@pytest.mark.parametrize("bad", BAD)
def test_what_would_make_rows_wrong_is_held_back_before_it_is_published(
    again: Run, bad: str
) -> None:
    """Behaviour 6: one such record in the answer is enough."""
    account = account_of(f"bad {bad}")
    assert again.outcome(account) == "held_back"
    assert len(again.rows("groups", account)) == 6
    assert again.has_kept_rows(account)
    row = again.attempt(account)
    assert row["error_kind"] == "contract_broken"
    assert "held_back_groups" in row["error"]
    held = [json.loads(found["record"]) for found in again.rows("held_back_groups", account)]
    assert held == replace_second(BAD[bad])


def test_an_account_beside_those_that_are_held_back_is_unchanged(again: Run) -> None:
    assert again.outcome(SAME) == "unchanged"
    assert again.has_kept_rows(SAME)


def test_a_record_with_two_fields_of_one_name_is_held_back(again: Run) -> None:
    """Readers disagree on which of the two counts."""
    assert again.outcome(NAMED_TWICE) == "held_back"
    assert again.has_kept_rows(NAMED_TWICE)
    assert "two fields of one name" in again.attempt(NAMED_TWICE)["error"]
    held = [row["record"] for row in again.rows("held_back_groups", NAMED_TWICE)]
    assert held == [TWO_NAMES]


@pytest.mark.parametrize("softer", SOFTER)
def test_additions_and_softer_changes_are_published(again: Run, softer: str) -> None:
    """Behaviour 6: null or absence is no change of type."""
    account = account_of(f"softer {softer}")
    assert again.outcome(account) == "published"
    (row,) = [row for row in again.rows("raw_groups", account) if row["id"] == "g2"]
    assert json.loads(row["record"]) == SOFTER[softer]


def test_partial_answers_are_completed_and_a_completion_that_fails_fails_the_sync(
    again: Run,
) -> None:
    """Behaviour 7: for an integration that is documented as partial on list."""
    first = [row["description"] for row in again.before[INCOMPLETE, "groups"]]
    assert first == [one["description"] for one in describe("Long")]
    assert again.outcome(INCOMPLETE) == "failed"
    assert again.has_kept_rows(INCOMPLETE)
    assert again.attempt(INCOMPLETE)["error_kind"] == "completion"


def test_an_answer_that_changes_no_row_ends_as_unchanged(again: Run) -> None:
    """Behaviour 9: also where it is the answer to another question."""
    assert again.outcome(ASKED_OTHERWISE) == "unchanged"
    assert again.has_kept_rows(ASKED_OTHERWISE)
    (account,) = again.rows("integrated_accounts", ASKED_OTHERWISE)
    assert account["last_confirmed_at"] == again.now
