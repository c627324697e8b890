"""What a publication writes: rows, changes field by field, hints, and the past that they replay.

Real: HTTP on loopback, the client, DuckDB in a file. The clock is the test's.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.schema import GROUPS, NORMALIZATION_VERSION
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import (
    KEYS,
    START,
    A,
    B,
    Row,
    Stand,
    group,
    groups_of,
)
from truto_groups_tests.sync.histories import Histories, Past

# Each worker that has one of these would live through the histories for itself.
pytestmark = pytest.mark.long

SETTINGS = {"volume": {"max_fall": 1.0, "max_rise": 1000}}

HISTORIES = Histories(SETTINGS)


provide_past = HISTORIES.make_past()


def sync_account(stand: Stand, groups: Sequence[Any], *, run_id: str) -> AccountResult:
    """Let A answer this, an hour before now."""
    stand.put(A, groups)
    result = stand.sync(A, run_id=run_id)[A]
    assert isinstance(result, AccountResult)
    stand.pass_time(hours=1)
    return result


def changes_of(stand: Stand) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    return [
        (row["id"], row["change"], row["hint"], json.loads(row["changed_fields"]))
        for row in stand.table("group_changes")
    ]


@pytest.fixture(name="published")
def provide_shrinking(published: Stand) -> Stand:
    """As everywhere, but small accounts may shrink."""
    published.write_settings(json.dumps({"defaults": SETTINGS}))
    return published


SENT = {
    "id": 7,
    "name": "Ops",
    "group_type": "Department",
    "description": "",
    "organization": "o1",
    "created_at": "2024-01-02T03:04:05+01:00",
    "updated_at": 1704164645,
    "remote_data": {"n": 1.5},
    "cost_center": "K1",
}
WITH_EVERY_FIELD = HISTORIES.add([SENT], integration="gitlab", tenant_id="acme")


def test_a_first_sync_publishes_every_column_as_the_contract_says(past: Past) -> None:
    (row,) = past.rows("groups", WITH_EVERY_FIELD)
    assert tuple(row) == GROUPS.column_names
    assert {**row, "created_at": row["created_at"].isoformat()} == {
        "integrated_account_id": WITH_EVERY_FIELD,
        "integration": "gitlab",
        "tenant_id": "acme",
        "id": "7",
        "name": "Ops",
        "group_type": "department",
        "group_type_as_received": "Department",
        "description": "",
        "organization_id": "o1",
        "created_at": "2024-01-02T02:04:05+00:00",
        "updated_at": START.replace(2024, 1, 2, 3, 4, 5),
        "remote_data": '{"n":1.5}',
        "other_fields": '{"cost_center":"K1"}',
        "first_seen_at": START,
        "changed_at": START,
        "normalization_version": NORMALIZATION_VERSION,
    }
    (raw,) = past.rows("raw_groups", WITH_EVERY_FIELD)
    assert json.loads(raw["record"]) == SENT
    assert raw["received_at"] == START


INITIAL = HISTORIES.add(groups_of(3))


def test_an_initial_sync_is_a_beginning_and_makes_no_changes(past: Past) -> None:
    assert past.rows("group_changes", INITIAL) == []
    assert len(past.rows("groups", INITIAL)) == 3
    assert past.results[INITIAL, 1].replacement.added == 0


def test_rows_of_which_the_ledger_knows_nothing_are_compared_with(published: Stand) -> None:
    published.write(
        "DELETE FROM account_syncs; UPDATE integrated_accounts SET last_confirmed_at = NULL"
    )
    result = sync_account(published, [*groups_of(2), group(3)], run_id="later")
    assert (result.replacement.added, result.replacement.removed) == (1, 1)
    assert sorted((key, change) for key, change, _, _ in changes_of(published)) == [
        ("g2", "removed"),
        ("g3", "added"),
    ]
    for table in ("groups", "raw_groups"):
        assert len(published.table(table, account=A)) == 3


def test_a_raw_record_that_belongs_to_no_group_goes_with_the_next_sync(published: Stand) -> None:
    published.write(
        "INSERT INTO raw_groups SELECT * REPLACE ('other' AS id) FROM raw_groups "
        "WHERE id = 'g1' AND integrated_account_id = $id",
        id=A,
    )
    assert published.outcomes(A, run_id="r2") == {A: "published"}
    assert len(published.table("raw_groups", account=A)) == 3
    assert published.table("group_changes") == []
    assert published.outcomes(A, run_id="r3") == {A: "unchanged"}
    assert isinstance(published.replay(A)[A], AccountResult)


RECORDED = HISTORIES.add([group(1)], settings={"record_initial_sync": True})


def test_a_setting_records_the_initial_sync_as_added(past: Past) -> None:
    ((key, change, hint, fields),) = past.changes(RECORDED)
    assert (key, change, hint) == ("g1", "added", None)
    assert fields["name"] == [None, "Group 1"]


CHANGING = HISTORIES.add(
    [group(1), group(2, description="old"), group(3)],
    [group(1), group(2, description="new"), group(4, "Fresh")],
)


def test_added_removed_and_changed_groups_are_told_apart_with_before_and_after(
    past: Past,
) -> None:
    result = past.results[CHANGING, 2].replacement
    assert (result.added, result.removed, result.changed) == (1, 1, 1)
    found = {key: (change, fields) for key, change, _, fields in past.changes(CHANGING)}
    assert {key: change for key, (change, _) in found.items()} == {
        "g2": "changed",
        "g3": "removed",
        "g4": "added",
    }
    assert found["g2"][1] == {"description": ["old", "new"]}
    assert found["g3"][1]["name"] == ["Group 3", None]
    assert found["g3"][1]["created_at"] == ["2025-01-15T09:00:00.000000Z", None]
    assert found["g4"][1]["name"] == [None, "Fresh"]
    assert found["g4"][1]["group_type"] == [None, "team"]
    rows = past.rows("group_changes", CHANGING)
    assert {(row["changed_at"], row["run_id"]) for row in rows} == {(START.replace(day=2), "run2")}


BECOMING_NULL = HISTORIES.add(
    [group(1, description=None, organization="o")], [group(1, description="d", organization=None)]
)


def test_a_null_that_becomes_a_value_and_a_value_that_becomes_null_are_changes(
    past: Past,
) -> None:
    ((_, change, _, fields),) = past.changes(BECOMING_NULL)
    assert change == "changed"
    assert fields == {"description": [None, "d"], "organization_id": ["o", None]}


RENAMED = HISTORIES.add(
    [group(1, "Old"), group(2, "Lost"), group(3, "Removed"), group(4) | {"name": None}],
    [group(1, "New"), group(2) | {"name": None}, group(4, "Found")],
)


def test_a_change_is_told_under_the_name_after_it_and_a_removal_under_the_name_before(
    past: Past,
) -> None:
    examples = past.results[RENAMED, 2].replacement.examples
    names = {"g1": "New", "g2": None, "g3": "Removed", "g4": "Found"}
    assert {row["id"]: row["name"] for row in past.rows("group_changes", RENAMED)} == names
    assert {one.id: one.name for one in examples} == names


MEANINGS: Mapping[str, tuple[list[Row], list[Row], Mapping[str, str | None]]] = {
    "same id, new name": ([group(1, "Old")], [group(1, "New")], {"g1": "renamed"}),
    "same id, new type": ([group(1)], [group(1, group_type="department")], {"g1": "retyped"}),
    "new name and type": (
        [group(1, "Old")],
        [group(1, "New", group_type="group")],
        {"g1": "renamed"},
    ),
    "same name, new id": (
        [group(1, "Ops"), group(9)],
        [group(2, "Ops"), group(9)],
        {"g1": "recreated", "g2": "recreated"},
    ),
    "no name, new id": (
        [{"id": "a"}, group(9)],
        [{"id": "b"}, group(9)],
        {"a": None, "b": None},
    ),
    "same id, another group": (
        [group(1, "Old", created_at="2020-01-01")],
        [group(1, "New", created_at="2024-01-01")],
        {"g1": "id_reused"},
    ),
    "new name, and created_at mapped since": (
        [group(1, "Old", created_at=None)],
        [group(1, "New")],
        {"g1": "renamed"},
    ),
    "new name, and created_at mapped no more": (
        [group(1, "Old")],
        [group(1, "New", created_at=None)],
        {"g1": "renamed"},
    ),
    "another field": ([group(1, description="a")], [group(1, description="b")], {"g1": None}),
    "only removed": ([group(1), group(2)], [group(1)], {"g2": None}),
    "removed and added under other names": (
        [group(1, "A"), group(2, "B")],
        [group(3, "C"), group(2, "B")],
        {"g1": None, "g3": None},
    ),
}
"""By what happened: the groups before and after, and the hint of each change."""


WITH_MEANING = {what: HISTORIES.add(before, after) for what, (before, after, _) in MEANINGS.items()}


def test_a_hint_tells_what_a_change_means(past: Past) -> None:
    told = {
        what: {row["id"]: row["hint"] for row in past.rows("group_changes", account)}
        for what, account in WITH_MEANING.items()
    }
    assert told == {what: hints for what, (_, _, hints) in MEANINGS.items()}


GROWING = HISTORIES.add(
    [group(1), group(2)],
    [group(1), group(2, "Other")],
    [group(1), group(2, "Other"), group(3)],
)


def test_first_seen_at_and_changed_at_follow_the_content(past: Past) -> None:
    days = {
        row["id"]: (row["first_seen_at"].day, row["changed_at"].day)
        for row in past.rows("groups", GROWING)
    }
    assert days == {"g1": (1, 1), "g2": (1, 2), "g3": (3, 3)}


OTHER_REMOTE_DATA = HISTORIES.add([group(1)], [group(1, remote_data={"size": 99})])


def test_a_change_only_in_remote_data_makes_no_row_and_moves_no_changed_at(past: Past) -> None:
    result = past.results[OTHER_REMOTE_DATA, 2].replacement
    assert past.changes(OTHER_REMOTE_DATA) == []
    assert (result.changed, result.touched) == (0, 1)
    (row,) = past.rows("groups", OTHER_REMOTE_DATA)
    assert json.loads(row["remote_data"]) == {"size": 99}
    assert row["changed_at"] == START
    (raw,) = past.rows("raw_groups", OTHER_REMOTE_DATA)
    assert raw["received_at"] == START.replace(day=2)


COMING_BACK = HISTORIES.add([group(1), group(2)], [group(1)], [group(1), group(2)])


def test_an_id_that_comes_back_keeps_the_instant_at_which_it_was_first_published(
    past: Past,
) -> None:
    seen = {row["id"]: row["first_seen_at"].day for row in past.rows("groups", COMING_BACK)}
    assert seen == {"g1": 1, "g2": 1}
    assert [(key, change) for key, change, _, _ in past.changes(COMING_BACK)] == [
        ("g2", "added"),
        ("g2", "removed"),
    ]


def test_an_account_that_moves_to_another_tenant_is_a_change_of_every_group(
    published: Stand,
) -> None:
    published.put(A, groups_of(3), tenant_id="globex")
    published.discover()
    published.sync(A, run_id="run2")
    for table in ("groups", "group_type_breakdown"):
        assert {row["tenant_id"] for row in published.table(table, account=A)} == {"globex"}
    assert [fields for *_, fields in changes_of(published)] == 3 * [
        {"tenant_id": ["acme", "globex"]}
    ]


SAME, STILL_EMPTY = (
    HISTORIES.add(groups_of(30), list(reversed(groups_of(30)))),
    HISTORIES.add([], []),
)


@pytest.mark.parametrize("account", [SAME, STILL_EMPTY], ids=["thirty groups", "none"])
def test_the_same_data_synced_twice_leaves_the_same_tables_and_no_group_changes(
    past: Past, account: str
) -> None:
    """Behaviour 9; the ledger and last_confirmed_at apart."""
    assert past.outcome(account, day=2) == "unchanged"
    before = past.data(account, day=1)
    assert past.data(account, day=2) == before
    shapes = past.rows("account_shapes", account, day=1)
    assert past.rows("account_shapes", account, day=2) == shapes
    assert before["group_changes"] == []
    confirmed = past.stand.rows(
        "SELECT last_confirmed_at FROM integrated_accounts WHERE id = $id", id=account
    )
    assert confirmed == [(START.replace(day=2),)]


TURNED = HISTORIES.add(groups_of(3), [dict(reversed(one.items())) for one in groups_of(3)])


def test_the_same_groups_with_their_keys_in_another_order_change_no_row(past: Past) -> None:
    assert past.data(TURNED, day=2) == past.data(TURNED, day=1)


TYPES = ["team", "Team", "department", "squad", None, None]
OF_MANY_TYPES = HISTORIES.add([group(n, group_type=kind) for n, kind in enumerate(TYPES)])


def test_the_breakdown_counts_each_type_and_its_share(past: Past) -> None:
    found = {
        row["group_type"]: (row["group_count"], round(row["share"], 4))
        for row in past.rows("group_type_breakdown", OF_MANY_TYPES)
    }
    assert found == {
        "team": (2, 0.3333),
        "department": (1, 0.1667),
        "unmapped": (1, 0.1667),
        None: (2, 0.3333),
    }


LOSING_A_TYPE = HISTORIES.add([group(1), group(2, group_type="product")], [group(1)])


def test_the_breakdown_forgets_a_type_that_no_group_has_any_more(past: Past) -> None:
    rows = past.rows("group_type_breakdown", LOSING_A_TYPE)
    assert [(row["group_type"], row["share"]) for row in rows] == [("team", 1.0)]


EMPTIED = HISTORIES.add(groups_of(5), [])


def test_an_account_that_became_empty_is_empty_afterwards(past: Past) -> None:
    assert past.outcome(EMPTIED, day=2) == "published"
    data = past.data(EMPTIED, day=2)
    assert (data["raw_groups"], data["groups"], data["group_type_breakdown"]) == ([], [], [])
    assert {change for _, change, _, _ in past.changes(EMPTIED)} == {"removed"}
    newest = max(past.rows("account_syncs", EMPTIED), key=lambda row: row["started_at"])
    assert newest["group_count"] == 0


def test_publishing_one_account_leaves_the_rows_of_another_alone(past: Past) -> None:
    """Others were published on each of the days after its only one."""
    assert len(past.rows("groups", INITIAL)) == 3
    assert past.data(INITIAL, day=len(past.days)) == past.data(INITIAL, day=1)


def as_of(stand: Stand, day: float, *, account: str) -> list[tuple[Any, ...]]:
    return stand.rows(
        "SELECT * FROM groups_as_of($when) WHERE integrated_account_id = $id ORDER BY ALL",
        when=START + timedelta(days=day - 1),
        id=account,
    )


OFTEN_CHANGED = HISTORIES.add(
    [group(1), group(2, description="a"), group(3)],
    [group(1, "One"), group(2, description="a"), group(4)],
    [group(1, "One"), group(2, description=None, x=1), group(3, "Back"), group(4)],
    [],
    [group(1), group(2, description="z", x=2)],
    [group(1), group(2, description="z", x=2)],
)


def test_groups_as_of_gives_the_groups_as_they_were_at_any_instant(past: Past) -> None:
    columns = [
        name for name in GROUPS.column_names if name not in ("remote_data", "normalization_version")
    ]
    for day in range(1, len(past.days) + 1):
        then = past.rows("groups", OFTEN_CHANGED, day=day)
        rows = [tuple(row[name] for name in columns) for row in then]
        for instant in (day, day + 0.9):
            found = as_of(past.stand, instant, account=OFTEN_CHANGED)
            assert found == rows, f"{instant - 1} days after the first sync"
    assert as_of(past.stand, 0.9, account=OFTEN_CHANGED) == []


CHANGED_LATER = HISTORIES.add([group(1, "A's")], [group(1, "A's new")])
NEVER_CHANGED = HISTORIES.add([group(1, "B's")])


@pytest.mark.parametrize(
    ("day", "name"), [(1.5, "A's"), (2.5, "A's new")], ids=["before a change", "after it"]
)
def test_groups_as_of_keeps_accounts_apart(past: Past, day: float, name: str) -> None:
    names = [
        (row[0], row[4])
        for account in (CHANGED_LATER, NEVER_CHANGED)
        for row in as_of(past.stand, day, account=account)
    ]
    assert names == [(CHANGED_LATER, name), (NEVER_CHANGED, "B's")]


HELD_BACK = HISTORIES.add(groups_of(3), [{**group(1), "id": None}, group(2)])


def test_held_back_records_wait_and_the_rows_published_before_stay(past: Past) -> None:
    assert past.outcome(HELD_BACK, day=2) == "held_back"
    assert [row["id"] for row in past.rows("groups", HELD_BACK)] == ["g0", "g1", "g2"]
    held = [json.loads(row["record"])["id"] for row in past.rows("held_back_groups", HELD_BACK)]
    assert held == [None, "g2"]


RELEASED = HISTORIES.add(groups_of(3), [{**group(1), "id": None}], groups_of(4))
RELEASED_BY_THE_SAME = HISTORIES.add(groups_of(3), [{**group(1), "id": None}], groups_of(3))


def test_a_good_sync_releases_what_was_held_back(past: Past) -> None:
    assert len(past.rows("held_back_groups", RELEASED, day=2)) == 1
    assert past.rows("held_back_groups", RELEASED, day=3) == []
    assert len(past.rows("groups", RELEASED)) == 4


def test_a_sync_that_is_what_was_published_releases_what_was_held_back(past: Past) -> None:
    assert len(past.rows("held_back_groups", RELEASED_BY_THE_SAME, day=2)) == 1
    assert past.outcome(RELEASED_BY_THE_SAME, day=3) == "unchanged"
    assert past.rows("held_back_groups", RELEASED_BY_THE_SAME, day=3) == []


@pytest.mark.parametrize("table", ["groups", "raw_groups"])
def test_rows_that_somebody_deleted_come_back_with_the_next_sync(
    published: Stand, table: str
) -> None:
    raw = published.table("raw_groups", account=A)
    published.write(
        f"DELETE FROM {table} WHERE id = 'g1' AND integrated_account_id = $id",  # noqa: S608
        id=A,
    )
    assert published.outcomes(A, run_id="r2") == {A: "published"}
    rows = published.table("groups", account=A)
    assert [row["id"] for row in rows] == ["g0", "g1", "g2"]
    assert published.table("raw_groups", account=A) == [
        {**row, "received_at": published.now if row["id"] == "g1" else row["received_at"]}
        for row in raw
    ]


def test_a_replay_rebuilds_the_same_rows_without_a_request(published: Stand) -> None:
    sync_account(published, [group(1, "New", other=1)], run_id="r2")
    published.put(B, [])
    assert published.outcomes(B, run_id="r3") == {B: "published"}
    before = published.data()
    published.server.forget_requests()
    published.write("UPDATE groups SET name = 'spoilt' WHERE integrated_account_id = $id", id=A)
    published.write(
        "UPDATE group_type_breakdown SET group_count = 99 WHERE integrated_account_id = $id", id=A
    )
    published.replay(A, B)
    after = published.data()
    assert published.server.requests == ()
    for name in ("raw_groups", "group_type_breakdown"):
        assert after[name] == before[name]
    assert [{**row, "changed_at": None} for row in after["groups"]] == [
        {**row, "changed_at": None} for row in before["groups"]
    ]


def test_a_replay_under_new_rules_touches_the_rows_and_makes_no_changes(published: Stand) -> None:
    published.write("UPDATE groups SET normalization_version = 0")
    before = published.table("groups", account=A)
    result = published.replay(A)[A]
    assert isinstance(result, AccountResult)
    assert result.replacement.touched == 3
    assert published.table("groups", account=A) == [
        {**row, "normalization_version": NORMALIZATION_VERSION} for row in before
    ]
    assert published.table("group_changes") == []


@pytest.mark.parametrize(
    ("way", "table"), [("sync", "groups"), ("sync", "raw_groups"), ("replay", "groups")]
)
def test_rows_of_one_id_that_somebody_wrote_twice_become_one_again(
    published: Stand, way: str, table: str
) -> None:
    before = published.data()
    published.write(
        f"INSERT INTO {table} SELECT * FROM {table} "  # noqa: S608
        "WHERE id = 'g1' AND integrated_account_id = $id",
        id=A,
    )
    if way == "replay":
        published.replay(A)
        assert published.data() == before
    mended = "unchanged" if way == "replay" else "published"
    assert published.outcomes(A, run_id="r2") == {A: mended}
    assert published.data() == before
    if way == "sync":
        assert published.outcomes(A, run_id="r3") == {A: "unchanged"}


def test_a_replay_takes_no_part_of_the_raw_records_for_all_of_them(published: Stand) -> None:
    published.write("DELETE FROM raw_groups WHERE integrated_account_id = $id AND id > 'g1'", id=A)
    before = published.data()
    results = published.replay(A, B)
    assert published.data() == before
    result = results[A]
    assert isinstance(result, AccountResult)
    assert (result.attempt.outcome, result.attempt.error_kind) == ("failed", "raw_records")
    assert "2 raw records are there, and 3 were published" in (result.attempt.error or "")
    assert KEYS[A] in (result.attempt.error or "")
    other = results[B]
    assert isinstance(other, AccountResult)
    assert other.attempt.outcome == "published"


def test_an_account_that_was_never_synced_is_not_replayed_as_empty(listed: Stand) -> None:
    assert isinstance(listed.replay(A)[A], PassedOver)


def test_settings_that_a_replay_applied_and_took_back_are_taken_back_by_the_next_sync(
    published: Stand,
) -> None:
    """The last answer's digest says nothing of the rows that a replay has made since."""
    before = published.table("groups", account=A)
    published.write_settings("defaults: {remote_data: nothing}")
    published.replay(A)
    assert {row["remote_data"] for row in published.table("groups", account=A)} == {None}
    published.write_settings("defaults: {remote_data: all}")
    assert published.outcomes(A, run_id="r2") == {A: "published"}
    assert published.table("groups", account=A) == before


