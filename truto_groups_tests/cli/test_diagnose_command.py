"""One account looked at: what was asked, what the vendor said, what we make of it, no credential.

The sandbox, the database and the Dagster instance are real.
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.sandbox import Request, Response
from truto_groups.sandbox.formats import VENDOR_SECRET
from truto_groups_tests.stand import (
    GROUPS_PATH,
    A,
    B,
    Stand,
    enter_project,
    group,
    groups_of,
    open_stand,
    read_tables,
    serve_body,
)

ODD = [
    group(1, "Ops | *east*", group_type="TEAM", created_at=1700000000, extra={"a": 1}),
    group(2, group_type="squad", created_at="last tuesday", updated_at="2025-01-15"),
    group(3, "Plain", id=77, description={"text": "rich"}, organization=None),
]
TABLES = (
    "raw_groups",
    "groups",
    "group_changes",
    "account_syncs",
    "account_shapes",
    "account_state",
)


@pytest.fixture(name="listed", scope="module")
def provide_listed(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    with open_stand(tmp_path_factory.mktemp("listed")) as stand:
        stand.put(A, ODD, integration="okta", tenant_id="acme")
        stand.discover()
    return stand


@pytest.fixture(name="stand")
def provide_stand(
    stand: Stand, listed: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stand:
    enter_project(stand, tmp_path, monkeypatch)
    stand.go_on_from(listed)
    stand.write_settings("truto: {retry_attempts: 1}\ndefaults: {query: {organization_id: [x, y]}}")
    stand.put(A, ODD, integration="okta", tenant_id="acme")
    return stand


def diagnose(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["diagnose", *arguments]) == code
    return capsys.readouterr().out


def row(out: str, field: str) -> str:
    """The first line of a table that begins with a field."""
    return next(line for line in out.splitlines() if line.startswith(f"| {field} |"))


def test_each_record_is_laid_beside_the_row_that_it_becomes(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    out = diagnose(capsys, A[:8])

    assert "holds 3 groups; of 3 something changes" in out
    first = out[out.index("### Ops") : out.index("### Group 2")]
    assert "### Ops \\| \\*east\\*" in first
    assert '"size": 1' in first
    assert (
        row(first, "group\\_type")
        == '| group\\_type | "TEAM" | group\\_type | "team" | Lower case. |'
    )
    assert "2023-11-14 22:13:20 UTC | A number, read as an epoch." in row(first, "created\\_at")
    assert "Truto does not document extra" in first
    second = out[out.index("### Group 2") : out.index("### Plain")]
    assert "None of team, department, group, product" in row(second, "group\\_type")
    assert "null, and counted as drift" in row(second, "created\\_at")
    third = out[out.index("### Plain") :]
    assert row(third, "id") == '| id | 77 | id | "77" | Kept as JSON as text. |'


def test_the_request_is_shown_as_it_was_sent_and_once(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Request] = []

    def note(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            asked.append(request)
        return None

    stand.server.intercept = note
    out = diagnose(capsys, A)
    (request,) = asked
    assert request.query["truto_response_format"] == "debug"
    assert f"GET {stand.server.base_url}{request.path}?{request.query_string}" in out
    assert "A sync asks 2 listings" in out


def test_no_credential_of_ours_or_of_the_vendor_is_shown(
    stand: Stand, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = diagnose(capsys, A)
    assert '"Authorization": "[hidden]"' in out
    assert VENDOR_SECRET not in out
    assert stand.server.token not in out
    debug = {
        "requestUrl": "https://u:deepsecret@vendor.example/g?api_key=deepsecret",
        "requestOptions": {
            "headers": [["cookie", "deepsecret"]],
            "body": "client_secret=deepsecret",
        },
        "data": {"page": [{"auth": {"x": "deepsecret"}, "note": f"Bearer {stand.server.token}"}]},
        "responseHeaders": {"set-cookie": "deepsecret", "X-RateLimit-Remaining": "12"},
    }
    stand.server.intercept = serve_body(A, {"result": ODD[:1], "debug": debug})
    path = tmp_path / "diagnosis.md"
    out = diagnose(capsys, A, "--out", str(path))
    assert str(path) in out
    text = path.read_text()
    assert "deepsecret" not in text
    assert stand.server.token not in text
    assert "| vendor: X-RateLimit-Remaining | 12 |" in text
    assert "vendor.example" in text


def test_a_file_that_cannot_be_written_is_told_with_what_to_do(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not as a page that is not well formed, which exit 1 says."""
    out = str(stand.folder / "nowhere" / "page.md")
    assert main(["diagnose", A, "--out", out]) == 2
    told = capsys.readouterr().err
    assert f"cannot be written to {out}: No such file or directory." in told
    assert "--out" in told


