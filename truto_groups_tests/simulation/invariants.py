"""What must hold after whatever has happened, read from the database as anybody reads it.

Says what is wrong; nothing here knows which faults there were, but for whom they may be blamed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from truto_groups.errors import DatabaseError, TokenRejectedError
from truto_groups.sync.refresh import PassedOver
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups_tests.simulation.disk import Killed, Sabotage
from truto_groups_tests.simulation.scheduling import Abandoned
from truto_groups_tests.simulation.world import Run, World

_CONFIRMED = ("published", "unchanged")
_OF_ITS_OWN = (*_CONFIRMED, "held_back", "failed")
# Every column but remote_data and normalization_version.
_AS_OF = (
    "integrated_account_id, id, integration, tenant_id, name, group_type, group_type_as_received, "
    "description, organization_id, created_at, updated_at, first_seen_at, changed_at, other_fields"
)

Row = dict[str, Any]


class BrokenPromiseError(AssertionError):
    """An invariant does not hold."""


@dataclass
class Seen:
    """What was seen so far, to be compared with what is seen later.

    Attributes:
        orders: By account, the number of the answer that its rows were made of.
        groups: By instant, the groups as they were then.
    """

    orders: dict[str, int] = field(default_factory=dict[str, int])
    groups: dict[datetime, list[tuple[Any, ...]]] = field(
        default_factory=dict[datetime, list[tuple[Any, ...]]]
    )


@dataclass
class State:
    """What the database says."""

    ledger: Sequence[Row]
    raw: Mapping[str, Mapping[str, Row]]
    groups: Mapping[str, Mapping[str, Row]]
    breakdown: Mapping[str, Mapping[str | None, int]]
    held_back: Mapping[str, Sequence[str]]
    known: Mapping[str, Any]
    row_counts: Mapping[str, int]
    as_of: Sequence[tuple[Any, ...]]
    last_instant: datetime | None

    def of_account(self, key: str) -> list[Row]:
        """Its attempts in the order of their first requests."""
        rows = [row for row in self.ledger if row["integrated_account_id"] == key]
        return sorted(rows, key=lambda row: row["answer_order"])


def check(world: World, seen: Seen, *, is_last: bool = False) -> None:
    """Check all that must hold when no run is under way.

    Raises:
        BrokenPromiseError: Something does not.
    """
    with world.database.reading() as connection:
        state = read_state(connection)
        _check_past(connection, state, seen, is_last=is_last)
    _require(not world.loop.accidents, "accidents on the loop", world.loop.accidents)
    for run in world.runs.values():
        check_run(run, state)
    orders = [row["answer_order"] for row in state.ledger]
    _require(None not in orders and len({*orders}) == len(orders), "numbers used twice", orders)
    for key in world.keys:
        _check_rows(world, key, state, seen)
        _check_reasons(key, state)
    unfinished = [row["run_id"] for row in state.ledger if row["outcome"] == "running"]
    dying = [key for key in unfinished if not _is_dead(world.runs[key])]
    _require(not (unfinished if is_last else dying), "still running", unfinished)


def read_state(connection: duckdb.DuckDBPyConnection) -> State:
    """Read all that is checked."""
    by_account: dict[str, dict[str, Row]] = {}
    for row in _read(connection, "SELECT * FROM groups"):
        _put(by_account, row)
    raw: dict[str, dict[str, Row]] = {}
    for row in _read(connection, "SELECT * FROM raw_groups"):
        _put(raw, row)
    breakdown: dict[str, dict[str | None, int]] = {}
    for row in _read(connection, "SELECT * FROM group_type_breakdown"):
        types = breakdown.setdefault(row["integrated_account_id"], {})
        _require(row["group_type"] not in types, "a type twice", row)
        types[row["group_type"]] = row["group_count"]
    held_back: dict[str, list[str]] = {}
    for row in _read(connection, "SELECT * FROM held_back_groups ORDER BY position"):
        held_back.setdefault(row["integrated_account_id"], []).append(row["record"])
    instants = connection.execute(
        "SELECT value::TIMESTAMPTZ FROM database_properties WHERE name = 'last_published_at'"
    ).fetchall()
    return State(
        ledger=_read(connection, "SELECT * FROM account_syncs"),
        raw=raw,
        groups=by_account,
        breakdown=breakdown,
        held_back=held_back,
        known={account.id: account for account in read_known_accounts(connection)},
        row_counts=dict(
            connection.execute(
                "SELECT integrated_account_id, row_count FROM account_state"
            ).fetchall()
        ),
        as_of=_read_groups(connection, "groups"),
        last_instant=instants[0][0] if instants else None,
    )


def check_run(run: Run, state: State) -> None:
    """Check that a run told of each account once, and as the ledger does."""
    _require(_may_end_so(run), f"{run.id} ended with", repr(run.program.error))
    told = Counter(_key(result) for result in run.results)
    _require(max(told.values(), default=1) == 1, f"{run.id} told twice", told)
    rows = {row["integrated_account_id"]: row for row in state.ledger if row["run_id"] == run.id}
    _require(
        len(rows) == sum(row["run_id"] == run.id for row in state.ledger),
        f"{run.id} has two rows of one account",
        state.ledger,
    )
    if not run.has_been_stopped:
        _require(set(told) == set(run.keys), f"{run.id} did not tell of all", told)
    for result in run.results:
        if isinstance(result, AccountResult):
            key, outcome = _key(result), result.attempt.outcome
            row = rows.get(key)
            _require(row is not None and row["outcome"] == outcome, "told other than kept", row)
            _check_blame(run, key, outcome, result.attempt.error)
    for row in rows.values():
        _require((row["finished_at"] is None) == (row["outcome"] == "running"), "no end", row)
        # What no account can be blamed for must hide no reason of its own.
        _require(row["error_kind"] != "database", "the database's failure is an account's", row)
        if row["outcome"] == "interrupted":
            _require(row["error_kind"] in _find_endings(run), "ended by another reason", row)


def _check_blame(run: Run, key: str, outcome: str, error: str | None) -> None:
    """An account that was answered rightly is not harmed by those that were not."""
    if outcome == "failed" and key not in run.conduct.blamed and not run.sabotage.has_struck:
        raise BrokenPromiseError(f"{run.id}: {key} failed without a fault of its own: {error}")


def _check_rows(world: World, key: str, state: State, seen: Seen) -> None:
    """An account's rows are one version whole: that of its newest confirmed answer."""
    attempts = state.of_account(key)
    confirmed = [row for row in attempts if row["outcome"] in _CONFIRMED]
    expected: Mapping[str, Row] = {}
    if confirmed:
        last = confirmed[-1]
        before = seen.orders.get(key, 0)
        _require(last["answer_order"] >= before, f"{key} went back behind {before}", last)
        seen.orders[key] = last["answer_order"]
        account = world.truto.accounts[key]
        version = account.versions[world.runs[last["run_id"]].conduct.seen[key] - 1]
        _require(version.is_sound, f"{key} published what is wrong", version)
        expected = version.groups
        at = state.known[key].last_confirmed_at
        _require(at == last["finished_at"], f"{key} confirmed at {at}", last)
    raw, groups = state.raw.get(key, {}), state.groups.get(key, {})
    found = {id_: json.loads(row["record"]) for id_, row in raw.items()}
    _require(found == expected, f"raw_groups of {key}", {"found": found, "expected": expected})
    names = {id_: (row["name"], row["group_type_as_received"]) for id_, row in groups.items()}
    wanted = {id_: (one["name"], one["group_type"]) for id_, one in expected.items()}
    _require(names == wanted, f"groups of {key}", {"found": names, "expected": wanted})
    types = Counter(row["group_type"] for row in groups.values())
    _require(state.breakdown.get(key, {}) == dict(types), f"breakdown of {key}", types)
    count = state.row_counts.get(key)
    _require((count or 0) == len(groups), f"{key} remembers {count} rows", len(groups))
    _check_held_back(world, key, state)