def test_a_tenant_that_a_replay_applied_and_that_moved_back_is_applied_by_the_next_sync(
    published: Stand,
) -> None:
    for tenant in ("globex", "acme"):
        published.put(A, groups_of(3), tenant_id=tenant)
        published.discover()
        if tenant == "globex":
            published.replay(A)
        else:
            assert published.outcomes(A, run_id="r2") == {A: "published"}
        assert {row["tenant_id"] for row in published.table("groups", account=A)} == {tenant}


NAMELESS = {"name": "No id"}
WITH_EQUALS = HISTORIES.add(groups_of(3), [*groups_of(3), NAMELESS, NAMELESS])


def test_two_equal_records_without_an_id_are_not_taken_for_none(past: Past) -> None:
    """In a digest that knows no order two equal records cancel out."""
    assert past.outcome(WITH_EQUALS, day=2) == "held_back"


def test_a_replay_leaves_ledger_and_freshness_as_they_are(published: Stand) -> None:
    before = published.table("account_syncs"), published.table("integrated_accounts")
    published.replay(A)
    assert (published.table("account_syncs"), published.table("integrated_accounts")) == before


def see(numbers: Sequence[int], *, new: int) -> list[Row]:
    """Groups of which remote_data alone tells something; that many have a field that is new."""
    return [
        group(
            number,
            remote_data={"seen": seen, "of": "x", "gone": 1}
            | ({"new": True} if number < new else {}),
        )
        for number, seen in enumerate(numbers)
    ]


