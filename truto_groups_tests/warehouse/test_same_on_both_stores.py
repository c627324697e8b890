"""A history that is lived through on a DuckDB file and on a lake: every table must be the same.

What a test of sync/ or of this folder says of tables on a file holds on a lake too, where the
history has such a day: some accounts change by chance, those of other tests answer here what they
answer there, and some have to do with a person or an accident. Real: HTTP on loopback, the client,
DuckDB, DuckLake and Postgres. Only the clock is the tests'.
"""

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from truto_groups import read
from truto_groups.accounts.selection import AccountFilter
from truto_groups.cli import main
from truto_groups.coordination.seam import Turn
from truto_groups.errors import AcceptanceRefusedError, LostTransactionError, ReviewRefusedError
from truto_groups.schema import TABLES
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.sync.access_review import Review, mark_reviewed
from truto_groups.sync.publish import Replacement
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse import json_equality
from truto_groups.warehouse.database import Database
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import (
    START,
    A,
    B,
    C,
    D,
    Row,
    Stand,
    group,
    groups_of,
    open_stand,
    read_tables,
    use_ducklake,
)
from truto_groups_tests.sync import test_access_review, test_publish
from truto_groups_tests.sync.histories import Histories
from truto_groups_tests.warehouse import test_account_drift

# Each worker that has one of these would live through the history for itself.
pytestmark = pytest.mark.slow

_SEED = 1
_DAYS = 6

HISTORIES = Histories()

MANY = [group(number, x=f"{number:0600}") for number in range(500)]
# What these send on the second day is held back; the first four are accepted, on the third.
HELD_WITH_MANY = HISTORIES.add(groups_of(1500), MANY)
HELD_WITHOUT_LEDGER = HISTORIES.add(groups_of(30), groups_of(3))
HELD_FOR_A_NAME = HISTORIES.add(groups_of(30), [{**group(1), "name": 7}, group(2)])
HELD_AND_ACCEPTED_LATER = HISTORIES.add(groups_of(30), groups_of(3))
HELD_IN_PART = HISTORIES.add(groups_of(30), groups_of(9))
HELD_AND_NOT_ACCEPTED = HISTORIES.add(groups_of(30), [{**group(1), "name": 8}])
UNKNOWN_TO_THE_LEDGER = HISTORIES.add(groups_of(3), [*groups_of(2), group(3)])
OFTEN_AUDITED = HISTORIES.add(groups_of(3), groups_of(4))
STORED_IN_PART = HISTORIES.add(groups_of(3))
# They become privileged on the second day and on the third, and are reviewed on the last.
BECOMING_PRIVILEGED, OF_ANOTHER_TENANT = (
    HISTORIES.add(
        *([group(number, f"Root {number}") for number in range(count)] for count in (1, 2, 3)),
        tenant_id=tenant,
    )
    for tenant in ("acme", "globex")
)
for others in (test_publish, test_access_review, test_account_drift):
    HISTORIES.add_all(others.HISTORIES)

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


class _Chance:
    """What A, B, C and D send on each day, by chance that can be repeated."""

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


