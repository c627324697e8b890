"""What a publication writes: rows, changes field by field, hints, and the past that they replay.

Real: HTTP on loopback, the client, DuckDB in a file. The clock is the test's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from truto_groups.schema import GROUPS, NORMALIZATION_VERSION
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import KEYS, ON_BOTH_STORES, START, A, B, Row, Stand, group, groups_of

pytestmark = pytest.mark.long


def sync_history(stand: Stand, *histories: Sequence[Any], key: str = A) -> list[AccountResult]:
    """Sync one answer after the other, a day apart; fields given as a mapping are settings."""
    results: list[AccountResult] = []
    for day, groups in enumerate(histories, 1):
        stand.put(key, groups)
        if not stand.database.exists:
            stand.discover()
        result = stand.sync(key, run_id=f"run{day}")[key]
        assert isinstance(result, AccountResult)
        results.append(result)
        stand.pass_time(days=1)
    return results


def changes_of(stand: Stand) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    return [
        (row["id"], row["change"], row["hint"], json.loads(row["changed_fields"]))
        for row in stand.table("group_changes")
    ]


@pytest.fixture(autouse=True)
def small_accounts_may_shrink(stand: Stand) -> None:
    stand.write_settings("defaults: {volume: {max_fall: 1.0, max_rise: 1000}}")


@ON_BOTH_STORES
def test_a_first_sync_publishes_every_column_as_the_contract_says(stand: Stand) -> None:
    sent = {
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
    stand.put(A, [sent], integration="gitlab", tenant_id="acme")
    stand.discover()
    stand.sync(A)
    (row,) = stand.table("groups")
    assert tuple(row) == GROUPS.column_names
    assert {**row, "created_at": row["created_at"].isoformat()} == {
        "integrated_account_id": A,
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
    (raw,) = stand.table("raw_groups")
    assert json.loads(raw["record"]) == sent
    assert raw["received_at"] == START


def test_an_initial_sync_is_a_beginning_and_makes_no_changes(stand: Stand) -> None:
    (result,) = sync_history(stand, groups_of(3))
    assert stand.table("group_changes") == []
    assert len(stand.table("groups")) == 3
    assert result.replacement.added == 0


@ON_BOTH_STORES
def test_rows_of_which_the_ledger_knows_nothing_are_compared_with(stand: Stand) -> None:
    sync_history(stand, groups_of(3))
    stand.write(
        "DELETE FROM account_syncs; UPDATE integrated_accounts SET last_confirmed_at = NULL"
    )
    (result,) = sync_history(stand, [*groups_of(2), group(3)])
    assert (result.replacement.added, result.replacement.removed) == (1, 1)
    assert sorted((key, change) for key, change, _, _ in changes_of(stand)) == [
        ("g2", "removed"),
        ("g3", "added"),
    ]
    assert len(stand.table("groups")) == len(stand.table("raw_groups")) == 3


def test_a_raw_record_that_belongs_to_no_group_goes_with_the_next_sync(stand: Stand) -> None:
    sync_history(stand, groups_of(3))
    stand.write(
        "INSERT INTO raw_groups SELECT * REPLACE ('other' AS id) FROM raw_groups WHERE id = 'g1'"
    )
    assert stand.outcomes(run_id="r2") == {A: "published"}
    assert len(stand.table("raw_groups")) == 3
    assert stand.table("group_changes") == []
    assert stand.outcomes(run_id="r3") == {A: "unchanged"}
    assert isinstance(stand.replay()[A], AccountResult)


def test_a_setting_records_the_initial_sync_as_added(stand: Stand) -> None:
    stand.write_settings("defaults: {record_initial_sync: true}")
    sync_history(stand, [group(1)])
    ((key, change, hint, fields),) = changes_of(stand)
    assert (key, change, hint) == ("g1", "added", None)
    assert fields["name"] == [None, "Group 1"]


def test_added_removed_and_changed_groups_are_told_apart_with_before_and_after(
    stand: Stand,
) -> None:
    before = [group(1), group(2, description="old"), group(3)]
    after = [group(1), group(2, description="new"), group(4, "Fresh")]
    result = sync_history(stand, before, after)[1].replacement
    assert (result.added, result.removed, result.changed) == (1, 1, 1)
    found = {key: (change, fields) for key, change, _, fields in changes_of(stand)}
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
    whens = {(row["changed_at"], row["run_id"]) for row in stand.table("group_changes")}
    assert whens == {(START.replace(day=2), "run2")}


def test_a_null_that_becomes_a_value_and_a_value_that_becomes_null_are_changes(
    stand: Stand,
) -> None:
    sync_history(
        stand,
        [group(1, description=None, organization="o")],
        [group(1, description="d", organization=None)],
    )
    ((_, change, _, fields),) = changes_of(stand)
    assert change == "changed"
    assert fields == {"description": [None, "d"], "organization_id": ["o", None]}


def test_a_change_is_told_under_the_name_after_it_and_a_removal_under_the_name_before(
    stand: Stand,
) -> None:
    before = [group(1, "Old"), group(2, "Lost"), group(3, "Removed"), group(4) | {"name": None}]
    after = [group(1, "New"), group(2) | {"name": None}, group(4, "Found")]
    examples = sync_history(stand, before, after)[1].replacement.examples
    names = {"g1": "New", "g2": None, "g3": "Removed", "g4": "Found"}
    assert {row["id"]: row["name"] for row in stand.table("group_changes")} == names
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


@ON_BOTH_STORES
def test_a_hint_tells_what_a_change_means(stand: Stand) -> None:
    """Each in an account of its own; all of them are published together."""
    accounts = {
        what: f"{number:08x}-0000-4000-8000-000000000001" for number, what in enumerate(MEANINGS)
    }
    for what, account in accounts.items():
        before, after, _ = MEANINGS[what]
        stand.put(account, before, after)
    stand.discover()
    for run_id in ("before", "after"):
        stand.sync(run_id=run_id)
        stand.pass_time(days=1)
    changes = stand.table("group_changes")
    told = {
        what: {row["id"]: row["hint"] for row in changes if row["integrated_account_id"] == account}
        for what, account in accounts.items()
    }
    assert told == {what: hints for what, (_, _, hints) in MEANINGS.items()}


def test_first_seen_at_and_changed_at_follow_the_content(stand: Stand) -> None:
    sync_history(
        stand,
        [group(1), group(2)],
        [group(1), group(2, "Other")],
        [group(1), group(2, "Other"), group(3)],
    )
    days = {
        row["id"]: (row["first_seen_at"].day, row["changed_at"].day)
        for row in stand.table("groups")
    }
    assert days == {"g1": (1, 1), "g2": (1, 2), "g3": (3, 3)}


def test_a_change_only_in_remote_data_makes_no_row_and_moves_no_changed_at(stand: Stand) -> None:
    result = sync_history(stand, [group(1)], [group(1, remote_data={"size": 99})])[1]
    assert changes_of(stand) == []
    assert (result.replacement.changed, result.replacement.touched) == (0, 1)
    (row,) = stand.table("groups")
    assert json.loads(row["remote_data"]) == {"size": 99}
    assert row["changed_at"] == START
    (raw,) = stand.table("raw_groups")
    assert raw["received_at"] == START.replace(day=2)


def test_an_id_that_comes_back_keeps_the_instant_at_which_it_was_first_published(
    stand: Stand,
) -> None:
    sync_history(stand, [group(1), group(2)], [group(1)], [group(1), group(2)])
    seen = {row["id"]: row["first_seen_at"].day for row in stand.table("groups")}
    assert seen == {"g1": 1, "g2": 1}
    assert [(key, change) for key, change, _, _ in changes_of(stand)] == [
        ("g2", "added"),
        ("g2", "removed"),
    ]


def test_an_account_that_moves_to_another_tenant_is_a_change_of_every_group(stand: Stand) -> None:
    sync_history(stand, groups_of(2))
    stand.put(A, groups_of(2), tenant_id="globex")
    stand.discover()
    stand.sync(A, run_id="run2")
    assert {row["tenant_id"] for row in stand.table("groups")} == {"globex"}
    assert {row["tenant_id"] for row in stand.table("group_type_breakdown")} == {"globex"}
    assert [fields for *_, fields in changes_of(stand)] == 2 * [{"tenant_id": ["acme", "globex"]}]


@ON_BOTH_STORES
def test_the_same_data_synced_twice_leaves_the_same_tables_and_no_group_changes(
    stand: Stand,
) -> None:
    """Behaviour 9; the ledger and last_confirmed_at apart."""
    stand.put(A, groups_of(30))
    stand.put(B, [])
    stand.discover()
    stand.sync(run_id="run1")
    before = stand.data()
    shapes = stand.table("account_shapes")
    stand.pass_time(hours=1)
    stand.put(A, list(reversed(groups_of(30))))
    outcomes = stand.outcomes(run_id="run2")
    assert outcomes == {A: "unchanged", B: "unchanged"}
    assert stand.data() == before
    assert stand.table("account_shapes") == shapes
    assert before["group_changes"] == []
    assert {row["last_confirmed_at"] for row in stand.table("integrated_accounts")} == {stand.now}


@ON_BOTH_STORES
def test_the_same_groups_with_their_keys_in_another_order_change_no_row(stand: Stand) -> None:
    turned = [dict(reversed(one.items())) for one in groups_of(3)]
    sync_history(stand, groups_of(3))
    before = stand.data()
    sync_history(stand, turned)
    assert stand.data() == before


@ON_BOTH_STORES
def test_the_breakdown_counts_each_type_and_its_share(stand: Stand) -> None:
    types = ["team", "Team", "department", "squad", None, None]
    sync_history(stand, [group(n, group_type=kind) for n, kind in enumerate(types)])
    found = {
        row["group_type"]: (row["group_count"], round(row["share"], 4))
        for row in stand.table("group_type_breakdown")
    }
    assert found == {
        "team": (2, 0.3333),
        "department": (1, 0.1667),
        "unmapped": (1, 0.1667),
        None: (2, 0.3333),
    }


def test_the_breakdown_forgets_a_type_that_no_group_has_any_more(stand: Stand) -> None:
    sync_history(stand, [group(1), group(2, group_type="product")], [group(1)])
    found = [(row["group_type"], row["share"]) for row in stand.table("group_type_breakdown")]
    assert found == [("team", 1.0)]


def test_an_account_that_became_empty_is_empty_afterwards(stand: Stand) -> None:
    results = sync_history(stand, groups_of(5), [])
    assert results[1].attempt.outcome == "published"
    data = stand.data()
    assert (data["raw_groups"], data["groups"], data["group_type_breakdown"]) == ([], [], [])
    assert {change for _, change, _, _ in changes_of(stand)} == {"removed"}
    assert stand.ledger(A)[1]["group_count"] == 0


def test_publishing_one_account_leaves_the_rows_of_another_alone(stand: Stand) -> None:
    stand.put(B, groups_of(4))
    sync_history(stand, groups_of(3))
    stand.sync(B)
    before = {name: stand.table(name, account=B) for name in ("raw_groups", "groups")}
    sync_history(stand, [group(1, "Other")])
    assert {name: stand.table(name, account=B) for name in before} == before


def as_of(stand: Stand, day: float) -> list[tuple[Any, ...]]:
    when = START.replace(day=1) + (START.replace(day=2) - START.replace(day=1)) * (day - 1)
    return stand.rows("SELECT * FROM groups_as_of($when) ORDER BY ALL", when=when)


HISTORY = [
    [group(1), group(2, description="a"), group(3)],
    [group(1, "One"), group(2, description="a"), group(4)],
    [group(1, "One"), group(2, description=None, x=1), group(3, "Back"), group(4)],
    [],
    [group(1), group(2, description="z", x=2)],
    [group(1), group(2, description="z", x=2)],
]


@ON_BOTH_STORES
def test_groups_as_of_gives_the_groups_as_they_were_at_any_instant(stand: Stand) -> None:
    columns = ", ".join(
        name for name in GROUPS.column_names if name not in ("remote_data", "normalization_version")
    )
    then: list[list[tuple[Any, ...]]] = []
    for groups in HISTORY:
        sync_history(stand, groups)
        then.append(stand.rows(f"SELECT {columns} FROM groups ORDER BY ALL"))  # noqa: S608
    for day, rows in enumerate(then, 1):
        assert as_of(stand, day) == rows, f"at the instant of sync {day}"
        assert as_of(stand, day + 0.9) == rows, f"after sync {day}"
    assert as_of(stand, 0.9) == []


def test_groups_as_of_keeps_accounts_apart(stand: Stand) -> None:
    stand.put(B, [group(1, "B's")])
    sync_history(stand, [group(1, "A's")])
    stand.sync(B)
    stand.pass_time(days=1)
    sync_history(stand, [group(1, "A's new")])
    names = {(row[0], row[4]) for row in as_of(stand, 2.5)}
    assert names == {(A, "A's"), (B, "B's")}


def test_held_back_records_wait_and_the_rows_published_before_stay(stand: Stand) -> None:
    results = sync_history(stand, groups_of(3), [{**group(1), "id": None}, group(2)])
    assert results[1].attempt.outcome == "held_back"
    assert [row["id"] for row in stand.table("groups")] == ["g0", "g1", "g2"]
    held = [json.loads(row["record"])["id"] for row in stand.table("held_back_groups")]
    assert held == [None, "g2"]


def test_a_good_sync_releases_what_was_held_back(stand: Stand) -> None:
    sync_history(stand, groups_of(3), [{**group(1), "id": None}], groups_of(4))
    assert stand.table("held_back_groups") == []
    assert len(stand.table("groups")) == 4


@ON_BOTH_STORES
def test_a_sync_that_is_what_was_published_releases_what_was_held_back(stand: Stand) -> None:
    results = sync_history(stand, groups_of(3), [{**group(1), "id": None}], groups_of(3))
    assert results[2].attempt.outcome == "unchanged"
    assert stand.table("held_back_groups") == []


def test_rows_that_somebody_deleted_come_back_with_the_next_sync(stand: Stand) -> None:
    sync_history(stand, groups_of(3))
    before = stand.data()
    for table in ("groups", "raw_groups"):
        stand.pass_time(minutes=1)
        stand.write(f"DELETE FROM {table} WHERE id = 'g1'")  # noqa: S608
        assert stand.outcomes(A, run_id=f"without {table}") == {A: "published"}
        assert [row["id"] for row in stand.table("groups")] == ["g0", "g1", "g2"]
        assert stand.table("raw_groups") == [
            {**row, "received_at": stand.now if row["id"] == "g1" else row["received_at"]}
            for row in before["raw_groups"]
        ]


def test_a_replay_rebuilds_the_same_rows_without_a_request(stand: Stand) -> None:
    stand.put(B, [])
    sync_history(stand, groups_of(5), [group(1, "New", other=1)])
    stand.sync(B, run_id="b")
    before = stand.data()
    stand.server.forget_requests()
    stand.write("UPDATE groups SET name = 'spoilt'")
    stand.write("UPDATE group_type_breakdown SET group_count = 99")
    stand.replay(A, B)
    after = stand.data()
    assert stand.server.requests == ()
    for name in ("raw_groups", "group_type_breakdown"):
        assert after[name] == before[name]
    assert [{**row, "changed_at": None} for row in after["groups"]] == [
        {**row, "changed_at": None} for row in before["groups"]
    ]


def test_a_replay_under_new_rules_touches_the_rows_and_makes_no_changes(stand: Stand) -> None:
    sync_history(stand, groups_of(3))
    stand.write("UPDATE groups SET normalization_version = 0")
    before = stand.table("groups")
    result = stand.replay(A)[A]
    assert isinstance(result, AccountResult)
    assert result.replacement.touched == 3
    assert stand.table("groups") == [
        {**row, "normalization_version": NORMALIZATION_VERSION} for row in before
    ]
    assert stand.table("group_changes") == []


@pytest.mark.parametrize(
    ("way", "table"), [("sync", "groups"), ("sync", "raw_groups"), ("replay", "groups")]
)
def test_rows_of_one_id_that_somebody_wrote_twice_become_one_again(
    stand: Stand, way: str, table: str
) -> None:
    sync_history(stand, groups_of(3))
    before = stand.data()
    stand.write(f"INSERT INTO {table} SELECT * FROM {table} WHERE id = 'g1'")  # noqa: S608
    if way == "replay":
        stand.replay(A)
        assert stand.data() == before
    mended = "unchanged" if way == "replay" else "published"
    assert stand.outcomes(A, run_id="r2") == {A: mended}
    assert stand.data() == before
    assert stand.outcomes(A, run_id="r3") == {A: "unchanged"}


@ON_BOTH_STORES
def test_a_replay_takes_no_part_of_the_raw_records_for_all_of_them(stand: Stand) -> None:
    stand.put(B, groups_of(2))
    sync_history(stand, groups_of(5))
    stand.sync(B, run_id="b")
    stand.write("DELETE FROM raw_groups WHERE integrated_account_id = $id AND id > 'g1'", id=A)
    before = stand.data()
    results = stand.replay(A, B)
    assert stand.data() == before
    result = results[A]
    assert isinstance(result, AccountResult)
    assert (result.attempt.outcome, result.attempt.error_kind) == ("failed", "raw_records")
    assert "2 raw records are there, and 5 were published" in (result.attempt.error or "")
    assert KEYS[A] in (result.attempt.error or "")
    other = results[B]
    assert isinstance(other, AccountResult)
    assert other.attempt.outcome == "published"


def test_an_account_that_was_never_synced_is_not_replayed_as_empty(stand: Stand) -> None:
    stand.put(A, groups_of(2))
    stand.discover()
    assert isinstance(stand.replay(A)[A], PassedOver)


def test_settings_that_a_replay_applied_and_took_back_are_taken_back_by_the_next_sync(
    stand: Stand,
) -> None:
    """The last answer's digest says nothing of the rows that a replay has made since."""
    sync_history(stand, groups_of(3))
    before = stand.table("groups")
    stand.write_settings("defaults: {remote_data: nothing}")
    stand.replay(A)
    assert {row["remote_data"] for row in stand.table("groups")} == {None}
    stand.write_settings("defaults: {remote_data: all}")
    assert stand.outcomes(A, run_id="r2") == {A: "published"}
    assert stand.table("groups") == before