SEEN_OTHERWISE = HISTORIES.add(see([0, 1, 2, 3], new=0), see([0, 1, 2, 0], new=2))


def test_a_change_only_in_remote_data_makes_no_row_and_is_counted_by_its_field(
    past: Past,
) -> None:
    result = past.results[SEEN_OTHERWISE, 2].replacement
    assert result.remote_changes == {"remote_data.new": 2, "remote_data.seen": 1}
    assert (result.touched, result.changed) == (3, 0)
    assert past.rows("group_changes", SEEN_OTHERWISE) == []
    before, after = (past.rows("groups", SEEN_OTHERWISE, day=day) for day in (1, 2))
    assert [row["changed_at"] for row in after] == [row["changed_at"] for row in before]
    assert [row["remote_data"] for row in after] != [row["remote_data"] for row in before]


def test_of_what_attempts_looked_like_the_baseline_and_the_newest_twenty_are_kept(
    published: Stand,
) -> None:
    published.write(
        "INSERT INTO account_shapes SELECT s.* REPLACE ('old' || n AS run_id, "
        "FALSE AS is_baseline, s.observed_at + INTERVAL 1 MINUTE * n AS observed_at) "
        "FROM account_shapes AS s, range(1, 31) AS r(n) WHERE integrated_account_id = $id",
        id=A,
    )
    sync_account(published, groups_of(4), run_id="r2")
    kept = [row["run_id"] for row in published.table("account_shapes", account=A)]
    assert sorted(kept) == sorted([*(f"old{n}" for n in range(12, 31)), "r1", "r2"])
