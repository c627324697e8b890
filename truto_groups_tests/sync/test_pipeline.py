"""Syncs of many accounts: whole or nothing, and no account ever harms another.

Real: HTTP on loopback, the client, the thread that fetches, DuckDB in a file, processes that are
killed. Faults are injected on the server's side; the clock is the test's.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from truto_groups.accounts.planning import is_due, is_wanted
from truto_groups.errors import DatabaseError, TokenRejectedError
from truto_groups.sandbox import Request, Response, Verbatim
from truto_groups.sync import judge as judge_module
from truto_groups.sync import land as staging_module
from truto_groups.sync import pipeline as pipeline_module
from truto_groups.sync import settle as settle_module
from truto_groups.sync.fetch import Fetcher
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.publish import ReplacedAccount
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups.truto import GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import CompleteWalk, SyncStats
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.ledger_table import Attempt
from truto_groups_tests.places import Place
from truto_groups_tests.stand import (
    DATA_TABLES,
    GROUPS_PATH,
    KEYS,
    START,
    A,
    B,
    C,
    D,
    Row,
    Stand,
    group,
    groups_of,
    read_tables,
    serve_body,
)

pytestmark = pytest.mark.long

ODD = "An odd name"
UNLANDABLE = "[" * 600 + "]" * 600
DEEP = "[" * 5000 + "]" * 5000
NEEDS_REAUTH = {"message": "Revoked", "truto_is_remote_error": True}
FAR_MORE = "defaults: {volume: {max_fall: 1.0, max_rise: 1000}}"


def is_list_of(request: Request, key: str) -> bool:
    return request.path == GROUPS_PATH and request.integrated_account_id == key


# What a publication writes: behaviour 1.


@pytest.fixture(name="kill_at")
def provide_killer(stand: Stand) -> Iterator[Callable[[int], str]]:
    """Sync A and B in a process that is killed before the n-th statement; says how that ended.

    Before none for 0, of which the files are kept as they are before each statement.
    """
    command = [sys.executable, "-m", "truto_groups_tests.sync.killed_sync", stand.server.base_url]
    arguments = [str(stand.folder), (START + timedelta(days=1)).isoformat(), A, B]
    with subprocess.Popen(
        [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def kill_at(number: int) -> str:
            stdin.write(f"{number}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield kill_at
        stdin.close()


def read_as_stranger(location: str) -> dict[str, list[Any]]:
    """Read the tables as a program that knows nothing of our locks."""
    with duckdb.connect(location, read_only=True) as connection:
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()  # noqa: S608
            for name in DATA_TABLES
        }


def read_killed(database: Database) -> tuple[dict[str, list[Row]], list[str]]:
    """What strangers and we read alike, and how the attempts of the killed run stand."""
    strange = read_as_stranger(database.location)
    data = read_tables(database, *DATA_TABLES, "account_syncs")
    outcomes = [row["outcome"] for row in data.pop("account_syncs") if row["run_id"] == "killed"]
    assert {name: [tuple(row.values()) for row in rows] for name, rows in data.items()} == strange
    return data, outcomes


@pytest.mark.slow
def test_a_kill_between_any_two_steps_of_a_publish_leaves_the_previous_rows_exactly_as_they_were(
    listed: Stand, kill_at: Callable[[int], str]
) -> None:
    """Behaviour 1: for every reader, at every statement; or else all of the new rows are there.

    What a kill leaves is looked at before each statement of one run; some runs are killed.
    """
    listed.write_settings(FAR_MORE)
    listed.put(A, [group(1), group(2), group(3, group_type="product")])
    listed.put(B, groups_of(2))
    assert listed.outcomes(A, B, run_id="r1") == {A: "published", B: "published"}
    listed.put(A, [group(1, "New"), group(3, description="x"), group(4)])
    listed.put(B, [])
    saved = listed.folder / "saved.duckdb"
    shutil.copy(listed.database.location, saved)
    before, _ = read_killed(listed.database)
    assert kill_at(0) == "ended 0"
    after, outcomes = read_killed(listed.database)
    assert outcomes == ["published", "published"]
    assert [row["name"] for row in after["groups"]] == ["New", "Group 3", "Group 4"]

    def tell(database: Database, number: int) -> str:
        data, outcomes = read_killed(database)
        if data == before:
            assert set(outcomes) <= {"running"}, number
            return "before"
        assert data == after, f"torn at statement {number}"
        assert outcomes == ["published", "published"], number
        return "after"

    seen: list[str] = []
    files: list[bytes] = []
    for number, folder in enumerate(sorted(listed.folder.glob("before *")), 1):
        was, files = files, [path.read_bytes() for path in sorted(folder.iterdir())]
        # Most statements leave on the disk what was there.
        seen.append(
            seen[-1] if files == was else tell(Database(str(folder / "groups.duckdb")), number)
        )
    # Not sorted: which account's page comes first decides how many statements there are before.
    assert (seen[0], seen[-1]) == ("before", "after")
    count = seen.count("before")
    assert count > 20
    assert seen.count("after") > 1

    endings: list[str] = []
    for number in (1, *range(count - 2, count + 3)):
        for old in listed.folder.glob("groups.duckdb*"):
            if old.is_file():
                old.unlink()
        shutil.copy(saved, listed.database.location)
        endings.append(kill_at(number))
        seen.append(tell(listed.database, number))
    assert endings[:2] == ["killed"] * 2


def test_a_killed_attempt_is_interrupted_at_the_next_run_and_hides_no_earlier_reason(
    listed: Stand, kill_at: Callable[[int], str]
) -> None:
    assert listed.outcomes(A, run_id="r1") == {A: "published"}
    listed.pass_time(hours=1)
    listed.server.intercept = serve_body(B, NEEDS_REAUTH, status=401)
    assert listed.outcomes(B, run_id="r2") == {B: "failed"}
    listed.server.intercept = None
    listed.put(A, groups_of(4))
    listed.pass_time(minutes=1)
    told, due = known(listed, B), find_due(listed, B)
    assert kill_at(20) == "killed"
    assert [row["outcome"] for row in listed.ledger(A)] == ["published", "running"]
    assert (known(listed, B), find_due(listed, B)) == (told, due)
    listed.pass_time(days=2)
    assert listed.outcomes(A, run_id="next") == {A: "published"}
    for killed in (listed.ledger(A)[1], listed.ledger(B)[1]):
        assert (killed["outcome"], killed["error_kind"]) == ("interrupted", "killed")
        assert killed["finished_at"] == listed.now
        assert "killed" in killed["error"]
    assert listed.ledger(A)[2]["outcome"] == "published"
    assert known(listed, B) == told
    assert (told["error_kind"], due) == ("account_needs_reauth", [7])


def known(stand: Stand, key: str) -> dict[str, Any]:
    """What is told of an account's last attempt."""
    with stand.database.reading() as connection:
        (account,) = [one for one in read_known_accounts(connection) if one.id == key]
    return {
        name: getattr(account, name)
        for name in ("outcome", "error_kind", "error", "attempted_at", "last_confirmed_at")
    }