def test_a_page_in_the_place_of_the_database_is_refused_before_anything_is_asked(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(stand.server.requests)
    assert main(["diagnose", A, "--out", stand.database.location]) == 2
    assert "The diagnosis would replace the database itself." in capsys.readouterr().err
    assert len(stand.server.requests) == before
    assert stand.table("integrated_accounts")


def test_an_account_is_named_by_its_key_also_where_truto_refuses(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"statusCode": 403, "error": "Forbidden", "message": "no"}
    stand.server.intercept = lambda request: (
        Response.of_json(refusal, status=403) if request.path == GROUPS_PATH else None
    )
    capsys.readouterr()
    assert main(["diagnose", A]) == 1
    told = capsys.readouterr()
    assert "403 to List Groups" in told.err
    assert f"acme.okta.{A[:8]}" in told.err
    assert A not in told.err
    verdict = told.out[: told.out.index("## The account")]
    assert "403 to List Groups" in verdict
    assert A not in verdict


def test_what_a_diagnosis_is_asked_to_wait_holds_for_the_next_and_names_the_account_by_its_key(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = {"statusCode": 429, "message": "slow", "truto_is_remote_error": True}
    stand.server.intercept = lambda request: (
        Response.of_json(limited, status=429, headers={"Retry-After": "3000"})
        if request.path == GROUPS_PATH
        else None
    )
    assert main(["diagnose", A]) == 1
    asked = len(stand.server.requests)
    capsys.readouterr()
    assert main(["diagnose", A]) == 2
    told = capsys.readouterr().err
    assert "was not tried" in told
    assert len(stand.server.requests) == asked
    assert f"acme.okta.{A[:8]}" in told
    assert A not in told


def test_no_credential_of_the_settings_and_no_token_in_a_text_is_shown(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write_settings(
        "truto: {retry_attempts: 1}\n"
        "defaults: {query: {name: x, remote_query: {api_key: deepsecret, other: seen}}}"
    )
    token = stand.server.token
    debug = {"data": {"page": [], "k": f"it is {token}, he said"}}
    body = {"result": [group(1, f"Of {token}")], "debug": debug}
    stand.server.intercept = serve_body(A, body)
    out = diagnose(capsys, A)
    assert "deepsecret" not in out
    assert token not in out
    assert "he said" in out
    assert "seen" in out
    stand.server.intercept = lambda request: (
        Response.of_json(body, headers={"X-RateLimit-Left": f"{token} 12"})
        if request.path == GROUPS_PATH
        else None
    )
    out = diagnose(capsys, A)
    assert token not in out
    assert "Truto: x-ratelimit-left" in out


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"result": [{"id": "g"}], "debug": "of a static answer"}, "| id | "),
        ({"result": [{"id": "g"}], "debug": [1]}, "| id | "),
        ({"statusCode": 500, "message": "no", "debug": "at line 3"}, "at line 3"),
        (f'{{"result": [{{"id": 1{"0" * 5000}}}]}}', "| id | "),
    ],
    ids=["text", "array", "error", "more digits than Python takes"],
)
def test_an_odd_answer_is_shown_like_any_other(
    stand: Stand, capsys: pytest.CaptureFixture[str], body: object, told: str
) -> None:
    stand.server.intercept = serve_body(A, body)
    code = 1 if "statusCode" in str(body) else 0
    assert told in diagnose(capsys, A, code=code)


