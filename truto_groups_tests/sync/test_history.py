"""Random histories of an account: what group_changes says leads from any state to any other.

DuckDB is real; hypothesis makes the histories. Nothing is faked.
"""

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.publish import ReplacedAccount, replace_rows
from truto_groups.warehouse.database import Database

pytestmark = pytest.mark.long

ACCOUNT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]

texts = st.sampled_from(["Alpha", "Beta", "Gamma", 'quote " and \\', "ünïcode 😀", "", "a\nb"])
groups = st.fixed_dictionaries(
    {"id": st.sampled_from([*"abcdef", 1, 2])},
    optional={
        "name": texts,
        "group_type": st.sampled_from(["team", "GROUP", "weird", None]),
        "description": texts | st.none(),
        "organization": st.sampled_from(["o1", "o2"]),
        "created_at": st.sampled_from(
            ["2020-01-01", "2024-02-29T12:00:00.123456Z", "never", 1600000000]
        ),
        "updated_at": st.sampled_from(["2021-05-05T05:05:05+02:00", None]),
        "remote_data": st.fixed_dictionaries({"count": st.integers(0, 3)}),
        "custom": st.sampled_from([1, "x", {"deep": [1, None], "é": 1.5}]),
    },
)
states = st.lists(groups, max_size=6, unique_by=lambda group: str(group["id"]))
histories = st.lists(st.tuples(states, st.sampled_from(["acme", "globex"])), min_size=1, max_size=6)


def turn(value: Any) -> Any:
    """The same value with the keys of its objects in another order."""
    if isinstance(value, dict):
        return {key: turn(value[key]) for key in reversed(value)}
    return value


def publish(
    database: Database, state: Sequence[Row], *, tenant: str, is_initial: bool, now: datetime
) -> None:
    with Staging() as staging:
        spelled = json.dumps([turn(one) for one in state] if now.day % 2 else state)
        assert staging.land([StagedPage(ACCOUNT, 1, spelled)]) == {}
        with database.writing(staging.connection) as connection:
            account = ReplacedAccount(ACCOUNT, "okta", tenant, is_initial=is_initial)
            replace_rows(connection, [account], run_id=now.isoformat(), now=now)


def read(database: Database, query: str) -> dict[str, Row]:
    with database.reading() as connection:
        return read_rows(connection, query)


def read_rows(
    connection: duckdb.DuckDBPyConnection, query: str, **parameters: object
) -> dict[str, Row]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        if isinstance(row.get("other_fields"), str):
            row["other_fields"] = json.loads(row["other_fields"])  # spelling is no difference
    return {row["id"]: row for row in rows}


def read_groups(database: Database) -> dict[str, Row]:
    return read(database, "SELECT * EXCLUDE (remote_data, normalization_version) FROM groups")


def read_as_of(database: Database, instants: Sequence[datetime]) -> list[dict[str, Row]]:
    query = "SELECT * FROM groups_as_of($instant)"
    with database.reading() as connection:
        return [read_rows(connection, query, instant=instant) for instant in instants]


def replay_forward(database: Database, rows: dict[str, Row]) -> dict[str, Row]:
    """Apply group_changes, oldest first, as somebody who has nothing but that table would."""
    with database.reading() as connection:
        changes = connection.execute(
            "SELECT id, change, changed_fields FROM group_changes ORDER BY changed_at"
        ).fetchall()
    for group_id, change, text in changes:
        fields = json.loads(text)
        if change == "removed":
            before = rows.pop(group_id)
            assert {name: pair[0] for name, pair in fields.items()} == {
                name: before.get(name) for name in fields if name != "first_seen_at"
            } | {"first_seen_at": fields["first_seen_at"][0]}
            continue
        row = rows.setdefault(group_id, {})
        for name, (before, after) in fields.items():
            assert row.get(name) == before, (group_id, name)
            row[name] = after
    return rows


def comparable(rows: dict[str, Row]) -> dict[str, Row]:
    """Only what changed_fields tells, as it tells it, and without what is null."""
    shown: dict[str, Row] = {}
    for group_id, row in rows.items():
        values = {
            name: value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
            for name, value in row.items()
            if name not in ("integrated_account_id", "id", "first_seen_at", "changed_at")
        }
        shown[group_id] = {name: value for name, value in values.items() if value is not None}
    return shown


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_changes_replayed_from_empty_give_exactly_todays_groups(
    history: list[tuple[list[Row], str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(str(Path(folder) / "groups.duckdb"))
        for day, (state, tenant) in enumerate(history):
            now = START + timedelta(days=day)
            publish(database, state, tenant=tenant, is_initial=False, now=now)
        today = comparable(read_groups(database))
        assert comparable(replay_forward(database, {})) == today
        assert set(today) == {str(group["id"]) for group in history[-1][0]}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, st.booleans())
def test_groups_as_of_gives_every_past_state_exactly_as_it_was(
    history: list[tuple[list[Row], str]], records_initial: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(str(Path(folder) / "groups.duckdb"))
        seen: list[dict[str, Row]] = []
        for day, (state, tenant) in enumerate(history):
            now = START + timedelta(days=day)
            is_initial = day == 0 and not records_initial
            publish(database, state, tenant=tenant, is_initial=is_initial, now=now)
            seen.append(read_groups(database))
        before = START - timedelta(seconds=1)
        instants = [
            START + timedelta(days=day, hours=at) for day in range(len(seen)) for at in (0, 23)
        ]
        found = read_as_of(database, [before, *instants])
        assert found == [{}, *(state for state in seen for _ in (0, 23))]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states)
def test_publishing_the_same_state_again_changes_no_table(state: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(str(Path(folder) / "groups.duckdb"))
        publish(database, state, tenant="acme", is_initial=True, now=START)
        queries = (
            "SELECT * FROM groups",
            "SELECT * FROM raw_groups",
            "SELECT * FROM group_changes",
        )
        before = [read(database, query) for query in queries]
        publish(database, state, tenant="acme", is_initial=False, now=START + timedelta(days=1))
        assert [read(database, query) for query in queries] == before
