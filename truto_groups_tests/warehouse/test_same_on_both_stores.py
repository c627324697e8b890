"""A history out of a seed, played on a DuckDB file and on a lake: every table must be the same.

Real: HTTP on loopback, the client, DuckDB, DuckLake and Postgres. Only the clock is the test's.
"""

import random
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.schema import TABLES
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import START, A, B, C, D, Row, Stand, group, use_ducklake

_DAYS = 8


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
                     {"remote_data": {"size": self.chance.random()}}, {"extra": {"b": 1, "a": 1e2}}]
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


def play(stand: Stand, database: Database, *, seed: int) -> dict[str, Any]:
    history = _History(seed)
    stand.database, stand.now = database, START
    for account in history.groups:
        stand.put(account, history.groups[account])
    found: dict[str, Any] = {}
    for day in range(_DAYS):
        for account in stand.keys:
            stand.put(account, history.move_on(account))
        if day == 3:
            stand.put(B, [group(1)])  # too few to be believed
        stand.discover()
        found[f"outcomes {day}"] = stand.outcomes(run_id=f"day {day}")
        stand.pass_time(hours=1)
        if day == 3:
            accept_what_waits(stand, run_id="acceptance")
        if day == 5:
            stand.server.remove_account(D)
        if day == 6:
            stand.replay(A, run_id="replay")
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
@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_leaves_the_same_rows_in_a_file_and_in_a_lake(
    stand: Stand, postgres_database: str, seed: int
) -> None:
    on_file = play(stand, stand.database, seed=seed)
    for account in stand.keys:
        stand.server.remove_account(account)
    use_ducklake(stand, postgres_database)
    on_lake = play(stand, stand.database, seed=seed)

    assert on_lake.keys() == on_file.keys()
    for name, rows in on_file.items():
        assert on_lake[name] == rows, name
    assert {row["change"] for row in on_file["group_changes"]} == {"added", "removed", "changed"}
    assert on_file["outcomes 3"][B] == "held_back"
    assert D not in {row["id"] for row in on_file["integrated_accounts"]}
    assert on_file["accepted_baselines"]
