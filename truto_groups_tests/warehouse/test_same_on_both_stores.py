"""A history out of a seed, played on a DuckDB file and on a lake: every table must be the same.

What a test of sync/ says of tables on a file holds on a lake too, where the history has such a day.
Real: HTTP on loopback, the client, DuckDB, DuckLake and Postgres. Only the clock is the test's.
"""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.schema import TABLES
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import START, A, B, C, D, Row, Stand, group, use_ducklake

_SEED = 1
_DAYS = 8
# What somebody else may have done to the tables before a sync.
_DAMAGES = (
    "INSERT INTO groups SELECT * FROM groups WHERE (integrated_account_id, id) = ($b, $first)",
    "INSERT INTO raw_groups SELECT * FROM raw_groups "
    "WHERE (integrated_account_id, id) = ($b, $last)",
    "INSERT INTO raw_groups SELECT * REPLACE ('other' AS id) FROM raw_groups "
    "WHERE (integrated_account_id, id) = ($b, $first)",
    "DELETE FROM groups WHERE (integrated_account_id, id) = ($b, $second)",
    "DELETE FROM raw_groups WHERE (integrated_account_id, id) = ($b, $third)",
)


class _History:
    """What happens on each day, by chance that can be repeated."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.groups: dict[str, list[Row]] = {
            one: [group(number) for number in range(40 if one == B else self.chance.randint(0, 12))]
            for one in (A, B, C, D)
        }

    def move_on(self, account: str) -> list[Row]:
        """Some groups come, go, are renamed, or get another field."""
        kept = [one for one in self.groups[account] if self.chance.random() > 0.1]
        for number, one in enumerate(kept):
            if self.chance.random() < 0.2:
                change = self.chance.choice(
                    [{"name": f"Renamed {self.chance.random()}"}, {"group_type": "department"},
                     {"remote_data": {"size": self.chance.random()}}, {"extra": {"b": 1, "a": 1e2}},
                     {"description": None}, {"description": "d", "organization": "o"},
                     {"id": f"g{self.chance.randint(100, 199)}"},
                     {"name": f"Another {number}", "created_at": "2025-06-15T09:00:00Z"}]
                )  # fmt: skip
                kept[number] = {**one, **change}
        kept += [group(self.chance.randint(50, 99)) for _ in range(self.chance.randint(0, 1))]
        self.groups[account] = list({one["id"]: one for one in kept}.values())
        return self.groups[account]


def accept_what_waits(stand: Stand, run_id: str) -> None:
    session = stand.session()
    held = stand.rows("SELECT DISTINCT integrated_account_id FROM held_back_groups ORDER BY 1")
    if held:
        accept(
            stand.database,
            Acceptance([one for (one,) in held], (), reason="Right.", accepted_by="a person"),
            settings_for=lambda one: session.settings.for_account(
                one.integrated_account_id, one.integration, knobs=session.knobs
            ),
            run_id=run_id,
            clock=lambda: stand.now,
        )


def damage(stand: Stand, ids: list[str]) -> None:
    for sql in _DAMAGES:
        parameters = {"b": B, "first": ids[0], "second": ids[1], "third": ids[2], "last": ids[-1]}
        used = {name: value for name, value in parameters.items() if f"${name}" in sql}
        stand.write(sql, **used)


def told(results: Mapping[str, AccountResult | PassedOver]) -> dict[str, Any]:
    """How each account ended, and what its publication counted."""
    return {
        account: None
        if isinstance(result, PassedOver)
        else (result.attempt.outcome, result.attempt.error_kind, result.replacement)
        for account, result in results.items()
    }


def play(stand: Stand, database: Database, *, seed: int) -> dict[str, Any]:
    history = _History(seed)
    stand.database, stand.now = database, START
    for account in history.groups:
        stand.put(account, history.groups[account])
    found: dict[str, Any] = {}
    for day in range(_DAYS):
        for account in stand.keys:
            tenant = "globex" if account == C and day > 0 else "acme"
            stand.put(account, history.move_on(account), tenant_id=tenant)
        if day == 1:
            stand.put(D, [{**group(1), "id": None}])  # held back, and released by the next
        if day == 2:
            damage(stand, [one["id"] for one in history.groups[B]])
        if day == 3:
            stand.put(B, [group(1)])  # too few to be believed
        if day == 4:
            stand.write_settings("defaults: {volume: {max_fall: 1.0}}")
            stand.put(A, [])
        if day == 6:
            stand.write("UPDATE groups SET normalization_version = 0")
            stand.write("UPDATE groups SET name = 'spoilt' WHERE tenant_id = 'globex'")
            stand.write_settings("defaults: {remote_data: nothing}")
            found["replayed"] = told(stand.replay(C, run_id="replay of the day before"))
            stand.write_settings("")
        stand.discover()
        found[f"outcomes {day}"] = told(stand.sync(run_id=f"day {day}"))
        stand.write_settings("")
        stand.pass_time(hours=1)
        if day == 3:
            accept_what_waits(stand, run_id="acceptance")
        if day == 5:
            stand.server.remove_account(D)
        if day == 6:
            found["replayed again"] = told(stand.replay(A, run_id="replay"))
        stand.pass_time(days=2)
    stand.pass_time(days=30)
    stand.discover()
    found |= {table.name: stand.table(table.name) for table in TABLES}
    for day in range(0, 2 * _DAYS, 3):
        instant = START + timedelta(days=day, hours=6)
        found[f"as of {day}"] = stand.rows("FROM groups_as_of($t) ORDER BY ALL", t=instant)
    found["drift"] = stand.rows("FROM account_drift ORDER BY ALL")
    return found


@pytest.mark.slow
def test_a_history_leaves_the_same_rows_in_a_file_and_in_a_lake(
    stand: Stand, postgres_database: str
) -> None:
    on_file = play(stand, stand.database, seed=_SEED)
    for account in stand.keys:
        stand.server.remove_account(account)
    use_ducklake(stand, postgres_database)
    on_lake = play(stand, stand.database, seed=_SEED)

    assert on_lake.keys() == on_file.keys()
    for name, rows in on_file.items():
        assert on_lake[name] == rows, name
    assert {row["change"] for row in on_file["group_changes"]} == {"added", "removed", "changed"}
    hints = {row["hint"] for row in on_file["group_changes"]}
    assert hints == {None, "renamed", "retyped", "recreated", "id_reused"}
    assert [on_file[f"outcomes {day}"][B][0] for day in (2, 3)] == ["published", "held_back"]
    assert [on_file[f"outcomes {day}"][D][0] for day in (1, 2)] == ["held_back", "published"]
    assert [on_file[f"outcomes {day}"][A][0] for day in (4, 5)] == 2 * ["published"]
    assert D not in {row["id"] for row in on_file["integrated_accounts"]}
    assert on_file["accepted_baselines"]
