"""Telling failed runs and turned checks, and what follows a run that ended without its checks.

Real: the Dagster instance, DuckDB, a webhook on loopback. Runs that only have to have ended are
created and ended without being executed; what they did stands in the ledger by hand.
"""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups.report.delivery import MAX_TRIES
from truto_groups.truto import post_json
from truto_groups_tests.defs.project import Project, make_beginning, open_project, put
from truto_groups_tests.stand import A, B, C

pytestmark = pytest.mark.long

FAILURES = "report_failures"
CHECKS = "report_check_changes"
INTERRUPTED = "evaluate_checks_after_interruption"


@dataclass
class Receiver:
    """A webhook: what it was sent, and how it answers."""

    http: ThreadingHTTPServer
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/services/s3cret?key=s3cret"


@pytest.fixture(name="webhook")
def provide_webhook() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.messages.append(json.loads(body))
            self.send_response(receiver.status)
            if receiver.status == 302:
                self.send_header("location", receiver.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(http)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        put(project, A, "okta")
        put(project, B, "gitlab")
        yield project


@pytest.fixture(name="beginning", scope="module")
def provide_beginning(tmp_path_factory: pytest.TempPathFactory) -> Project:
    def prepare(project: Project) -> None:
        put(project, A, "okta")
        put(project, B, "gitlab")
        project.discover()
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv("TRUTO_GROUPS_WEBHOOK_URL", "http://127.0.0.1:1/not-posted-to")
            project.tick(FAILURES)

    return make_beginning(tmp_path_factory.mktemp("beginning"), prepare)


@pytest.fixture(name="known")
def provide_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: Project
) -> Iterator[Project]:
    """A project with two accounts, after the first tick that told of failures."""
    with open_project(tmp_path, monkeypatch, begin_with=beginning) as project:
        yield project