def find_due(stand: Stand, key: str) -> list[int]:
    """In how many hours, of a few, an account would be due."""
    session = stand.session()
    with stand.database.reading() as connection:
        (account,) = [one for one in read_known_accounts(connection) if one.id == key]
    pace, tick = session.pace_of(account), timedelta(minutes=10)
    moments = {hours: stand.now + timedelta(hours=hours) for hours in (0, 3, 5, 7)}
    return [h for h, now in moments.items() if is_due(account, pace=pace, now=now, next_tick=tick)]


@pytest.mark.parametrize("is_closed", [True, False], ids=["nobody takes results", "a signal"])
def test_what_a_cancelled_run_had_begun_is_interrupted_and_hides_no_earlier_reason(
    published: Stand, is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.server.intercept = serve_body(B, NEEDS_REAUTH, status=401)
    assert published.outcomes(B, run_id="r2") == {B: "failed"}
    published.pass_time(minutes=1)
    before = {key: (known(published, key), find_due(published, key)) for key in (B, C)}
    goes_on = threading.Event()

    def hold(request: Request) -> Response | None:
        if request.integrated_account_id in (B, C):
            goes_on.wait(10)
        return None

    published.server.intercept = hold
    published.knobs = {"accounts_at_once": 3}
    published.put(A, groups_of(4))
    results = refresh_accounts(published.session(), [A, B, C, D], run_id="cancelled")
    first = [next(results), next(results)]  # pyright: ignore[reportArgumentType]
    if is_closed:
        results.close()  # pyright: ignore[reportAttributeAccessIssue]
    else:

        def cancel(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Fetcher, "next_event", cancel)
        with pytest.raises(KeyboardInterrupt):
            next(results)  # pyright: ignore[reportArgumentType]
    goes_on.set()
    kept = {result.attempt.integrated_account_id for result in first}  # pyright: ignore
    assert kept == {A, D}
    assert len(published.table("groups", account=A)) == 4
    for key in (B, C):
        row = published.ledger(key)[-1]
        assert (row["outcome"], row["error_kind"]) == ("interrupted", "cancelled")
        assert row["finished_at"] == published.now
        assert (known(published, key), find_due(published, key)) == before[key]
    assert before[B][0]["error_kind"] == "account_needs_reauth"
    assert (before[B][1], before[C][1]) == ([7], [5, 7])


def test_an_attempt_of_a_run_that_is_alive_is_left_running(listed: Stand, place: Place) -> None:
    listed.database.coordination = place.join()
    with older_run(listed, A) as finish:
        listed.pass_time(minutes=1)
        listed.sync(B, run_id="other")
        assert [row["outcome"] for row in listed.ledger(A)] == ["running"]
        assert finish() == {A: "published"}


def test_publishing_takes_the_proof_of_a_complete_walk_and_nothing_else_makes_one() -> None:
    with pytest.raises(TypeError, match="completely walked"):
        CompleteWalk(object(), page_count=1, stats=SyncStats())


# Two syncs of one account.


def older_run(stand: Stand, key: str, *others: str) -> Any:
    """Begin a sync whose answer is given now and arrives when the block calls what it gets.

    Other accounts are synced after that one.
    """
    return _OlderRun(stand, key, *others)


# A busy machine takes long for a sync meanwhile.
_SECONDS = 60


class _OlderRun:
    def __init__(self, stand: Stand, key: str, *others: str) -> None:
        self.stand, self.key, self.others = stand, key, others
        self.asked, self.goes_on = threading.Event(), threading.Event()
        self.outcomes: dict[str, str] = {}
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Callable[[], dict[str, str]]:
        def intercept(request: Request) -> Response | None:
            if self.asked.is_set() or not is_list_of(request, self.key):
                return None
            answer = self.stand.server.answer(request)
            self.asked.set()
            self.goes_on.wait(_SECONDS)
            return answer

        self.stand.server.intercept = intercept
        self.thread.start()
        assert self.asked.wait(_SECONDS)
        return self.finish

    def finish(self) -> dict[str, str]:
        self.goes_on.set()
        self.thread.join(_SECONDS)
        return self.outcomes

    def __exit__(self, *_: object) -> None:
        self.finish()
        self.stand.server.intercept = None

    def _run(self) -> None:
        self.outcomes = self.stand.outcomes(self.key, *self.others, run_id="older")


@pytest.mark.parametrize("hours", [-3, 0, 3], ids=["behind", "right", "ahead"])
def test_an_older_answer_never_replaces_a_newer_one_and_names_the_other_run(
    published: Stand, hours: int
) -> None:
    """Behaviours 1 and 11: of two syncs of one account at once, whatever the newer one's clock."""
    with older_run(published, A) as finish:
        published.pass_time(hours=hours, minutes=1)
        published.put(A, groups_of(4))
        assert published.outcomes(A, run_id="newer") == {A: "published"}
        newer = published.data()
        published.pass_time(minutes=1)
        assert finish() == {A: "skipped"}
    assert published.data() == newer
    row = next(row for row in published.ledger(A) if row["run_id"] == "older")
    assert row["outcome"] == "skipped"
    assert "newer" in row["error"]


def test_an_older_answer_is_skipped_when_the_newer_one_changed_nothing_or_was_held_back(
    published: Stand,
) -> None:
    for newer, outcome in (([*groups_of(3)], "unchanged"), ([{"id": None}], "held_back")):
        published.put(A, groups_of(5))
        with older_run(published, A) as finish:
            published.pass_time(minutes=1)
            published.put(A, newer)
            assert published.outcomes(A, run_id=f"newer {outcome}") == {A: outcome}
            published.pass_time(minutes=1)
            assert finish() == {A: "skipped"}
        assert len(published.table("groups", account=A)) == 3
        published.write("DELETE FROM account_syncs WHERE run_id = 'older'")


def test_a_clock_that_was_ahead_once_keeps_no_later_answer_out(listed: Stand) -> None:
    listed.pass_time(days=300)
    assert listed.outcomes(A, run_id="ahead") == {A: "published"}
    listed.pass_time(days=-299)
    listed.put(A, [*groups_of(3), group(4)])
    with listed.database.reading() as connection:
        (account,) = [one for one in read_known_accounts(connection) if one.id == A]
    assert is_due(
        account,
        pace=listed.session().pace_of(account),
        now=listed.now,
        next_tick=timedelta(minutes=10),
    )
    assert listed.outcomes(A, run_id="right") == {A: "published"}
    assert len(listed.table("groups")) == 4


@pytest.mark.parametrize("hours", [-3, 0, 3], ids=["behind", "right", "ahead"])
def test_an_account_is_as_old_as_its_first_request_and_not_as_its_run(
    published: Stand, hours: int
) -> None:
    """A run of many accounts queues them long before it asks for them."""
    published.knobs = {"accounts_at_once": 1}
    published.put(B, groups_of(5))
    with older_run(published, A, B) as finish:
        assert [row["run_id"] for row in published.ledger(B)] == ["r1"]
        published.pass_time(hours=hours, minutes=1)
        published.put(B, groups_of(4))
        assert published.outcomes(B, run_id="newer run") == {B: "published"}
        published.put(B, groups_of(5))
        asked_at = published.pass_time(hours=-hours, minutes=1)
        assert finish() == {A: "unchanged", B: "published"}
    assert len(published.table("groups", account=B)) == 5
    (row,) = [row for row in published.ledger(B) if row["run_id"] == "older"]
    assert row["started_at"] == asked_at


def test_a_newer_sync_that_failed_does_not_keep_an_older_answer_out(published: Stand) -> None:
    published.put(A, groups_of(4))
    with older_run(published, A) as finish:
        published.pass_time(minutes=1)
        waiting = published.server.intercept
        published.server.intercept = serve_body(A, {"message": "no"}, status=404)
        assert published.outcomes(A, run_id="newer") == {A: "failed"}
        published.server.intercept = waiting
        assert finish() == {A: "published"}
    assert len(published.table("groups", account=A)) == 4


def test_judging_needs_no_turn_of_its_own(listed: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than writing, and others write meanwhile."""
    has_turn, is_judged = threading.Event(), threading.Event()
    judge = judge_module.judge

    def write() -> None:
        with listed.database.writing():
            has_turn.set()
            is_judged.wait(10)

    def judge_meanwhile(*arguments: Any, **options: Any) -> Any:
        other = threading.Thread(target=write)
        other.start()
        assert has_turn.wait(5)
        verdict = judge(*arguments, **options)
        is_judged.set()
        return verdict

    monkeypatch.setattr(judge_module, "judge", judge_meanwhile)
    assert listed.outcomes(A, run_id="r1") == {A: "published"}


def test_a_verdict_is_given_anew_when_another_run_came_between(
    published: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One group is plausible after three, and not after three hundred."""
    judge = judge_module.judge
    seen: list[Sequence[int]] = []
    published.put(A, groups_of(100))
    with older_run(published, A) as finish:

        def judge_between(*arguments: Any, **options: Any) -> Any:
            seen.append(options["count_history"])
            if len(seen) == 1:
                assert finish() == {A: "published"}
            return judge(*arguments, **options)

        monkeypatch.setattr(judge_module, "judge", judge_between)
        published.put(A, groups_of(1))
        assert published.outcomes(A, run_id="newer") == {A: "held_back"}
    assert seen == [[3], [3], [3, 100]]
    assert len(published.table("groups", account=A)) == 100


# One account never harms another: behaviour 2.


def break_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    walk_groups = TrutoClient.walk_groups

    async def walk(client: Any, request: GroupsRequest, **options: Any) -> CompleteWalk:
        if request.integrated_account_id == B:
            raise ZeroDivisionError("odd")
        return await walk_groups(client, request, **options)

    monkeypatch.setattr(TrutoClient, "walk_groups", walk)


def break_splitting(monkeypatch: pytest.MonkeyPatch) -> None:
    split_records = staging_module.split_records

    def split(records: str, **options: Any) -> Any:
        if ODD in records:
            raise ZeroDivisionError("odd")
        return split_records(records, **options)

    monkeypatch.setattr(staging_module, "split_records", split)


def break_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_module.judge

    def judge_oddly(landed: Any, structures: Any, **options: Any) -> Any:
        if landed.group_count == 4:
            raise ZeroDivisionError("odd")
        return judge(landed, structures, **options)

    monkeypatch.setattr(judge_module, "judge", judge_oddly)


def break_profiling(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Staging.profile

    def profile_oddly(staging: Staging, keys: Sequence[str]) -> Any:
        if B in keys:
            raise duckdb.InvalidInputException("odd")
        return profile(staging, keys)

    monkeypatch.setattr(Staging, "profile", profile_oddly)


def break_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_rows = settle_module.replace_rows

    def replace_oddly(connection: Any, accounts: Sequence[ReplacedAccount], **options: Any) -> Any:
        replaced = replace_rows(connection, accounts, **options)
        if any(account.integrated_account_id == B for account in accounts):
            raise duckdb.ConversionException("odd")
        return replaced

    monkeypatch.setattr(settle_module, "replace_rows", replace_oddly)


@pytest.mark.parametrize(
    "break_seam",
    [break_walk, break_splitting, break_profiling, break_judging, break_writing],
    ids=["walking", "splitting", "profiling", "judging", "writing"],
)
def test_what_nobody_foresaw_of_one_account_is_its_failure_alone(
    published: Stand,
    monkeypatch: pytest.MonkeyPatch,
    break_seam: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """Behaviour 2: wherever it shows."""
    keys = [A, B, C, D]
    before = published.table("groups", account=B)
    for key in keys:
        published.put(key, groups_of(2))
    published.put(B, [*groups_of(3), group(4, ODD)])
    break_seam(monkeypatch)
    results = list(refresh_accounts(published.session(), keys, run_id="r2"))
    ended = [
        (result.attempt.integrated_account_id, result.attempt.outcome)
        for result in results
        if isinstance(result, AccountResult)
    ]
    assert sorted(ended) == sorted((key, "failed" if key == B else "published") for key in keys)
    row = published.ledger(B)[-1]
    assert row["outcome"] == "failed"
    assert KEYS[B] in row["error"]
    assert "foreseen" in row["error"]
    assert published.table("groups", account=B) == before


@pytest.mark.parametrize(
    "break_seam", [break_profiling, break_writing], ids=["profiling", "writing"]
)
def test_what_one_account_does_to_a_batch_hides_nothing_of_the_others(
    listed: Stand, monkeypatch: pytest.MonkeyPatch, break_seam: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Each is settled by itself then, when the copies of an id are dropped already."""
    listed.put(A, [group(1), group(2), group(2, "Later")])
    break_seam(monkeypatch)
    results: dict[str, Any] = dict(listed.sync(A, B, run_id="r1"))
    assert results[B].attempt.outcome == "failed"
    assert results[A].attempt.outcome == "published"
    verdict = results[A].verdict
    assert verdict is not None
    assert "duplicate_ids_differ" in {finding.kind for finding in verdict.findings}


def test_what_was_committed_before_the_database_failed_is_told(
    listed: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that one account breaks is settled one by one, the largest first."""
    listed.put(A, groups_of(9))
    break_writing(monkeypatch)
    finish = settle_module.finish_attempts

    def finish_good_ones(connection: Any, attempts: Sequence[Attempt], **options: Any) -> None:
        if any(attempt.outcome == "failed" for attempt in attempts):
            raise DatabaseError("The disk is full.")
        finish(connection, attempts, **options)

    monkeypatch.setattr(settle_module, "finish_attempts", finish_good_ones)
    told: list[Any] = []
    with pytest.raises(DatabaseError, match="The disk is full"):
        told.extend(refresh_accounts(listed.session(), [A, B], run_id="r1"))
    assert [(one.attempt.integrated_account_id, one.attempt.outcome) for one in told] == [
        (A, "published")
    ]
    assert {row["integrated_account_id"] for row in listed.table("groups")} == {A}


def test_an_attempt_whose_beginning_was_lost_is_written_whole_when_it_ends(listed: Stand) -> None:
    """As by a standby that took over and lacked what was committed last."""
    for account in (A, B):
        listed.put(account, groups_of(2))
    listed.knobs["page_size"] = 1

    def lose_beginnings(request: Request) -> Response | None:
        account = request.integrated_account_id or ""
        if request.path != GROUPS_PATH or "next_cursor" not in request.query:
            return None
        until = time.monotonic() + 30
        while not listed.ledger(account):
            assert time.monotonic() < until
        listed.write("DELETE FROM account_syncs WHERE integrated_account_id = $id", id=account)
        return Response(status=403, body=b"{}") if account == B else None

    listed.server.intercept = lose_beginnings
    assert listed.outcomes(A) == {A: "published"}
    assert listed.outcomes(B) == {B: "failed"}
    for account in (A, B):
        (row,) = listed.ledger(account)
        assert row["answer_order"] is not None


@pytest.mark.parametrize("page", [1, 4, 6], ids=["first", "middle", "last"])
def test_an_account_with_a_page_that_cannot_be_landed_fails_once_and_keeps_its_rows(
    published: Stand, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """All of it had arrived before any was landed: sealed is not landed."""
    # As if it had more than 8 MB.
    monkeypatch.setattr(pipeline_module, "_BYTES_LANDED_TOGETHER", 600)
    published.knobs = {"page_size": 2}
    before = published.data()
    answer: list[Any] = [group(number, "Changed") for number in range(12)]
    answer[2 * page - 1] = Verbatim(f'{{"id":"g1","remote_data":{UNLANDABLE}}}')
    published.put(A, answer)
    land = Staging.land

    def land_late(staging: Staging, pages: Sequence[StagedPage]) -> Any:
        wait_until(lambda: len(published.server.requests) == 8)
        return land(staging, pages)

    monkeypatch.setattr(Staging, "land", land_late)
    published.server.forget_requests()
    results: list[Any] = list(refresh_accounts(published.session(), [A, B], run_id="r2"))
    ended = [(r.attempt.integrated_account_id, r.attempt.outcome) for r in results]
    assert sorted(ended) == [(A, "failed"), (B, "unchanged")]
    assert "nested too deep" in published.ledger(A)[-1]["error"]
    assert published.data() == before


def test_an_account_that_is_given_up_alone_ends_the_run(
    listed: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is told of it by who fetches, so that who waits for that would wait for ever."""
    monkeypatch.setattr(pipeline_module, "_PAGES_LANDED_TOGETHER", 1)
    listed.knobs = {"page_size": 1}
    listed.put(A, [Verbatim(f'{{"id":"g1","remote_data":{UNLANDABLE}}}'), *groups_of(2)])
    results: list[Any] = []

    def hold_second_page(request: Request) -> None:
        if is_list_of(request, A) and "next_cursor" in request.query:
            time.sleep(0.5)  # until the first has failed

    listed.server.intercept = hold_second_page
    run = threading.Thread(
        target=lambda: results.extend(refresh_accounts(listed.session(), [A], run_id="r1")),
        daemon=True,
    )
    run.start()
    run.join(20)
    assert [result.attempt.outcome for result in results] == ["failed"]


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_account_with_many_unreadable_pages_fails_once(listed: Stand) -> None:
    listed.put(A, [Verbatim(f'{{"id":"{n}","remote_data":{DEEP}}}') for n in range(120)])
    listed.put(B, groups_of(120))
    listed.knobs = {"page_size": 1}
    ended = [
        (result.attempt.integrated_account_id, result.attempt.outcome)
        for result in refresh_accounts(listed.session(), [A, B], run_id="r1")
        if isinstance(result, AccountResult)
    ]
    assert sorted(ended) == [(A, "failed"), (B, "published")]


def test_an_account_that_no_listing_told_of_is_looked_up(stand: Stand) -> None:
    stand.put(A, groups_of(3), tenant_id="acme")
    assert stand.outcomes(A, B, run_id="r1") == {A: "published", B: "failed"}
    assert [row["id"] for row in stand.table("integrated_accounts")] == [A]
    (row,) = stand.ledger(B)
    assert row["error_kind"] == "not_found"
    assert B in row["error"]


def test_an_account_that_a_person_had_reconnected_is_synced_when_asked_for_alone(
    listed: Stand,
) -> None:
    listed.put(A, groups_of(3), status="needs_reauth")
    listed.discover()
    listed.put(A, groups_of(3))
    assert listed.outcomes(A, B, run_id="r1") == {A: "passed over", B: "published"}
    assert listed.outcomes(A, run_id="r2") == {A: "published"}


# Unknown is not empty, pages cannot trick us: behaviours 3 and 4.


def test_an_account_that_became_empty_is_held_back_until_its_volume_is_let_through(
    listed: Stand,
) -> None:
    listed.put(A, groups_of(20))
    assert listed.outcomes(A, run_id="r1") == {A: "published"}
    listed.pass_time(hours=1)
    listed.put(A, [])
    assert listed.outcomes(A, run_id="r2") == {A: "held_back"}
    assert listed.ledger(A)[-1]["error_kind"] == "implausible_count"
    assert "0 groups instead of 20" in listed.ledger(A)[-1]["error"]
    assert len(listed.table("groups")) == 20
    listed.write_settings(FAR_MORE)
    listed.pass_time(hours=1)
    assert listed.outcomes(A, run_id="r3") == {A: "published"}
    assert listed.table("groups") == []


def list_ahead(stand: Stand, **duration: float) -> None:
    """List as another machine does, whose clock is ahead of that of whoever syncs."""
    stand.pass_time(**duration)
    stand.discover()
    stand.pass_time(**{unit: -number for unit, number in duration.items()})


def test_a_collapse_is_held_back_whatever_the_clock_said_when_the_account_was_first_listed(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(50))
    list_ahead(stand, seconds=20)
    assert stand.outcomes(run_id="r1") == {A: "published"}
    stand.put(A, [])
    stand.pass_time(hours=6)
    assert stand.outcomes(run_id="r2") == {A: "held_back"}


def test_an_account_that_a_clock_ahead_has_listed_is_not_synced_at_every_tick(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(1))
    list_ahead(stand, hours=3)
    for run_id in ("r1", "r2"):
        assert stand.outcomes(run_id=run_id)[A] in ("published", "unchanged")
        stand.pass_time(minutes=5)
    (account,) = stand.discover().accounts
    assert not is_wanted(account)


def test_an_account_that_comes_back_after_its_removal_is_judged_by_what_it_had_since(
    listed: Stand,
) -> None:
    listed.put(A, groups_of(5))
    listed.sync(A, run_id="r1")
    listed.server.remove_account(A)
    listed.discover()
    listed.pass_time(days=8)
    listed.discover()
    listed.put(A, groups_of(100))
    listed.discover()
    for run_id, count in (("r2", 100), ("r3", 101), ("r4", 5)):
        listed.put(A, groups_of(count))
        listed.sync(A, run_id=run_id)
        listed.pass_time(hours=6)
    audits = listed.rows(
        "SELECT run_id, volume FROM account_shapes WHERE run_id <> 'r1' ORDER BY 1"
    )
    assert audits == [("r2", "ok"), ("r3", "ok"), ("r4", "hold_back")]


def test_a_walk_that_begins_anew_is_told_with_the_key_of_the_account(
    listed: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="truto_groups")
    listed.knobs = {"page_size": 1}
    expired = Response.of_json({"message": "The page token expired."}, status=410)
    answers = iter([expired])

    def refuse_once(request: Request) -> Response | None:
        is_continued = is_list_of(request, A) and "next_cursor" in request.query
        return next(answers, None) if is_continued else None

    listed.server.intercept = refuse_once
    assert listed.outcomes(A) == {A: "published"}
    (told,) = [message for message in caplog.messages if "walked anew" in message]
    assert f"page 2, of integrated account {KEYS[A]} (okta): The page token expired" in told


def test_an_account_above_max_pages_is_tried_again_when_it_is_raised_else_at_its_pace(
    stand: Stand,
) -> None:
    """Each attempt costs `max_pages` requests: thousands, every ten minutes."""
    stand.put(A, groups_of(3))
    stand.write_settings("defaults: {max_pages: 2}")
    stand.knobs = {"page_size": 1}
    stand.discover()
    assert stand.outcomes() == {A: "failed"}

    def is_tried_again(*, minutes: int) -> bool:
        now = stand.pass_time(minutes=minutes)
        (account,) = stand.discover().accounts
        session = stand.session()
        pace = session.pace_of(account)
        return is_due(account, pace=pace, now=now, next_tick=timedelta(minutes=10))

    assert not is_tried_again(minutes=10)
    stand.write_settings("defaults: {max_pages: 3}")
    assert is_tried_again(minutes=10)
    stand.write_settings("defaults: {max_pages: 2}")
    assert is_tried_again(minutes=340)


# Retry what can heal: behaviour 5.


def test_what_can_heal_is_retried_and_what_cannot_fails_at_once(listed: Stand) -> None:
    """Behaviour 5."""
    left = {A: 2, B: 1_000, C: 1_000}
    status = {A: 500, B: 503, C: 403}

    def intercept(request: Request) -> Response | None:
        key = request.integrated_account_id or ""
        if request.path != GROUPS_PATH or not left[key]:
            return None
        left[key] -= 1
        return Response.of_json({"message": "not now"}, status=status[key])

    listed.server.intercept = intercept
    listed.knobs = {"retry_attempts": 3, "retry_seconds": 20}
    listed.server.forget_requests()
    assert listed.outcomes(A, B, C, run_id="r1") == {A: "published", B: "failed", C: "failed"}
    rows = {key: listed.ledger(key)[0] for key in (A, B, C)}
    assert {key: row["error_kind"] for key, row in rows.items()} == {
        A: None,
        B: "retries_exhausted",
        C: "forbidden",
    }
    asked = [r.integrated_account_id for r in listed.server.requests if r.path == GROUPS_PATH]
    counts = {key: asked.count(key) for key in rows}
    assert (counts[A], counts[C]) == (3, 1)
    assert 3 <= counts[B] <= 4
    for key, row in rows.items():
        assert row["request_count"] == asked.count(key)
        assert row["retry_count"] == asked.count(key) - 1


def test_a_rejected_token_stops_the_whole_run_at_once(published: Stand) -> None:
    """Behaviour 5: a 401 that is not the app's is our token."""
    before = published.data()
    published.put(A, groups_of(5))
    published.knobs = {"accounts_at_once": 1}
    published.server.intercept = serve_body(B, {"message": "Unauthorized"}, status=401)
    published.server.forget_requests()
    with pytest.raises(TokenRejectedError) as caught:
        published.outcomes(B, C, D, run_id="r2")
    assert published.server.token not in str(caught.value)
    asked = [r.integrated_account_id for r in published.server.requests if r.path == GROUPS_PATH]
    assert asked == [B]
    assert published.data() == before
    assert published.ledger(B)[-1]["error_kind"] == "token_rejected"
    assert published.rows("SELECT count(*) FROM account_syncs WHERE outcome = 'running'") == [(0,)]


def test_a_rejected_token_is_told_without_an_account(listed: Stand) -> None:
    """It is told of each account that was under way, and one is another tenant's than the next."""
    listed.server.intercept = lambda request: (
        Response.of_json({"message": "Unauthorized"}, status=401)
        if request.path == GROUPS_PATH
        else None
    )
    with pytest.raises(TokenRejectedError) as caught:
        listed.outcomes(A, B, C)
    told = [str(caught.value), *(row["error"] for row in listed.table("account_syncs"))]
    assert len(told) > 1
    assert all(one.startswith("Truto answered 401 to List Groups, page 1: ") for one in told)


def test_what_is_whole_when_the_token_is_rejected_is_published(listed: Stand) -> None:

    def intercept(request: Request) -> Response | None:
        # With one account at once, B is asked when A is whole.
        if is_list_of(request, B):
            return Response.of_json({"message": "Unauthorized"}, status=401)
        return None

    listed.server.intercept = intercept
    listed.knobs = {"accounts_at_once": 1}
    results = refresh_accounts(listed.session(), [A, B], run_id="r1")
    told = [next(iter(results))]
    with pytest.raises(TokenRejectedError):
        told += results
    ((outcome, key),) = [(r.attempt.outcome, r.attempt.integrated_account_id) for r in told]  # pyright: ignore
    assert (outcome, key) == ("published", A)
    assert len(listed.table("groups", account=A)) == 3


def test_a_count_that_cannot_be_written_ends_the_run_and_is_no_failure_of_any_account(
    published: Stand,
) -> None:
    order = Path(f"{published.database.location}.order")

    def intercept(_: Request) -> None:
        if order.is_file():
            order.unlink()
            order.mkdir()

    published.server.intercept = intercept
    published.knobs = {"accounts_at_once": 1}
    published.put(A, groups_of(4))
    with pytest.raises(DatabaseError, match="counts requests"):
        published.outcomes(A, B, run_id="r2")
    assert "failed" not in {row["outcome"] for row in published.table("account_syncs")}
    assert "running" not in {row["outcome"] for row in published.table("account_syncs")}
    order.rmdir()
    published.server.intercept = None
    # A was whole before the run ended.
    assert published.outcomes(A, B, run_id="r3") == {A: "unchanged", B: "unchanged"}


def test_which_listing_is_answered_first_changes_nothing(stand: Stand) -> None:
    """One group in two organizations: the last listing's copy is kept, also when it comes first."""
    stand.put(A, [], integration="asana")
    stand.write_settings('integrations: {asana: {query: {organization_id: ["1", "2"]}}}')
    stand.discover()

    def answer_late(late: str) -> Callable[[Request], Response | None]:
        answered = threading.Event()

        def intercept(request: Request) -> Response | None:
            if not is_list_of(request, A):
                return None
            organization = request.query["organization_id"]
            if organization == late:
                answered.wait(5)
                time.sleep(0.2)
            answered.set()
            body = {"result": [group(1, organization=organization)], "next_cursor": None}
            return Response(status=200, body=json.dumps(body).encode())

        return intercept

    outcomes: list[str] = []
    for late in ("1", "2", "1"):
        stand.server.intercept = answer_late(late)
        outcomes.append(stand.outcomes(run_id=f"late {late} {len(outcomes)}")[A])
        assert [row["organization_id"] for row in stand.table("groups")] == ["2"]
    assert outcomes == ["published", "unchanged", "unchanged"]


# Audit before publish, partial answers: behaviours 6 and 7.


# The ledger.


def test_the_ledger_keeps_what_was_asked_in_vain(listed: Stand) -> None:
    """Of an account whose page cannot be landed, and of one that the token's end cut off."""
    listed.put(A, [Verbatim(f'{{"id":"g1","remote_data":{UNLANDABLE}}}')])
    assert listed.outcomes(A, run_id="r1") == {A: "failed"}
    (row,) = listed.ledger(A)
    assert (row["error_kind"], row["request_count"]) == ("envelope", 1)
    assert row["byte_count"] > 1000
    listed.server.intercept = lambda request: Response.of_json({"message": "no"}, status=401)
    with pytest.raises(TokenRejectedError):
        listed.sync(A, run_id="r2")
    (row,) = (one for one in listed.ledger(A) if one["run_id"] == "r2")
    assert (row["error_kind"], row["request_count"]) == ("token_rejected", 1)


def test_more_accounts_than_are_fetched_at_once_are_all_published(stand: Stand) -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(20)]
    for number, key in enumerate(keys):
        stand.put(key, groups_of(number % 4))
    stand.knobs = {"accounts_at_once": 3}
    stand.discover()
    assert set(stand.outcomes(run_id="r1").values()) == {"published"}
    counts = dict(stand.rows("SELECT integrated_account_id, count(*) FROM groups GROUP BY ALL"))
    assert counts == {key: number % 4 for number, key in enumerate(keys) if number % 4}


LONG_RECORDS = [group(number, remote_data={"text": "x" * 40_000}) for number in range(600)]


def test_an_account_with_very_long_records_takes_more_memory_and_is_published(
    listed: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "_MEMORY_LIMIT", "48MB")
    listed.put(A, LONG_RECORDS)
    assert listed.outcomes(A, B) == {A: "published", B: "published"}
    assert listed.rows("SELECT count(*) FROM raw_groups") == [(603,)]


def test_an_account_that_needs_more_memory_than_there_is_fails_with_what_to_do(
    listed: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "_MEMORY_LIMIT", "48MB")
    monkeypatch.setattr(staging_module, "_MEMORY_LIMIT_OF_LONG_RECORDS", "50MB")
    listed.put(A, LONG_RECORDS)
    assert listed.outcomes(A, run_id="r1") == {A: "failed"}
    row = listed.ledger(A)[-1]
    assert (row["outcome"], row["error_kind"]) == ("failed", "too_large")
    assert KEYS[A] in row["error"]
    assert "truto_exclude_fields" in row["error"]
    assert listed.outcomes(B, run_id="r2") == {B: "published"}
    assert listed.rows("SELECT count(*) FROM raw_groups") == [(3,)]


@pytest.mark.parametrize("place", ["landing", "judging"])
def test_a_signal_that_another_error_hides_ends_the_run_and_is_no_accounts_failure(
    listed: Stand, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """DuckDB makes a RuntimeError of what a signal's handler raises inside of a statement."""

    def interrupted(*_: object, **__: object) -> None:
        raise RuntimeError("Query interrupted") from KeyboardInterrupt()

    if place == "landing":
        monkeypatch.setattr(staging_module.Staging, "_insert", interrupted)
    else:
        monkeypatch.setattr(judge_module, "judge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        listed.sync(A, B, run_id="r1")
    rows = listed.rows("SELECT DISTINCT outcome, error_kind FROM account_syncs")
    assert rows == [("interrupted", "cancelled")]
