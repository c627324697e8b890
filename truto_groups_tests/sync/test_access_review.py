"""What became privileged, written with a publication, and a person's review of it.

Real: HTTP on loopback, the client, DuckDB in a file.
"""

from datetime import datetime
from typing import Any

import pytest

from truto_groups.accounts.selection import AccountFilter
from truto_groups.errors import ReviewRefusedError
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.sync.access_review import Review, mark_reviewed
from truto_groups.warehouse import database as database_module
from truto_groups_tests.stand import (
    KEYS,
    ON_BOTH_STORES,
    A,
    B,
    Stand,
    group,
    groups_of,
    lose_once,
    use_ducklake,
)

TABLE = "privileged_group_changes"


def named(number: int, name: object, **fields: Any) -> dict[str, Any]:
    return {**group(number), "name": name, **fields}


def publish(stand: Stand, groups: list[Any], *, key: str = A, run_id: str = "run") -> None:
    stand.put(key, groups)
    stand.discover()
    assert stand.outcomes(key, run_id=run_id)[key] in ("published", "unchanged")
    stand.pass_time(hours=1)


def noted(stand: Stand, *, key: str = A) -> list[tuple[str, str, str, str | None, str]]:
    return [
        (row["id"], row["change"], row["name"], row["name_before"], row["matched_rules"])
        for row in stand.table(TABLE, account=key)
    ]


@ON_BOTH_STORES
def test_a_group_that_becomes_privileged_is_noted_with_what_it_was(stand: Stand) -> None:
    publish(stand, [named(1, "Ops"), named(2, "Admins"), named(3, "Cooks"), named(4, "Cleaners")])
    assert noted(stand) == []
    later = [
        named(1, "\u0430dmins  of prod"),
        named(2, "Admins"),
        named(3, "Cooks", group_type="SUPER_ADMIN"),
        named(4, "Gardeners"),
        named(5, "break-glass"),
        named(6, "Sales"),
    ]
    publish(stand, later, run_id="later")
    assert noted(stand) == [
        ("g1", "renamed", "\u0430dmins  of prod", "Ops", "admin"),
        ("g3", "retyped", "Cooks", "Cooks", "type admin, type superadmin"),
        ("g5", "created", "break-glass", None, "break glass"),
    ]
    rows = stand.table(TABLE, account=A)
    changes = {row["id"]: row for row in stand.table("group_changes", account=A)}
    for row in rows:
        assert (row["run_id"], row["changed_at"]) == ("later", changes[row["id"]]["changed_at"])
        assert (row["integration"], row["tenant_id"]) == ("okta", "acme")
        assert (row["reviewed_at"], row["reviewed_by"], row["review_reason"]) == (None, None, None)
    assert (rows[1]["group_type_before"], rows[1]["group_type"]) == ("team", "SUPER_ADMIN")


@pytest.mark.long
def test_what_was_privileged_by_a_rule_before_is_not_noted_for_it_again(stand: Stand) -> None:
    publish(stand, [named(1, "Admins"), named(2, "Admins 2")])
    publish(stand, [named(1, "Admins of France"), named(2, "Domain Admins")])
    assert noted(stand) == [("g2", "renamed", "Domain Admins", "Admins 2", "domain admin")]


@pytest.mark.long
def test_what_its_type_made_privileged_is_not_noted_for_another_name(stand: Stand) -> None:
    publish(stand, [named(1, "Cooks", group_type="SUPER_ADMIN")])
    publish(stand, [named(1, "Bakers", group_type="SUPER_ADMIN")])
    assert noted(stand) == []


@pytest.mark.long
def test_what_is_only_spelled_otherwise_is_noted_in_the_spelling_that_the_groups_keep(
    stand: Stand,
) -> None:
    publish(stand, [named(1, 2.0), named(2, "x", group_type={"n": 2.0})])
    publish(stand, [named(1, 2, group_type="root"), named(2, "Root", group_type={"n": 2})])
    first, second = stand.table(TABLE)
    assert [row["name"] for row in stand.table("groups")] == ["2.0", "Root"]
    assert first["name"] == first["name_before"] == "2.0"
    assert second["group_type"] == second["group_type_before"] == '{"n":2.0}'
    assert (first["matched_rules"], second["matched_rules"]) == ("type root", "root")


@pytest.mark.long
def test_what_a_replay_renames_is_noted_too(stand: Stand) -> None:
    publish(stand, [named(1, "Root")])
    stand.write("UPDATE groups SET name = 'Ops'")
    stand.replay(A)
    assert noted(stand) == [("g1", "renamed", "Root", "Ops", "root")]


@pytest.mark.long
def test_accounts_of_one_run_are_noted_each_for_itself(stand: Stand) -> None:
    for name in ("x", "Root"):
        for key in (A, B):
            stand.put(key, [named(1, name), named(2, "y", group_type=f"{key[0]}")])
        stand.discover()
        assert stand.outcomes(A, B, run_id=name) == {A: "published", B: "published"}
        stand.pass_time(hours=1)
    found = [(row["integrated_account_id"], row["group_type"]) for row in stand.table(TABLE)]
    assert found == [(A, "team"), (B, "team")]


@pytest.mark.long
def test_the_same_data_and_other_fields_make_no_rows(stand: Stand) -> None:
    publish(stand, [named(1, "Ops")])
    publish(stand, [named(1, "Admins")])
    before = stand.table(TABLE)
    publish(stand, [named(1, "Admins")])
    publish(stand, [named(1, "Admins", description="another")])
    stand.replay(A)
    assert stand.table(TABLE) == before
    assert len(before) == 1