def _check_held_back(world: World, key: str, state: State) -> None:
    """Records wait for a person exactly as long as no newer answer was confirmed."""
    audited = [row for row in state.of_account(key) if row["outcome"] in (*_CONFIRMED, "held_back")]
    expected: list[str] = []
    if audited and audited[-1]["outcome"] == "held_back":
        number = world.runs[audited[-1]["run_id"]].conduct.seen[key]
        version = world.truto.accounts[key].versions[number - 1]
        _require(not version.is_sound, f"{key} held back what is right", version)
        expected = sorted(version.records)
        # Of an id that came twice, one copy is kept.
        ids = [json.loads(record).get("id") for record in expected]
        if len({*ids}) < len(ids):
            return
    found = sorted(state.held_back.get(key, []))
    _require(found == expected, f"held back of {key}", {"found": found, "expected": expected})


def _check_reasons(key: str, state: State) -> None:
    """What is told of an account is its last attempt that came to an end of its own."""
    own = [row for row in state.of_account(key) if row["outcome"] in _OF_ITS_OWN]
    last = own[-1] if own else dict.fromkeys(("outcome", "error_kind", "error", "started_at"))
    known = state.known[key]
    told = (known.outcome, known.error_kind, known.error, known.attempted_at)
    kept = (last["outcome"], last["error_kind"], last["error"], last["started_at"])
    _require(told == kept, f"what is told of {key}", {"told": told, "kept": kept})