@dataclass
class _Life:
    """The history as it is lived through on one store.

    Attributes:
        stand: Whose sandbox and clock it has.
        database: The store.
        loses: Whether a transaction is lost each time that a person accepts or reviews.
        found: What was found on the way and is in the end, by what it is.
        pasts: The groups at the end of each day, by the instant of the last change.
        compared: The names of the groups that were compared for acceptances.
        losses: What was lost, by what was done: the answer to a COMMIT, or the turn before it.
    """

    stand: Stand
    database: Database
    loses: bool
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    pasts: dict[Any, list[Any]] = field(default_factory=dict[Any, list[Any]])
    compared: set[Any] = field(default_factory=set[Any])
    losses: dict[str, str] = field(default_factory=dict[str, str])

    def live(self) -> None:
        """Live through all days, and long enough after them for an account to be removed."""
        self.stand.database, self.stand.now = self.database, START
        chance = _Chance(_SEED)
        for day in range(1, _DAYS + 1):
            self._live_through_day(day, chance)
        self.stand.pass_time(days=30)
        self.stand.discover()
        self.found |= read_tables(self.database, *(table.name for table in TABLES))
        for number, instant in enumerate(self.pasts):
            self.found[f"as of {number}"] = self.read_past(instant)
        self.found["drift"] = self.stand.table("account_drift")

    def read_past(self, instant: Any) -> list[Any]:
        return self.stand.rows("FROM groups_as_of($t) ORDER BY ALL", t=instant)

    def _live_through_day(self, day: int, chance: _Chance) -> None:
        stand = self.stand
        answering = HISTORIES.answer(stand, day)
        for account in chance.groups:
            tenant = "globex" if account == C and day > 1 else "acme"
            stand.put(account, chance.move_on(account), tenant_id=tenant)
        if day == _DAYS:
            stand.server.remove_account(D)
        stand.write_settings(HISTORIES.make_settings())
        self._prepare(day, chance)
        stand.discover()
        present = [one for one in (A, B, C, D) if one in stand.keys]
        told = tell(stand.sync(*present, *answering, run_id=f"day {day}"))
        self.found[f"outcomes {day}"] = told
        self.found[f"held back {day}"] = stand.table("held_back_groups")
        stand.write_settings(HISTORIES.make_settings())
        stand.pass_time(hours=1)
        if day == 3:
            self._accept()
        if day == _DAYS:
            self.found["replayed again"] = tell(stand.replay(A, run_id="replay"))
            self._review()
        self._keep_past()
        stand.pass_time(days=2)

    def _prepare(self, day: int, chance: _Chance) -> None:
        """Let happen what does before the sync of a day."""
        stand = self.stand
        if day == 2:
            stand.put(D, [{**group(1), "id": None}])  # held back, and released by the next
            damage(stand, [one["id"] for one in chance.groups[B]])
            lose_ledger(stand, UNKNOWN_TO_THE_LEDGER)
            remember_audits(stand, OFTEN_AUDITED, count=30)
        if day == 3:
            stand.put(B, [group(1)])  # too few to be believed
        if day == 4:
            stand.write_settings(HISTORIES.make_settings(defaults={"volume": {"max_fall": 1.0}}))
            stand.put(A, [])
        if day == 5:
            self._replay()

    def _replay(self) -> None:
        """Rebuild what is spoilt, by other settings, and what cannot be."""
        self.stand.write("UPDATE groups SET normalization_version = 0")
        self.stand.write("UPDATE groups SET name = 'spoilt' WHERE integrated_account_id = $c", c=C)
        self.stand.write(
            "DELETE FROM raw_groups WHERE integrated_account_id = $id AND id > 'g1'",
            id=STORED_IN_PART,
        )
        self.stand.write_settings(HISTORIES.make_settings(defaults={"remote_data": "nothing"}))
        replayed = self.stand.replay(C, STORED_IN_PART, run_id="replay of the day before")
        self.found["replayed"] = tell(replayed)
        self.stand.write_settings(HISTORIES.make_settings())

    def _accept(self) -> None:
        """Let a person accept what waits, with a clock that is ten days late."""
        lose_ledger(self.stand, HELD_WITHOUT_LEDGER)
        self.stand.write(
            "DELETE FROM held_back_groups "
            "WHERE integrated_account_id = $id AND (record ->> '$.id') > 'g3'",
            id=HELD_IN_PART,
        )
        self.stand.pass_time(days=-10)
        first = (B, HELD_WITH_MANY, HELD_WITHOUT_LEDGER, HELD_FOR_A_NAME)
        with self._noting_what_is_compared():
            with self._losing("answer", "accepted"):
                self.found["accepted"] = accept_of(self.stand, *first)
            self._keep_past()
            with self._losing("turn", "accepted later"):
                self.found["accepted later"] = accept_of(self.stand, HELD_AND_ACCEPTED_LATER)
        self.found["refused"] = accept_of(self.stand, HELD_IN_PART)
        self.stand.pass_time(days=10)

    def _review(self) -> None:
        """Let a person review what one account had when it was shown, and all of a tenant."""
        rows = self.stand.table("privileged_group_changes", account=BECOMING_PRIVILEGED)
        shown = min(row["changed_at"] for row in rows)
        with self._losing("answer", "reviewed"):
            wanted = AccountFilter((BECOMING_PRIVILEGED,))
            self.found["reviewed"] = review(self.stand, Review(wanted, "Ticket.", "ann", shown))
        with self._losing("turn", "reviewed later"):
            wanted = AccountFilter(tenants=("globex",))
            self.found["reviewed later"] = review(self.stand, Review(wanted, "Ticket.", "bob"))

    def _keep_past(self) -> None:
        ((instant,),) = self.stand.rows("SELECT max(changed_at) FROM group_changes")
        if instant is not None:
            self.pasts[instant] = self.read_past(instant)

    @contextmanager
    def _noting_what_is_compared(self) -> Iterator[None]:
        is_same = json_equality.is_same_json

        def compare(one: str, other: str) -> bool:
            self.compared |= {json.loads(text)["name"] for text in (one, other) if text[0] == "{"}
            return is_same(one, other)

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(json_equality, "is_same_json", compare)
            yield

    @contextmanager
    def _losing(self, what: str, when: str) -> Iterator[None]:
        """Let the turn be lost before the next COMMIT, or only the answer to it."""
        own = Database.committing

        @contextmanager
        def commit(
            database: Database, connection: duckdb.DuckDBPyConnection, turn: Turn
        ) -> Iterator[None]:
            is_first = when not in self.losses
            self.losses[when] = what
            with own(database, connection, turn):
                yield
                if is_first and what == "turn":
                    raise LostTransactionError("The turn is lost.")
            if is_first and what == "answer":
                raise LostTransactionError("The answer is lost.")

        with pytest.MonkeyPatch.context() as monkeypatch:
            if self.loses:
                monkeypatch.setattr(Database, "committing", commit)
                monkeypatch.setattr(database_module, "_RETRY_SECONDS", (0.01,))
            yield