@pytest.fixture(name="posting")
def provide_posting_project(
    known: Project, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The same; its webhook is set."""
    monkeypatch.setenv("TRUTO_GROUPS_WEBHOOK_URL", webhook.url)
    return known


def record(project: Project, run: dg.DagsterRun | str, key: str, **fields: Any) -> None:
    """Write an attempt of a run into the ledger, later than all before."""
    run_id = run if isinstance(run, str) else run.run_id
    row = {"outcome": "failed", "error_kind": "bad_request", "error": "No."} | fields
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in row.values())
    project.write(
        "INSERT INTO account_syncs (integrated_account_id, run_id, started_at, answer_order, "  # noqa: S608
        f"{', '.join(row)}) SELECT '{key}', '{run_id}', TIMESTAMPTZ '2026-01-01 00:00:00+00', "
        f"1000 + (SELECT count(*) FROM account_syncs), {values}"
    )


def fail(project: Project, run: dg.DagsterRun) -> None:
    project.instance.report_run_failed(run, "Killed.")


def failed_run(project: Project, *attempts: tuple[str, dict[str, Any]]) -> dg.DagsterRun:
    run = project.create("refresh_groups")
    for key, fields in attempts:
        record(project, run, key, **fields)
    fail(project, run)
    return run


def told_accounts(message: dict[str, Any]) -> dict[str, str]:
    return {one["integrated_account_id"]: one["error"] for one in message["accounts"]}


def test_the_first_tick_tells_nothing_of_what_was_before(
    project: Project, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_WEBHOOK_URL", webhook.url)
    project.discover()
    failed_run(project, (A, {}))

    project.tick(FAILURES)
    project.tick(FAILURES)

    assert webhook.messages == []


def test_a_failed_run_is_told_once_with_its_accounts_and_advice(
    posting: Project, webhook: Receiver
) -> None:
    run = failed_run(
        posting,
        (A, {"error": "400. Give the parameter."}),
        (B, {"error_kind": "retries_exhausted", "error": "503 again and again."}),
        (C, {"outcome": "published", "error_kind": None, "error": None}),
    )

    posting.tick(FAILURES)
    posting.tick(FAILURES)

    (message,) = webhook.messages
    assert message["event"] == "run_failed"
    assert (message["run_id"], message["job"]) == (run.run_id, "refresh_groups")
    assert told_accounts(message) == {A: "400. Give the parameter.", B: "503 again and again."}
    assert posting.key_of(A) in message["text"]
    assert "Give the parameter." in message["text"]


def test_a_real_run_that_failed_in_process_is_told_from_its_ledger(
    posting: Project, webhook: Receiver
) -> None:
    from truto_groups.sandbox import Response

    def refuse(request: Any) -> Response | None:
        is_list = request.path.endswith("/groups") and request.integrated_account_id == B
        return Response.of_json({"message": "no scope"}, status=403) if is_list else None

    posting.server.intercept = refuse
    assert not posting.refresh().success

    posting.tick(FAILURES)

    (message,) = webhook.messages
    assert list(told_accounts(message)) == [B]
    assert "no scope" in message["text"]


def test_a_failure_that_waits_for_a_person_is_told_once_until_its_reason_changes(
    posting: Project, webhook: Receiver
) -> None:
    def told_after(**fields: Any) -> list[str]:
        webhook.messages.clear()
        failed_run(posting, (A, fields))
        posting.tick(FAILURES)
        return [text for message in webhook.messages for text in told_accounts(message).values()]

    assert told_after(error="org is missing") == ["org is missing"]
    assert told_after(error="org is missing") == []
    assert told_after(error="team is missing") == ["team is missing"]
    assert told_after(error_kind="forbidden", error="team is missing") == ["team is missing"]
    record(posting, "good", A, outcome="published", error_kind=None, error=None)
    assert told_after(error_kind="forbidden", error="team is missing") == ["team is missing"]


def test_a_failure_that_can_heal_is_told_once_until_its_reason_changes(
    posting: Project, webhook: Receiver
) -> None:
    """Every ten minutes the same message would be read by nobody."""
    for error in ("503", "503", "no answer in time", "503"):
        failed_run(posting, (A, {"error_kind": "retries_exhausted", "error": error}))
        posting.tick(FAILURES)

    told = [message["accounts"][0]["error"] for message in webhook.messages]
    assert told == ["503", "no answer in time", "503"]


def test_a_held_back_sync_is_told_once_though_its_numbers_move(
    posting: Project, webhook: Receiver
) -> None:
    held = {"outcome": "held_back", "error_kind": "implausible_count"}
    for count in (3, 4):
        failed_run(posting, (A, {**held, "error": f"{count} of 1,000 groups"}))
        posting.tick(FAILURES)

    (message,) = webhook.messages
    assert message["accounts"][0]["outcome"] == "held_back"


def test_only_what_is_new_is_told_and_the_rest_is_counted(
    posting: Project, webhook: Receiver
) -> None:
    failed_run(posting, (A, {}), (B, {"error": "Other."}))
    posting.tick(FAILURES)
    failed_run(posting, (A, {}), (B, {"error": "Changed."}))
    posting.tick(FAILURES)

    assert told_accounts(webhook.messages[1]) == {B: "Changed."}
    assert webhook.messages[1]["failed_as_before"] == 1


def test_a_run_without_accounts_is_told_in_its_own_words(
    posting: Project, webhook: Receiver
) -> None:
    fail(posting, posting.create("check_freshness"))

    posting.tick(FAILURES)

    (message,) = webhook.messages
    assert (message["job"], message["accounts"]) == ("check_freshness", [])
    assert "Killed." in message["text"]


def test_a_run_whose_database_cannot_be_read_is_told_all_the_same(
    posting: Project, webhook: Receiver
) -> None:
    run = posting.create("refresh_groups")
    fail(posting, run)
    Path(posting.database.location).write_text("no database")

    posting.tick(FAILURES)

    assert [message["run_id"] for message in webhook.messages] == [run.run_id]


def test_a_run_that_dagster_runs_again_is_not_told(posting: Project, webhook: Receiver) -> None:
    run = posting.create("refresh_groups", tags={"dagster/will_retry": "true"})
    fail(posting, run)

    posting.tick(FAILURES)

    assert webhook.messages == []


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_post_that_fails_is_tried_again_and_told_once_it_goes_through(
    posting: Project, webhook: Receiver, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    run = failed_run(posting, (A, {}))
    webhook.status = status
    posting.tick(FAILURES)
    assert len(webhook.messages) == 1  # a redirect is not followed either
    webhook.messages.clear()

    webhook.status = 200
    posting.tick(FAILURES)
    posting.tick(FAILURES)

    assert [message["run_id"] for message in webhook.messages] == [run.run_id]
    log = capfd.readouterr().err
    assert f"it answered {status}" in log
    assert "s3cret" not in log


def test_a_webhook_that_stays_dead_never_fails_the_sensor_and_is_given_up_loudly(
    posting: Project, webhook: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    run = failed_run(posting, (A, {"error": "The reason."}))
    webhook.http.server_close()

    for _ in range(MAX_TRIES):
        posting.tick(FAILURES)

    assert json.loads(posting.cursors[FAILURES] or "")["waiting"] == []
    log = capfd.readouterr().err
    assert log.count("could not be reached") == MAX_TRIES
    assert "never posted" in log
    assert run.run_id in log
    assert "The reason." in log
    assert "s3cret" not in log


def test_a_webhook_url_that_is_no_url_is_told_without_it(
    posting: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_WEBHOOK_URL", "http://example.com/s3cret")
    failed_run(posting, (A, {}))

    posting.tick(FAILURES)

    log = capfd.readouterr().err
    assert "TRUTO_GROUPS_WEBHOOK_URL" in log
    assert "s3cret" not in log


def test_without_a_webhook_a_failed_run_is_told_to_the_log(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project.discover()
    project.tick(FAILURES)
    failed_run(project, (A, {"error": "The reason."}))

    project.tick(FAILURES)

    assert "The reason." in capfd.readouterr().err


def test_the_url_of_a_webhook_is_in_no_log_of_the_http_library(
    webhook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    assert post_json(webhook.url, {"text": "hello"}) is None

    assert webhook.messages == [{"text": "hello"}]
    assert caplog.records
    assert "s3cret" not in caplog.text


def test_a_check_is_told_when_it_turns_and_never_twice(posting: Project, webhook: Receiver) -> None:
    posting.tick(CHECKS)  # nothing was evaluated yet
    posting.refresh()
    posting.tick(CHECKS)
    assert webhook.messages == []  # green from the beginning

    posting.write("INSERT INTO groups SELECT * FROM groups")
    posting.run("evaluate_checks")
    posting.tick(CHECKS)
    posting.tick(CHECKS)
    told = {message["check"]: message for message in webhook.messages}
    assert set(told) == {"ids_are_unique", "breakdown_adds_up"}
    assert (told["ids_are_unique"]["state"], told["ids_are_unique"]["before"]) == (
        "error",
        "passed",
    )
    assert posting.key_of(A) in told["ids_are_unique"]["text"]
    assert len(webhook.messages) == 2

    posting.run("evaluate_checks")  # still red
    posting.tick(CHECKS)
    assert len(webhook.messages) == 2

    webhook.messages.clear()
    posting.write(
        "DELETE FROM groups WHERE rowid IN (SELECT max(rowid) FROM groups GROUP BY id,"
        " integrated_account_id)"
    )
    posting.run("evaluate_checks")
    posting.tick(CHECKS)
    assert {message["check"]: message["state"] for message in webhook.messages} == {
        "ids_are_unique": "passed",
        "breakdown_adds_up": "passed",
    }


def test_a_check_that_is_red_when_first_seen_is_told(posting: Project, webhook: Receiver) -> None:
    posting.publish(A, B)
    posting.write(
        "UPDATE integrated_accounts SET last_confirmed_at = '2020-01-01', "
        "first_listed_at = '2020-01-01'"
    )
    posting.run("check_freshness")

    posting.tick(CHECKS)

    (message,) = webhook.messages
    assert (message["check"], message["state"], message["before"]) == (
        "every_account_is_fresh",
        "error",
        None,
    )


def test_a_turned_check_that_cannot_be_posted_waits(posting: Project, webhook: Receiver) -> None:
    posting.publish(A, B)
    posting.write("INSERT INTO groups SELECT * FROM groups")
    posting.run("evaluate_checks")
    webhook.status = 500
    posting.tick(CHECKS)
    webhook.messages.clear()

    webhook.status = 200
    posting.tick(CHECKS)
    posting.tick(CHECKS)

    assert len(webhook.messages) == 2


@pytest.mark.parametrize("end", ["killed", "cancelled"])
def test_a_run_that_ended_without_its_checks_is_followed_by_one_run_of_them(
    project: Project, end: str
) -> None:
    project.tick(INTERRUPTED)
    run = project.create("refresh_groups")
    assert not project.tick(INTERRUPTED).run_requests  # it has not ended

    if end == "killed":
        fail(project, run)
    else:
        project.instance.report_run_canceled(run)

    (request,) = project.tick(INTERRUPTED).run_requests
    assert request.run_key == run.run_id
    assert not project.tick(INTERRUPTED).run_requests


def test_a_run_that_failed_with_its_checks_is_followed_by_nothing(known: Project) -> None:
    known.tick(INTERRUPTED)
    known.server.remove_account(B)  # its sync ends with 404

    result = known.refresh()

    assert not result.success
    assert result.get_asset_check_evaluations()
    assert not known.tick(INTERRUPTED).run_requests


def test_a_run_that_failed_before_its_checks_is_followed_by_them(
    known: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.tick(INTERRUPTED)
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", "nowhere.yaml")

    result = known.refresh()

    assert not result.get_asset_check_evaluations()
    (request,) = known.tick(INTERRUPTED).run_requests
    assert request.run_key == result.run_id


@pytest.mark.parametrize("job", ["evaluate_checks", "refresh_contracts", "draw_overview"])
def test_a_run_that_writes_no_groups_is_followed_by_nothing(project: Project, job: str) -> None:
    project.tick(INTERRUPTED)
    fail(project, project.create(job))

    assert not project.tick(INTERRUPTED).run_requests


def test_what_was_interrupted_before_the_first_tick_is_left_alone(project: Project) -> None:
    fail(project, project.create("refresh_groups"))

    assert not project.tick(INTERRUPTED).run_requests
    assert not project.tick(INTERRUPTED).run_requests
