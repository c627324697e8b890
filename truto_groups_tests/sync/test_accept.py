"""Acceptance where something is odd: a lost ledger, missing records, a clock that runs backwards.

Real: HTTP on loopback, the client, DuckDB in a file. The command is in cli/test_accept_command.py;
that it is the same on a lake, of which an answer can be lost, in
warehouse/test_same_on_both_stores.py.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from truto_groups.errors import AcceptanceRefusedError
from truto_groups.sync.accept import Acceptance, AcceptedAccount, accept
from truto_groups.warehouse import json_equality
from truto_groups_tests.stand import (
    KEYS,
    START,
    A,
    B,
    Stand,
    group,
    groups_of,
)

pytestmark = pytest.mark.long


def accept_all(
    stand: Stand, *keys: str, integrations: Sequence[str] = (), run_id: str = "accept"
) -> list[AcceptedAccount]:
    session = stand.session()
    names = keys if keys or integrations else (A,)
    return accept(
        stand.database,
        Acceptance(names, integrations, reason="It is right.", accepted_by="a person"),
        settings_for=lambda one: session.settings.for_account(
            one.integrated_account_id, one.integration, knobs=session.knobs
        ),
        run_id=run_id,
        clock=lambda: stand.now,
    )


def hold_back(stand: Stand, **changes: tuple[Sequence[Any], Sequence[Any]]) -> None:
    """Publish accounts, A by the name a, and let a later sync of them wait for a person."""
    accounts = {{"a": A, "b": B}[name]: answers for name, answers in changes.items()}
    for number, (run_id, outcome) in enumerate((("good", "published"), ("odd", "held_back"))):
        for account, answers in accounts.items():
            stand.put(account, answers[number])
        if number == 0:
            stand.discover()
        assert stand.outcomes(*accounts, run_id=run_id) == dict.fromkeys(accounts, outcome)
        stand.pass_time(hours=1)


def test_an_account_that_has_rows_is_not_new_when_its_ledger_is_lost(stand: Stand) -> None:
    """Its groups were written beside those that were there: every id came twice."""
    hold_back(stand, a=(groups_of(30), groups_of(3)))
    stand.write(
        "DELETE FROM account_syncs; UPDATE integrated_accounts SET last_confirmed_at = NULL"
    )
    (accepted,) = accept_all(stand)
    assert (accepted.replacement.added, accepted.replacement.removed) == (0, 27)
    for table in ("groups", "raw_groups"):
        assert [row["id"] for row in stand.table(table)] == ["g0", "g1", "g2"]
    assert len(stand.table("group_changes")) == 27


def test_what_is_left_of_the_records_that_wait_is_not_taken_for_all_of_them(stand: Stand) -> None:
    hold_back(stand, a=(groups_of(30), groups_of(9)))
    stand.write("DELETE FROM held_back_groups WHERE record ->> '$.id' > 'g3'")
    before = stand.data()
    with pytest.raises(AcceptanceRefusedError, match=rf"{KEYS[A]} 4 groups wait .* it had 9"):
        accept_all(stand)
    assert stand.data() == before
    assert len(stand.table("held_back_groups")) == 4


def test_of_an_integration_an_account_without_ids_is_left_out_and_the_others_accepted(
    stand: Stand,
) -> None:
    """One account kept the acceptance of its whole integration from everybody."""
    hold_back(
        stand,
        a=(groups_of(30), [{"name": "no id"}, *groups_of(29)]),
        b=(groups_of(30), groups_of(3)),
    )
    with pytest.raises(AcceptanceRefusedError, match="cannot be accepted"):
        accept_all(stand, A, integrations=["okta"])

    (accepted,) = accept_all(stand, integrations=["okta"])
    assert accepted.pending.integrated_account_id == B
    assert len(stand.table("groups", account=A)) == 30
    assert len(stand.table("groups", account=B)) == 3
    assert [row["integrated_account_id"] for row in stand.table("accepted_baselines")] == [B]
    assert {row["integrated_account_id"] for row in stand.table("held_back_groups")} == {A}
    # Where nobody is left, the one without ids is told after all.
    with pytest.raises(AcceptanceRefusedError, match="cannot be accepted"):
        accept_all(stand, integrations=["okta"])


def test_several_accounts_are_accepted_together_with_all_of_their_records(stand: Stand) -> None:
    many = [group(n, x=f"{n:0600}") for n in range(500)]
    hold_back(
        stand,
        a=(groups_of(3000), many),
        b=(groups_of(30), [{**group(1), "name": 7}, group(2)]),
    )
    accepted = {
        one.pending.integrated_account_id: one.replacement for one in accept_all(stand, A, B)
    }
    assert (accepted[A].removed, accepted[A].changed) == (2500, 500)
    assert {row["name"] for row in stand.table("groups", account=B)} == {"7", "Group 2"}
    raw = stand.table("raw_groups", account=A)
    assert sorted((json.loads(row["record"]) for row in raw), key=lambda r: r["id"]) == sorted(
        many, key=lambda r: r["id"]
    )
    assert stand.table("held_back_groups") == []


def test_what_another_account_sent_is_not_compared_for_an_acceptance(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records could need all the memory that there is."""
    hold_back(
        stand,
        a=(groups_of(30), [{**group(1), "name": 7}]),
        b=(groups_of(30), [{**group(1), "name": 8}]),
    )
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.extend([one, other])
        return one == other

    monkeypatch.setattr(json_equality, "is_same_json", compare)
    assert len(accept_all(stand, A)) == 1
    names = {json.loads(text)["name"] for text in compared if text.startswith("{")}
    assert 7 in names
    assert 8 not in names


def read_past(stand: Stand, instants: Sequence[datetime]) -> list[Any]:
    with stand.database.reading() as connection:
        return [
            connection.execute(
                "SELECT * FROM groups_as_of($at) ORDER BY ALL", {"at": at}
            ).fetchall()
            for at in instants
        ]


def test_the_past_does_not_change_whatever_the_clock_does(stand: Stand) -> None:
    """Replays, an acceptance and a removal, with the clock standing still or running backwards."""
    stand.write_settings("defaults: {remote_data: nothing}")
    hold_back(stand, a=(groups_of(30), groups_of(3)))
    stand.put(B, groups_of(2))
    stand.put("c" * 8, groups_of(2))
    stand.pass_time(days=30)
    stand.discover()

    def move(tenant: str) -> None:
        """Let every group of the account change at its next replay."""
        stand.put(A, groups_of(3), tenant_id=tenant)
        stand.discover()
        stand.replay(A, run_id=tenant)

    def remove() -> None:
        stand.server.remove_account(A)
        for _ in range(2):
            stand.pass_time(days=8)
            stand.discover()

    steps = [
        lambda: move("one"),
        lambda: move("two"),
        lambda: move("three"),
        lambda: accept_all(stand),
        lambda: move("four"),
        remove,
    ]
    instants: list[datetime] = [START]
    for number, step in enumerate(steps):
        instants = instants[-4:]
        before = read_past(stand, instants)
        changes = len(stand.table("group_changes"))
        if number in (2, 3, 4):
            stand.pass_time(days=-10)
        step()
        assert read_past(stand, instants) == before, number
        told = stand.table("group_changes")
        assert len(told) > changes, number
        last = max(row["changed_at"] for row in told)
        assert last > instants[-1]
        instants += [instants[-1] + (last - instants[-1]) / 2, last]
    assert stand.table("groups", account=A) == []