def damage(stand: Stand, ids: list[str]) -> None:
    for sql in _DAMAGES:
        parameters = {"b": B, "first": ids[0], "second": ids[1], "third": ids[2], "last": ids[-1]}
        used = {name: value for name, value in parameters.items() if f"${name}" in sql}
        stand.write(sql, **used)


def lose_ledger(stand: Stand, account: str) -> None:
    stand.write("DELETE FROM account_syncs WHERE integrated_account_id = $id", id=account)
    stand.write(
        "UPDATE integrated_accounts SET last_confirmed_at = NULL WHERE id = $id", id=account
    )


def remember_audits(stand: Stand, account: str, *, count: int) -> None:
    """Let an account have been audited that often."""
    stand.write(
        "INSERT INTO account_shapes SELECT s.* REPLACE ('old' || n AS run_id, "
        "FALSE AS is_baseline, s.observed_at + INTERVAL 1 MINUTE * n AS observed_at) "
        "FROM account_shapes AS s, range(1, $count + 1) AS r(n) WHERE integrated_account_id = $id",
        id=account,
        count=count,
    )


def accept_of(stand: Stand, *accounts: str) -> dict[str, Replacement] | str:
    """Accept what these accounts sent; what was replaced of each, or why it was refused."""
    session = stand.session()
    try:
        accepted = accept(
            stand.database,
            Acceptance(accounts, (), reason="Right.", accepted_by="a person"),
            settings_for=lambda one: session.settings.for_account(
                one.integrated_account_id, one.integration, knobs=session.knobs
            ),
            run_id="acceptance",
            clock=lambda: stand.now,
        )
    except AcceptanceRefusedError as error:
        return str(error)
    return {one.pending.integrated_account_id: one.replacement for one in accepted}


def review(stand: Stand, wanted: Review) -> list[tuple[str, str]] | str:
    """Review what is wanted; account and group of what was marked, or why it was refused."""
    try:
        marked = mark_reviewed(stand.database, wanted, clock=lambda: stand.now)
    except ReviewRefusedError as error:
        return str(error)
    return sorted((one.integrated_account_id, one.id) for one in marked)


