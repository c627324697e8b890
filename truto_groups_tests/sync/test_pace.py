"""What a run does not do: ask twice, write twice, wait for the slowest. Counted, never timed.

Real: HTTP on loopback, DuckDB in a file. How many rows a statement wrote is what DuckDB says.
"""

import hashlib
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from truto_groups.sandbox import Request, Response
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.publish import ReplacedAccount, replace_rows
from truto_groups.sync.refresh import PassedOver, refresh_accounts
from truto_groups.warehouse import connections
from truto_groups.warehouse import database as database_module
from truto_groups.warehouse.ledger_table import find_overtaken, read_confirmations
from truto_groups_tests.stand import (
    GROUPS_PATH,
    A,
    B,
    C,
    D,
    Row,
    Stand,
    counting_requests,
    group,
    groups_of,
)

pytestmark = pytest.mark.long

WRITE = re.compile(r"^(?:--.*\n|\n)*(INSERT INTO|DELETE FROM|UPDATE) (\w+)\b")
PUBLISHED = ("raw_groups", "groups", "group_type_breakdown", "group_changes")


class CountingConnection:
    """DuckDB's connection, which remembers how many rows each statement wrote to which table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, written: Counter[str]) -> None:
        self._connection = connection
        self._written = written
        self._writes_to: str | None = None

    def __getattr__(self, name: str) -> Any:
        """Everything else is DuckDB's own."""
        return getattr(self._connection, name)

    def execute(self, text: str, *parameters: object) -> "CountingConnection":
        found = WRITE.match(text)
        self._writes_to = None if found is None else f"{found[1]} {found[2]}"
        self._connection.execute(text, *parameters)
        return self

    def fetchall(self) -> list[Any]:
        rows = self._connection.fetchall()
        if self._writes_to is not None:
            self._written[self._writes_to] += rows[0][0]
        return rows