@pytest.mark.long
def test_a_first_sync_is_a_beginning_unless_the_settings_say_otherwise(stand: Stand) -> None:
    publish(stand, [named(1, "Admins")])
    stand.write_settings("defaults: {record_initial_sync: true}")
    publish(stand, [named(1, "Admins")], key=B)
    assert noted(stand) == []
    assert noted(stand, key=B) == [("g1", "created", "Admins", None, "admin")]


@pytest.mark.long
def test_a_group_that_was_removed_and_comes_back_is_created_again(stand: Stand) -> None:
    for groups in ([named(1, "Root")], [named(2, "x")], [named(1, "Root"), named(2, "x")]):
        publish(stand, [*groups, named(3, "y"), named(4, "z")])
    assert noted(stand) == [("g1", "created", "Root", None, "root")]


@pytest.mark.long
def test_what_was_held_back_is_noted_when_a_person_accepts_it(stand: Stand) -> None:
    stand.put(A, groups_of(30))
    stand.discover()
    stand.sync(A)
    stand.pass_time(hours=1)
    stand.put(A, [named(0, "Owners"), group(1)])
    assert stand.outcomes(A, run_id="odd") == {A: "held_back"}
    assert noted(stand) == []
    session = stand.session()
    accept(
        stand.database,
        Acceptance((A,), (), reason="It is right.", accepted_by="a person"),
        settings_for=lambda one: session.settings.for_account(one.integrated_account_id, "okta"),
        run_id="accept",
        clock=lambda: stand.now,
    )
    assert noted(stand) == [("g0", "renamed", "Owners", "Group 0", "owner")]


@pytest.mark.long
def test_the_rules_are_those_of_the_account(stand: Stand) -> None:
    stand.write_settings(
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
    for key in (A, B):
        publish(stand, [named(9, "x")], key=key)
        publish(stand, [named(9, "x"), *groups], key=key)
    assert [row[0] for row in noted(stand)] == ["g2", "g3"]
    assert [row[0] for row in noted(stand, key=B)] == ["g1", "g2", "g3"]


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


@ON_BOTH_STORES
def test_a_review_marks_what_was_seen_of_the_named_accounts_and_no_more(stand: Stand) -> None:
    for key, tenant in ((A, "acme"), (B, "globex")):
        stand.put(key, [named(1, "x")], tenant_id=tenant)
        stand.discover()
        stand.sync(key)
    for number in (2, 3):
        stand.pass_time(hours=1)
        for key, tenant in ((A, "acme"), (B, "globex")):
            stand.put(
                key,
                [named(1, "x"), *(named(n, f"Root {n}") for n in range(2, number + 1))],
                tenant_id=tenant,
            )
            assert stand.outcomes(key, run_id=f"run {number}") == {key: "published"}
    shown = min(row["changed_at"] for row in stand.table(TABLE, account=A))
    stand.pass_time(hours=1)
    assert review(stand, KEYS[A], until=shown) == ["g2"]
    assert sorted(waiting(stand)) == [(A, "g3"), (B, "g2"), (B, "g3")]
    (row,) = [row for row in stand.table(TABLE) if row["reviewed_at"] is not None]
    assert (row["reviewed_at"], row["reviewed_by"]) == (stand.now, "ann")
    assert row["review_reason"] == "Ticket 7."
    assert sorted(review(stand, tenants=["globex"])) == ["g2", "g3"]
    assert waiting(stand) == [(A, "g3")]


@pytest.mark.long
def test_a_later_review_leaves_who_reviewed_earlier_when_and_why(stand: Stand) -> None:
    publish(stand, [named(1, "x")])
    publish(stand, [named(1, "Root")])
    assert review(stand, KEYS[A], reviewed_by="ann", reason="Ticket 7.") == ["g1"]
    (before,) = stand.table(TABLE)
    publish(stand, [named(1, "Root"), named(2, "Admins")])
    assert review(stand, KEYS[A], reviewed_by="bob", reason="Ticket 8.") == ["g2"]
    first, second = stand.table(TABLE)
    assert first == before
    assert (second["reviewed_by"], second["review_reason"]) == ("bob", "Ticket 8.")


@pytest.mark.slow
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_review_of_which_the_answer_was_lost_is_told_as_it_was(
    stand: Stand, postgres_database: str, monkeypatch: pytest.MonkeyPatch, *, is_committed: bool
) -> None:
    use_ducklake(stand, postgres_database)
    monkeypatch.setattr(database_module, "_RETRY_SECONDS", (0.01,))
    publish(stand, [named(1, "x")])
    publish(stand, [named(1, "Root")])
    lost = lose_once(stand, "SELECT true", is_committed=is_committed)
    assert review(stand, KEYS[A]) == ["g1"]
    assert lost
    (row,) = stand.table(TABLE)
    assert (row["reviewed_at"], row["reviewed_by"]) == (stand.now, "ann")


@pytest.mark.long
def test_a_review_that_says_too_little_is_refused_and_marks_nothing(stand: Stand) -> None:
    publish(stand, [named(1, "x")], key=B)
    publish(stand, [named(1, "x")])
    publish(stand, [named(1, "root")])
    refused: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        ((A,), {"reason": " "}, "reason must be filled in"),
        ((A,), {"reviewed_by": ""}, "reviewed_by must be filled in"),
        ((), {}, "Neither accounts, tenants nor integrations"),
        (("acme.okta.zzz",), {}, "no such account"),
        ((B,), {}, "Nothing of the named accounts waits"),
    ]
    for names, fields, told in refused:
        with pytest.raises(ReviewRefusedError, match=told):
            review(stand, *names, **fields)
        assert waiting(stand) == [(A, "g1")]