def tell(results: Mapping[str, AccountResult | PassedOver]) -> dict[str, Any]:
    """How each account ended, and what its publication counted."""
    return {
        account: None
        if isinstance(result, PassedOver)
        else (result.attempt.outcome, result.attempt.error_kind, result.replacement)
        for account, result in results.items()
    }


@dataclass(frozen=True)
class Both:
    """The same history on a file and on a lake, of which answers to COMMITs were lost."""

    file: _Life
    lake: _Life


@pytest.fixture(name="both", scope="module")
def provide_both(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster
) -> Both:
    with open_stand(tmp_path_factory.mktemp("both")) as stand:
        on_file = _Life(stand, stand.database, loses=False)
        on_file.live()
        for account in stand.keys:
            stand.server.remove_account(account)
        use_ducklake(stand, postgres_cluster.make_database())
        on_lake = _Life(stand, stand.database, loses=True)
        on_lake.live()
    return Both(on_file, on_lake)


def test_a_history_leaves_the_same_rows_in_a_file_and_in_a_lake(both: Both) -> None:
    on_file, on_lake = both.file.found, both.lake.found

    assert on_lake.keys() == on_file.keys()
    for name, rows in on_file.items():
        assert on_lake[name] == rows, name


def outcomes(found: Mapping[str, Any], account: str, *days: int) -> list[str]:
    return [found[f"outcomes {day}"][account][0] for day in days]


def rows_of(found: Mapping[str, Any], table: str, account: str) -> list[Row]:
    return [row for row in found[table] if row["integrated_account_id"] == account]


def test_the_history_has_all_that_is_to_be_the_same(both: Both) -> None:
    found = both.file.found

    assert {row["change"] for row in found["group_changes"]} == {"added", "removed", "changed"}
    hints = {row["hint"] for row in found["group_changes"]}
    assert hints == {None, "renamed", "retyped", "recreated", "id_reused"}
    assert outcomes(found, B, 2, 3, 4) == ["published", "held_back", "published"]
    assert outcomes(found, D, 2, 3) == ["held_back", "published"]
    assert outcomes(found, A, 4, 5) == 2 * ["published"]
    assert D not in {row["id"] for row in found["integrated_accounts"]}
    assert len(found["accepted_baselines"]) == 5
    # Those of which the ledger is lost are not new: only what differs is a change.
    changes = rows_of(found, "group_changes", UNKNOWN_TO_THE_LEDGER)
    assert sorted((row["id"], row["change"]) for row in changes) == [
        ("g2", "removed"),
        ("g3", "added"),
    ]
    assert len(rows_of(found, "group_changes", HELD_WITHOUT_LEDGER)) == 27
    assert len(rows_of(found, "groups", HELD_WITHOUT_LEDGER)) == 3
    # Accepted together, with all of their records.
    accepted = found["accepted"]
    assert (accepted[HELD_WITH_MANY].removed, accepted[HELD_WITH_MANY].changed) == (1000, 500)
    raw = rows_of(found, "raw_groups", HELD_WITH_MANY)
    assert [json.loads(row["record"]) for row in raw] == sorted(MANY, key=lambda one: one["id"])
    assert {row["name"] for row in rows_of(found, "groups", HELD_FOR_A_NAME)} == {"7", "Group 2"}
    # A part of what waits, or is stored, is not taken for all of it.
    assert "4 groups wait in held_back_groups, and it had 9" in found["refused"]
    assert [len(rows_of(found, "groups", one)) for one in (HELD_IN_PART, STORED_IN_PART)] == [30, 3]
    assert found["replayed"][STORED_IN_PART][:2] == ("failed", "raw_records")
    assert found["replayed"][C][0] == "published"
    # A replay is no attempt.
    assert {row["run_id"] for row in found["account_syncs"]} == {f"day {n + 1}" for n in range(6)}
    kept = {row["run_id"] for row in rows_of(found, "account_shapes", OFTEN_AUDITED)}
    assert kept == {"day 1", "day 2", *(f"old{number}" for number in range(12, 31))}