@pytest.mark.long
def test_nothing_is_written_and_nobody_is_brought_to_the_next_refresh(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write_settings("truto: {retry_attempts: 1}")
    stand.put(A, groups_of(2), groups_of(3), integration="okta", tenant_id="acme")
    before = read_tables(stand.database, *TABLES)
    for _ in range(2):
        assert "holds 2 groups" in diagnose(capsys, A)
    assert read_tables(stand.database, *TABLES) == before
    stand.sync(A)
    assert len(stand.table("groups")) == 2


@pytest.mark.long
def test_of_a_private_account_types_are_shown_and_no_value(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.put(A, [group(1)], ODD, integration="okta", tenant_id="acme")
    for run_id in ("one", "two"):
        stand.write_settings("truto: {retry_attempts: 1}\ndefaults: {unmapped_limit: 1}")
        stand.sync(A, run_id=run_id)
    assert "squad" in diagnose(capsys, A).partition("## Drift")[2]
    stand.write_settings("truto: {retry_attempts: 1}\ndefaults: {private_values: true}")
    out = diagnose(capsys, A)
    assert "types stand in their place" in out
    for value in ("Ops", "Plain", "Group 2", "squad", "last tuesday", "rich", '"size": 1'):
        assert value not in out
    assert '"size": "number"' in out
    assert row(out, "name") == '| name | "string" | name | "string" |  |'


def test_of_a_private_accounts_error_only_what_is_said_of_the_request_is_shown(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write_settings("truto: {retry_attempts: 1}\ndefaults: {private_values: true}")
    body = {
        "error": "Half of it", "message": "try later", "result": [group(1, "Ganymede")],
        "raw_response": {"data": ["Callisto"]}, "truto_error_insight": {"x": {"value": "seen"}},
    }  # fmt: skip
    stand.server.intercept = serve_body(A, body)
    out = diagnose(capsys, A, code=1)
    assert "Half of it" in out
    assert "seen" in out
    assert "Ganymede" not in out
    assert "Callisto" not in out
    assert '"name": "string"' in out


def test_a_name_that_holds_a_credential_is_hidden_wherever_it_stands(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "Vault password=deepsecret"
    stand.put(A, [group(1, name, description=name)], integration="okta", tenant_id="acme")
    out = diagnose(capsys, A)
    assert "Vault" in out
    assert "deepsecret" not in out


def test_a_refusal_is_shown_with_its_reason_and_what_to_do(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {
        "statusCode": 403, "error": "Forbidden", "message": "no scope",
        "truto_is_remote_error": True,
        "truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": ["groups.read"]}}},
        "raw_response": {"access_token": "deepsecret"},
    }  # fmt: skip
    stand.server.intercept = lambda request: Response.of_json(
        {"statusCode": 401, "message": "bad token"}, status=401
    )
    assert main(["diagnose", A]) == 2
    stand.server.intercept = serve_body(A, "<html>")
    assert "is not what Truto documents" in diagnose(capsys, A, code=1)

    stand.server.intercept = lambda request: (
        Response.of_json(refusal, status=403, headers={"Retry-After": "7"})
        if request.path == GROUPS_PATH
        else None
    )
    capsys.readouterr()
    # The last, because whoever asks again waits as long as it says.
    assert main(["diagnose", A]) == 1
    told = capsys.readouterr()
    assert "groups.read" in told.err
    assert A not in told.err
    assert '"message": "no scope"' in told.out
    assert "deepsecret" not in told.out
    assert "| Truto: retry-after | 7 |" in told.out


@pytest.mark.long
def test_the_last_attempts_drift_and_settings_stand_on_the_page(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.write_settings(f"accounts:\n  {B}: {{refresh_every: 90m, skip: true}}")
    stand.put(B, groups_of(30), [group(n) | {"id": n} for n in range(30)], integration="jira")
    stand.write_settings("truto: {retry_attempts: 1}")
    stand.discover()
    assert stand.outcomes(B, run_id="one") == {B: "published"}
    assert stand.outcomes(B, run_id="two") == {B: "held_back"}
    out = diagnose(capsys, B)
    attempts = out[out.index("## The last attempts") : out.index("## Drift")]
    assert attempts.index("held\\_back") < attempts.index("published")
    assert "JSON type changed of" in out[out.index("## Drift") :]
    assert "| refresh\\_every | 6h |" in out
    assert "| skip | false |" in out
    assert "| volume | max\\_fall: auto, max\\_rise: auto, hold\\_back: true |" in out
    assert "| privileged | words: \\[\\], " in out
    stand.write_settings(f"accounts:\n  {B}: {{refresh_every: 90m, skip: true}}")
    out = diagnose(capsys, B)
    assert "A sync passes over this account. The settings file skips it." in out
    assert "| refresh\\_every | 90m |" in out


def test_of_a_long_page_those_with_something_to_see_come_first_and_the_rest_is_counted(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = [*groups_of(24), group(24, created_at="last tuesday")]
    stand.put(A, groups, integration="okta", tenant_id="acme")
    out = diagnose(capsys, A)
    titles = [line for line in out.splitlines() if line.startswith("### ")]
    assert titles == ["### Group 24", *(f"### Group {number}" for number in range(19))]
    assert "5 groups more are on the page and not shown." in out
    stand.put(A, groups[5:], integration="okta", tenant_id="acme")
    assert "not shown" not in diagnose(capsys, A)


@pytest.mark.long
def test_what_drifted_in_another_account_stands_on_its_own_page(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
    stand.put(B, [{"name": "no id"}], integration="okta", tenant_id="acme")
    stand.discover()
    stand.write_settings("truto: {retry_attempts: 1}")
    assert stand.outcomes(A, B) == {A: "published", B: "held_back"}
    assert "Nothing that stands." in diagnose(capsys, A)
    assert "Nothing that stands." not in diagnose(capsys, B)


def test_who_is_nobody_is_answered_with_the_nearest_and_a_missing_token_at_once(
    stand: Stand, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["diagnose", "aaaaaaab"]) == 1
    assert "aaaaaaab: no such account" in capsys.readouterr().err
    monkeypatch.delenv("TRUTO_API_TOKEN")
    assert main(["diagnose", A]) == 2
    assert "TRUTO_API_TOKEN" in capsys.readouterr().err


@pytest.mark.long
def test_the_job_shows_the_same_page_in_the_ui(stand: Stand) -> None:
    job = build_definitions().resolve_job_def("diagnose")

    def run(account: str) -> dg.ExecuteInProcessResult:
        config = {"ops": {"look_at_one_page": {"config": {"account": account}}}}
        with dg.instance_for_test() as instance:
            return job.execute_in_process(
                run_config=config, instance=instance, raise_on_error=False
            )

    result = run(A[:8])
    assert result.success
    (output,) = [event for event in result.all_events if event.is_successful_output]
    value: Any = output.step_output_data.metadata["diagnosis"]
    assert isinstance(value, dg.MarkdownMetadataValue)
    assert "### Plain" in str(value.value)
    assert VENDOR_SECRET not in json.dumps(str(value.value))
    failed = run("deadbeef")
    assert not failed.success
    with pytest.raises(dg.DagsterInvalidConfigError, match="must be filled in"):
        run(" ")
