"""What became privileged, written with a publication, and a person's review of it.

Real: HTTP on loopback, the client, DuckDB in a file. That it is the same on a lake, of which an
answer can be lost, is tried in warehouse/test_same_on_both_stores.py.
"""

from datetime import datetime
from typing import Any

import pytest

from truto_groups.accounts.selection import AccountFilter
from truto_groups.errors import ReviewRefusedError
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.sync.access_review import Review, mark_reviewed
from truto_groups_tests.stand import (
    KEYS,
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

TABLE = "privileged_group_changes"
HISTORIES = Histories()


def named(number: int, name: object, **fields: Any) -> dict[str, Any]:
    return {**group(number), "name": name, **fields}


def publish(stand: Stand, groups: list[Any], *, key: str = A, run_id: str = "run") -> None:
    stand.put(key, groups)
    assert stand.outcomes(key, run_id=run_id) == {key: "published"}
    stand.pass_time(hours=1)


def noted(stand: Stand, *, key: str = A) -> list[tuple[str, str, str, str | None, str]]:
    return [tell(row) for row in stand.table(TABLE, account=key)]


def noted_in(past: Past, account: str) -> list[tuple[str, str, str, str | None, str]]:
    return [tell(row) for row in past.rows(TABLE, account)]


def tell(row: Row) -> tuple[str, str, str, str | None, str]:
    return (row["id"], row["change"], row["name"], row["name_before"], row["matched_rules"])


provide_past = HISTORIES.make_past()


BECOMING = HISTORIES.add(
    [named(1, "Ops"), named(2, "Admins"), named(3, "Cooks"), named(4, "Cleaners")],
    [
        named(1, "\u0430dmins  of prod"),
        named(2, "Admins"),
        named(3, "Cooks", group_type="SUPER_ADMIN"),
        named(4, "Gardeners"),
        named(5, "break-glass"),
        named(6, "Sales"),
    ],
)


def test_a_group_that_becomes_privileged_is_noted_with_what_it_was(past: Past) -> None:
    assert past.rows(TABLE, BECOMING, day=1) == []
    assert noted_in(past, BECOMING) == [
        ("g1", "renamed", "\u0430dmins  of prod", "Ops", "admin"),
        ("g3", "retyped", "Cooks", "Cooks", "type admin, type superadmin"),
        ("g5", "created", "break-glass", None, "break glass"),
    ]
    rows = past.rows(TABLE, BECOMING)
    changes = {row["id"]: row for row in past.rows("group_changes", BECOMING)}
    for row in rows:
        assert (row["run_id"], row["changed_at"]) == ("run2", changes[row["id"]]["changed_at"])
        assert (row["integration"], row["tenant_id"]) == ("okta", "acme")
        assert (row["reviewed_at"], row["reviewed_by"], row["review_reason"]) == (None, None, None)
    assert (rows[1]["group_type_before"], rows[1]["group_type"]) == ("team", "SUPER_ADMIN")


PRIVILEGED_BEFORE = HISTORIES.add(
    [named(1, "Admins"), named(2, "Admins 2")],
    [named(1, "Admins of France"), named(2, "Domain Admins")],
)


def test_what_was_privileged_by_a_rule_before_is_not_noted_for_it_again(past: Past) -> None:
    assert noted_in(past, PRIVILEGED_BEFORE) == [
        ("g2", "renamed", "Domain Admins", "Admins 2", "domain admin")
    ]


PRIVILEGED_BY_TYPE = HISTORIES.add(
    [named(1, "Cooks", group_type="SUPER_ADMIN")], [named(1, "Bakers", group_type="SUPER_ADMIN")]
)


def test_what_its_type_made_privileged_is_not_noted_for_another_name(past: Past) -> None:
    assert [row["name"] for row in past.rows("groups", PRIVILEGED_BY_TYPE)] == ["Bakers"]
    assert noted_in(past, PRIVILEGED_BY_TYPE) == []


SPELLED_OTHERWISE = HISTORIES.add(
    [named(1, 2.0), named(2, "x", group_type={"n": 2.0})],
    [named(1, 2, group_type="root"), named(2, "Root", group_type={"n": 2})],
)


def test_what_is_only_spelled_otherwise_is_noted_in_the_spelling_that_the_groups_keep(
    past: Past,
) -> None:
    first, second = past.rows(TABLE, SPELLED_OTHERWISE)
    assert [row["name"] for row in past.rows("groups", SPELLED_OTHERWISE)] == ["2.0", "Root"]
    assert first["name"] == first["name_before"] == "2.0"
    assert second["group_type"] == second["group_type_before"] == '{"n":2.0}'
    assert (first["matched_rules"], second["matched_rules"]) == ("type root", "root")


def test_what_a_replay_renames_is_noted_and_what_it_leaves_is_not(listed: Stand) -> None:
    publish(listed, [named(1, "Root"), named(2, "Owners")])
    listed.replay(A)
    assert noted(listed) == []
    listed.write("UPDATE groups SET name = 'Ops' WHERE id = 'g1'")
    listed.replay(A)
    assert noted(listed) == [("g1", "renamed", "Root", "Ops", "root")]


EACH_FOR_ITSELF = [
    HISTORIES.add(*([named(1, name), named(2, "y", group_type=kind)] for name in ("x", "Root")))
    for kind in ("a", "b")
]


def test_accounts_of_one_run_are_noted_each_for_itself(past: Past) -> None:
    for account in EACH_FOR_ITSELF:
        assert noted_in(past, account) == [("g1", "renamed", "Root", "x", "root")]
        assert [row["group_type"] for row in past.rows(TABLE, account)] == ["team"]


SAME = HISTORIES.add(
    [named(1, "Ops")],
    [named(1, "Admins")],
    [named(1, "Admins")],
    [named(1, "Admins", description="another")],
)


@pytest.mark.parametrize("day", [3, 4], ids=["the same data", "another field"])
def test_the_same_data_and_other_fields_make_no_rows(past: Past, day: int) -> None:
    before = past.rows(TABLE, SAME, day=2)
    assert len(before) == 1
    assert past.outcome(SAME, day=day) == ("unchanged" if day == 3 else "published")
    assert past.rows(TABLE, SAME, day=day) == before


BEGINNING = HISTORIES.add([named(1, "Admins")])
RECORDED = HISTORIES.add([named(1, "Admins")], settings={"record_initial_sync": True})


def test_a_first_sync_is_a_beginning_unless_the_settings_say_otherwise(past: Past) -> None:
    assert noted_in(past, BEGINNING) == []
    assert noted_in(past, RECORDED) == [("g1", "created", "Admins", None, "admin")]


COMING_BACK = HISTORIES.add(
    *(
        [*groups, named(3, "y"), named(4, "z")]
        for groups in ([named(1, "Root")], [named(2, "x")], [named(1, "Root"), named(2, "x")])
    )
)


def test_a_group_that_was_removed_and_comes_back_is_created_again(past: Past) -> None:
    assert noted_in(past, COMING_BACK) == [("g1", "created", "Root", None, "root")]


def test_what_was_held_back_is_noted_when_a_person_accepts_it(listed: Stand) -> None:
    listed.put(A, groups_of(30))
    assert listed.outcomes(A) == {A: "published"}
    listed.pass_time(hours=1)
    listed.put(A, [named(0, "Owners"), group(1)])
    assert listed.outcomes(A, run_id="odd") == {A: "held_back"}
    assert noted(listed) == []
    session = listed.session()
    accept(
        listed.database,
        Acceptance((A,), (), reason="It is right.", accepted_by="a person"),
        settings_for=lambda one: session.settings.for_account(one.integrated_account_id, "okta"),
        run_id="accept",
        clock=lambda: listed.now,
    )
    assert noted(listed) == [("g0", "renamed", "Owners", "Group 0", "owner")]


def test_the_rules_are_those_of_the_account(listed: Stand) -> None:
    listed.write_settings(
        "defaults:\n"
        "  privileged: {words: [payroll]}\n"
        "integrations:\n"
        "  okta:\n"
        "    privileged: {use_default_words: false, patterns: ['^prod-.*-write$']}\n"
        f"accounts:\n  {B}:\n    privileged: {{use_default_words: true, ignore: [local admin]}}\n"
    )
    groups = [
        named(1, "Admins"), named(2, "PayRoll"), named(3, "Prod-db-write"), named(4, "local-admin"),
    ]  # fmt: skip
    for run_id, answer in (("first", [named(9, "x")]), ("later", [named(9, "x"), *groups])):
        for key in (A, B):
            listed.put(key, answer)
        assert listed.outcomes(A, B, run_id=run_id) == {A: "published", B: "published"}
        listed.pass_time(hours=1)
    assert [row[0] for row in noted(listed)] == ["g2", "g3"]
    assert [row[0] for row in noted(listed, key=B)] == ["g1", "g2", "g3"]


def waiting(stand: Stand) -> list[Any]:
    return [
        (row["integrated_account_id"], row["id"])
        for row in stand.table(TABLE)
        if row["reviewed_at"] is None
    ]


def review(stand: Stand, *names: str, until: datetime | None = None, **fields: Any) -> list[str]:
    options = {"reason": " Ticket 7. ", "reviewed_by": "ann", **fields}
    wanted = AccountFilter(names, tenants=options.pop("tenants", ()))
    found = mark_reviewed(
        stand.database, Review(wanted, until=until, **options), clock=lambda: stand.now
    )
    return [one.id for one in found]


def test_a_review_marks_what_was_seen_of_the_named_accounts_and_no_more(stand: Stand) -> None:
    for key, tenant in ((A, "acme"), (B, "globex")):
        stand.put(key, [named(1, "x")], tenant_id=tenant)
    stand.discover()
    stand.sync(A, B)
    for number in (2, 3):
        stand.pass_time(hours=1)
        for key, tenant in ((A, "acme"), (B, "globex")):
            stand.put(
                key,
                [named(1, "x"), *(named(n, f"Root {n}") for n in range(2, number + 1))],
                tenant_id=tenant,
            )
        outcomes = stand.outcomes(A, B, run_id=f"run {number}")
        assert outcomes == {A: "published", B: "published"}
    shown = min(row["changed_at"] for row in stand.table(TABLE, account=A))
    stand.pass_time(hours=1)
    assert review(stand, KEYS[A], until=shown) == ["g2"]
    assert sorted(waiting(stand)) == [(A, "g3"), (B, "g2"), (B, "g3")]
    (row,) = [row for row in stand.table(TABLE) if row["reviewed_at"] is not None]
    assert (row["reviewed_at"], row["reviewed_by"]) == (stand.now, "ann")
    assert row["review_reason"] == "Ticket 7."
    assert sorted(review(stand, tenants=["globex"])) == ["g2", "g3"]
    assert waiting(stand) == [(A, "g3")]


def test_a_later_review_leaves_who_reviewed_earlier_when_and_why(published: Stand) -> None:
    publish(published, [group(0), named(1, "Root"), group(2)])
    assert review(published, KEYS[A], reviewed_by="ann", reason="Ticket 7.") == ["g1"]
    (before,) = published.table(TABLE)
    publish(published, [group(0), named(1, "Root"), named(2, "Admins")])
    assert review(published, KEYS[A], reviewed_by="bob", reason="Ticket 8.") == ["g2"]
    first, second = published.table(TABLE)
    assert first == before
    assert (second["reviewed_by"], second["review_reason"]) == ("bob", "Ticket 8.")


def test_a_review_that_says_too_little_is_refused_and_marks_nothing(published: Stand) -> None:
    publish(published, [group(0), named(1, "root"), group(2)])
    refused: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        ((A,), {"reason": " "}, "reason must be filled in"),
        ((A,), {"reviewed_by": ""}, "reviewed_by must be filled in"),
        ((), {}, "Neither accounts, tenants nor integrations"),
        (("acme.okta.zzz",), {}, "no such account"),
        ((B,), {}, "Nothing of the named accounts waits"),
    ]
    for names, fields, told in refused:
        with pytest.raises(ReviewRefusedError, match=told):
            review(published, *names, **fields)
        assert waiting(published) == [(A, "g1")]