def test_the_past_does_not_change_on_a_lake_whatever_the_clock_does(both: Both) -> None:
    """A person accepted with a clock that was ten days late, and an account was removed."""
    pasts = list(both.lake.pasts.items())
    assert len(pasts) > _DAYS
    for number, (instant, past) in enumerate(pasts):
        found, expected = (
            [row for row in rows if row[0] not in (B, C)]  # into whose rows somebody has written
            for rows in (both.lake.found[f"as of {number}"], past)
        )
        assert found == expected, instant


def test_an_acceptance_of_which_the_answer_was_lost_is_told_as_it_was(both: Both) -> None:
    for when in ("accepted", "accepted later"):
        assert both.lake.losses[when] == ("answer" if when == "accepted" else "turn")
        assert both.lake.found[when] == both.file.found[when]
    assert both.file.found["accepted later"][HELD_AND_ACCEPTED_LATER].removed == 27
    for one in (HELD_WITHOUT_LEDGER, HELD_AND_ACCEPTED_LATER):
        assert len(rows_of(both.lake.found, "groups", one)) == 3
        assert len(rows_of(both.lake.found, "group_changes", one)) == 27
        assert len(rows_of(both.lake.found, "accepted_baselines", one)) == 1


def test_a_review_of_which_the_answer_was_lost_is_told_as_it_was(both: Both) -> None:
    for when in ("reviewed", "reviewed later"):
        assert both.lake.losses[when] == ("answer" if when == "reviewed" else "turn")
        assert both.lake.found[when] == both.file.found[when]
    found = both.lake.found
    assert found["reviewed"] == [(BECOMING_PRIVILEGED, "g1")]
    assert found["reviewed later"] == [(OF_ANOTHER_TENANT, "g1"), (OF_ANOTHER_TENANT, "g2")]
    seen = [
        [row["reviewed_by"] for row in rows_of(found, "privileged_group_changes", one)]
        for one in (BECOMING_PRIVILEGED, OF_ANOTHER_TENANT)
    ]
    assert seen == [["ann", None], ["bob", "bob"]]


def test_what_another_account_sent_is_not_compared_for_an_acceptance_on_a_lake(
    both: Both,
) -> None:
    """Its records could need all the memory that there is."""
    assert 7 in both.lake.compared
    assert 8 not in both.lake.compared


def test_a_lake_is_read_and_filtered_like_a_file(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[dict[str, pandas.DataFrame]] = []
    for life in (both.file, both.lake):
        monkeypatch.setenv("TRUTO_GROUPS_DATABASE", life.database.location)
        with read.connect() as connection:
            then = read.groups_as_of(START + timedelta(days=1), connection, integration="okta")
            frames.append(
                {
                    "of globex": read.groups(tenant="globex", type="team").df(),
                    "then": then.df(),
                    "drift": read.drift(connection).df(),
                    "overview": read.overview(connection).df(),
                }
            )
    on_file, on_lake = frames
    for name, frame in on_file.items():
        assert not frame.empty, name
        pandas.testing.assert_frame_equal(on_lake[name], frame)


def test_a_lake_is_exported_like_a_file(
    both: Both, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "truto_groups.yaml").write_text("")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(tmp_path / "truto_groups.yaml"))
    as_of = (START + timedelta(days=1)).isoformat()
    for life in (both.file, both.lake):
        store = "file" if life is both.file else "lake"
        monkeypatch.setenv("TRUTO_GROUPS_DATABASE", life.database.location)
        for out, options in (
            (f"{store}_now.parquet", ["--tenant", "globex"]),
            (f"{store}_then.csv", ["--as-of", as_of]),
            (f"{store}_drift.json", ["--table", "account_drift"]),
        ):
            assert main(["export", "--allow-incomplete", "--out", out, *options]) == 0
    for name in ("now.parquet", "then.csv", "drift.json"):
        on_file, on_lake = (
            duckdb.sql(f"FROM '{tmp_path}/{store}_{name}' ORDER BY ALL").fetchall()
            for store in ("file", "lake")
        )
        assert on_lake == on_file != []