def _check_past(
    connection: duckdb.DuckDBPyConnection, state: State, seen: Seen, *, is_last: bool
) -> None:
    """What the groups were at an instant that has passed never changes."""
    if state.last_instant is None:
        return
    if state.last_instant in seen.groups:
        is_same = seen.groups[state.last_instant] == state.as_of
        _require(is_same, "rows changed without an instant of their own", state.last_instant)
    seen.groups[state.last_instant] = list(state.as_of)
    for instant, groups in seen.groups.items() if is_last else ():
        found = _read_groups(connection, "groups_as_of($at)", at=instant)
        _require(
            found == groups,
            f"groups_as_of({instant})",
            {"found": [*_minus(found, groups)], "expected": [*_minus(groups, found)]},
        )


def _minus(left: Sequence[Any], right: Sequence[Any]) -> Iterable[Any]:
    return (one for one in left if one not in right)


def _may_end_so(run: Run) -> bool:
    """Whether a run ended with an error that somebody has brought about."""
    error, luck, sabotage = run.program.error, run.luck, run.sabotage
    if error is None:
        return not run.sabotage.is_dead
    if isinstance(error, Abandoned | AssertionError):
        return False
    if isinstance(error, Killed):
        return sabotage.is_dead
    if isinstance(error, KeyboardInterrupt):
        return luck.cancelled_at is not None or sabotage.harm == "cancelled"
    if isinstance(error, TokenRejectedError):
        return run.conduct.is_rejected
    if isinstance(error, DatabaseError):
        return _is_of_disk(sabotage)
    return isinstance(error, duckdb.OutOfMemoryException) and sabotage.harm == "no memory"


def _is_of_disk(sabotage: Sabotage) -> bool:
    if sabotage.has_lost_count:
        return True
    return sabotage.has_struck and sabotage.harm in ("full", "full for good", "no memory")


def _find_endings(run: Run) -> set[str]:
    """By what its attempts may have been interrupted."""
    error = run.program.error
    if run.is_left or isinstance(error, KeyboardInterrupt):
        return {"cancelled", "killed"}
    if isinstance(error, Killed):
        # It may be killed while it says that it was cancelled.
        return {"killed"} if run.luck.cancelled_at is None else {"cancelled", "killed"}
    return set() if error is None else {"broken_off", "killed"}


def _is_dead(run: Run) -> bool:
    """Whether nobody could write how its attempts ended."""
    # Whoever was cancelled writes it once: a second blow that meets that is left to the next run.
    is_second = run.has_been_stopped and run.sabotage.harm in ("full", "cancelled", "no memory")
    is_hindered = run.sabotage.harm == "full for good" or is_second
    return run.sabotage.is_dead or (is_hindered and run.sabotage.has_struck)


def _key(result: AccountResult | PassedOver) -> str:
    if isinstance(result, PassedOver):
        return result.integrated_account_id
    return result.attempt.integrated_account_id


def _read_groups(
    connection: duckdb.DuckDBPyConnection, relation: str, **parameters: object
) -> list[tuple[Any, ...]]:
    """Read groups as they are or were; JSON as what it says, however it is written."""
    sql = f"SELECT {_AS_OF} FROM {relation} ORDER BY integrated_account_id, id"  # noqa: S608
    rows = connection.execute(sql, parameters or None).fetchall()
    return [(*row[:-1], None if row[-1] is None else json.loads(row[-1])) for row in rows]


def _read(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _put(by_account: dict[str, dict[str, Row]], row: Row) -> None:
    rows = by_account.setdefault(row["integrated_account_id"], {})
    _require(row["id"] not in rows, "an id twice", row)
    rows[row["id"]] = row


def _require(holds: bool, what: str, found: object) -> None:
    if not holds:
        raise BrokenPromiseError(f"{what}: {found}")