@pytest.fixture(name="written")
def count_written_rows(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Rows that runs wrote, by kind of statement and table."""
    written: Counter[str] = Counter()

    def connect(**options: Any) -> Any:
        return CountingConnection(connections.connect(**options), written)

    monkeypatch.setattr(database_module, "connect", connect)
    return written


def find_published(written: Counter[str]) -> dict[str, int]:
    return {
        statement: count
        for statement, count in written.items()
        if count and statement.split()[-1] in PUBLISHED
    }


def test_a_page_is_asked_for_once(stand: Stand) -> None:
    stand.knobs = {"page_size": 10}
    stand.put(A, groups_of(95))
    stand.put(B, groups_of(10))
    stand.put(C, [])
    stand.discover()
    with counting_requests(stand) as asked:
        stand.outcomes()
    assert Counter(asked) == {A: 10, B: 1, C: 1}


def test_the_same_answer_writes_no_row_in_whatever_order_it_comes(
    stand: Stand, written: Counter[str]
) -> None:
    stand.put(A, groups_of(50))
    stand.discover()
    assert stand.outcomes(run_id="r1") == {A: "published"}
    assert find_published(written) == {
        "INSERT INTO raw_groups": 50,
        "INSERT INTO groups": 50,
        "INSERT INTO group_type_breakdown": 1,
    }
    written.clear()
    stand.put(A, groups_of(50)[::-1])
    assert stand.outcomes(run_id="r2") == {A: "unchanged"}
    assert find_published(written) == {}


def test_only_what_changed_is_written(stand: Stand, written: Counter[str]) -> None:
    stand.put(A, groups_of(500))
    stand.put(B, groups_of(10))
    stand.discover()
    stand.outcomes(run_id="r1")
    written.clear()
    answer = groups_of(501)
    answer[7] = group(7, "Renamed")
    answer[9] = group(9, remote_data={"size": 0})
    del answer[3]
    stand.put(A, answer)
    stand.outcomes(run_id="r2")
    assert find_published(written) == {
        "DELETE FROM raw_groups": 3,
        "INSERT INTO raw_groups": 3,
        "DELETE FROM groups": 3,
        "INSERT INTO groups": 3,
        "DELETE FROM group_type_breakdown": 1,
        "INSERT INTO group_type_breakdown": 1,
        "INSERT INTO group_changes": 3,
    }


def publish(stand: Stand, groups: Mapping[str, Sequence[Row]], *, is_initial: bool) -> int:
    """Replace the groups of accounts in one transaction; how many were added to what was there."""
    accounts = [ReplacedAccount(key, "okta", None, is_initial=is_initial) for key in groups]
    with Staging() as staging:
        staging.land([StagedPage(key, 1, json.dumps(rows)) for key, rows in groups.items()])
        with stand.database.writing(staging.connection) as connection:
            replaced = replace_rows(connection, accounts, run_id="run", now=stand.now)
    return sum(one.added for one in replaced.values())


needs_byte_counts = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="only Linux counts what is read"
)


def count_bytes_read() -> int:
    """How much this process has read from files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


@needs_byte_counts
def test_a_publication_reads_nothing_of_what_the_ledger_holds_from_before(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    stand.outcomes(run_id="r1")
    stand.write(
        "INSERT INTO account_syncs SELECT s.* REPLACE (md5(n::VARCHAR) AS integrated_account_id, "
        "s.answer_order + n AS answer_order) "
        "FROM account_syncs AS s, range(1, 200001) AS r(n)"
    )
    file_size = Path(stand.database.location).stat().st_size
    with stand.database.reading() as connection:
        before = count_bytes_read()
        assert read_confirmations(connection, [A]).keys() == {A}
        assert find_overtaken(connection, {A: 300_000}) == {}
    assert count_bytes_read() - before < file_size / 4


def make_noise(seed: str) -> str:
    """A text that no compression makes much shorter."""
    return hashlib.shake_256(seed.encode()).hexdigest(200)


@needs_byte_counts
def test_a_change_reads_no_records_of_other_accounts(stand: Stand) -> None:
    # Ids without an order, so that the bounds of stored ones do not tell where an account's are.
    keys = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(60)]
    groups = {
        key: [group(n, remote_data=make_noise(f"{key}{n}")) for n in range(500)] for key in keys
    }
    publish(stand, groups, is_initial=True)
    file_size = Path(stand.database.location).stat().st_size
    changed = {key: [*groups[key], group(500)] for key in keys[:10]}
    before = count_bytes_read()
    assert publish(stand, changed, is_initial=False) == 10
    assert count_bytes_read() - before < file_size / 2


@pytest.fixture(name="commits")
def count_commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each transaction on the database."""
    commits: list[int] = []
    own = database_module.transaction

    @contextmanager
    def counted(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with own(connection):
            yield
        commits.append(1)

    monkeypatch.setattr(database_module, "transaction", counted)
    return commits


def test_many_small_accounts_share_a_transaction(stand: Stand, commits: list[int]) -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(200)]
    for key in keys:
        stand.put(key, groups_of(2))
    stand.discover()
    commits.clear()
    assert set(stand.outcomes(run_id="r1").values()) == {"published"}
    assert len(commits) < len(keys) / 4


def test_a_slow_account_keeps_no_other_from_being_published(stand: Stand) -> None:
    for key in (A, B, C, D):
        stand.put(key, groups_of(3))
    stand.knobs = {"accounts_at_once": 2}
    stand.discover()
    goes_on = threading.Event()

    def delay(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id == A:
            goes_on.wait(20)
        return None

    stand.server.intercept = delay
    ended: list[str] = []
    for result in refresh_accounts(stand.session(), [A, B, C, D], run_id="r1"):
        assert not isinstance(result, PassedOver)
        ended.append(result.attempt.integrated_account_id)
        if len(ended) == 3:
            assert stand.rows("SELECT count(*) FROM groups") == [(9,)]
            goes_on.set()
    assert set(ended[:3]) == {B, C, D}
    assert ended[3] == A


def test_the_largest_known_accounts_are_fetched_first(stand: Stand) -> None:
    sizes = {A: 1, B: 30, C: 20, D: 40}
    for key, size in sizes.items():
        stand.put(key, groups_of(size))
    stand.knobs = {"accounts_at_once": 1}
    stand.discover()
    stand.outcomes(run_id="r1")
    with counting_requests(stand) as asked:
        stand.outcomes(A, B, C, D, run_id="r2")
    assert asked == [D, B, C, A]