def test_a_tenant_that_a_replay_applied_and_that_moved_back_is_applied_by_the_next_sync(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(3), tenant_id="acme")
    stand.discover()
    stand.sync(run_id="r1")
    for number, tenant in enumerate(("globex", "acme")):
        stand.put(A, groups_of(3), tenant_id=tenant)
        stand.discover()
        if tenant == "globex":
            stand.replay(A)
        else:
            assert stand.outcomes(A, run_id=f"r{number}") == {A: "published"}
        assert {row["tenant_id"] for row in stand.table("groups")} == {tenant}


def test_two_equal_records_without_an_id_are_not_taken_for_none(stand: Stand) -> None:
    """In a digest that knows no order two equal records cancel out."""
    nameless = {"name": "No id"}
    results = sync_history(stand, groups_of(3), [*groups_of(3), nameless, nameless])
    assert results[1].attempt.outcome == "held_back"


@ON_BOTH_STORES
def test_a_replay_leaves_ledger_and_freshness_as_they_are(stand: Stand) -> None:
    sync_history(stand, groups_of(3))
    before = stand.table("account_syncs"), stand.table("integrated_accounts")
    stand.replay(A)
    assert (stand.table("account_syncs"), stand.table("integrated_accounts")) == before


def test_a_change_only_in_remote_data_makes_no_row_and_is_counted_by_its_field(
    stand: Stand,
) -> None:
    stand.put(A, [group(n, remote_data={"seen": n, "of": "x", "gone": 1}) for n in range(4)])
    stand.discover()
    stand.sync(run_id="r1")
    before = stand.table("groups")
    stand.pass_time(hours=6)
    stand.put(
        A, [group(n, remote_data={"seen": n % 3, "of": "x", "gone": 1} | new(n)) for n in range(4)]
    )
    result = stand.sync(run_id="r2")[A]
    assert isinstance(result, AccountResult)
    assert result.replacement.remote_changes == {"remote_data.new": 2, "remote_data.seen": 1}
    assert (result.replacement.touched, result.replacement.changed) == (3, 0)
    assert stand.table("group_changes") == []
    after = stand.table("groups")
    assert [row["changed_at"] for row in after] == [row["changed_at"] for row in before]
    assert [row["remote_data"] for row in after] != [row["remote_data"] for row in before]


def new(number: int) -> dict[str, bool]:
    return {"new": True} if number < 2 else {}


@ON_BOTH_STORES
def test_of_what_attempts_looked_like_the_baseline_and_the_newest_twenty_are_kept(
    stand: Stand,
) -> None:
    sync_history(stand, groups_of(3))
    stand.write(
        "INSERT INTO account_shapes SELECT s.* REPLACE ('old' || n AS run_id, "
        "FALSE AS is_baseline, s.observed_at + INTERVAL 1 MINUTE * n AS observed_at) "
        "FROM account_shapes AS s, range(1, 31) AS r(n)"
    )
    sync_history(stand, groups_of(4))
    kept = [row["run_id"] for row in stand.table("account_shapes")]
    assert sorted(kept) == sorted([*(f"old{n}" for n in range(12, 31)), "run1", "run1"])
