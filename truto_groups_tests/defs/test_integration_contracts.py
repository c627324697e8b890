"""integration_contracts and its check, through Dagster on the sandbox.

Real: HTTP, DuckDB, the Dagster instance. What meta answers is each test's own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups_tests.defs.project import (
    Project,
    evaluation,
    make_beginning,
    meta,
    open_project,
    put,
    serve_meta,
    shown_rows,
)
from truto_groups_tests.stand import A, B, C, D

pytestmark = pytest.mark.long

CHECK = "declared_contracts_are_stable"
FIELDS = {"id": "string", "name": "string", "group_type": "string"}


@pytest.fixture(name="connected", scope="module")
def provide_connected(tmp_path_factory: pytest.TempPathFactory) -> Project:
    def prepare(project: Project) -> None:
        put(project, A, "okta")
        put(project, B, "gitlab")
        project.discover()

    return make_beginning(tmp_path_factory.mktemp("connected"), prepare)


@pytest.fixture(name="project")
def provide_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connected: Project
) -> Iterator[Project]:
    """One account of Okta and one of GitLab are known."""
    with open_project(tmp_path, monkeypatch, begin_with=connected) as project:
        yield project


@pytest.fixture(name="contracts", scope="module")
def provide_contracts(tmp_path_factory: pytest.TempPathFactory, connected: Project) -> Project:
    def prepare(project: Project) -> None:
        put(project, C, "slack")
        put(project, D, "jira")
        project.discover()
        assert evaluation(refresh(project), CHECK).passed

    folder = tmp_path_factory.mktemp("contracts")
    return make_beginning(folder, prepare, begin_with=connected)


@pytest.fixture(name="asked")
def provide_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contracts: Project
) -> Iterator[Project]:
    """With one of Slack and one of Jira, too; all were asked once."""
    with open_project(tmp_path, monkeypatch, begin_with=contracts) as project:
        yield project


KNOWN = {
    "okta": meta(FIELDS, {"org": False}),
    "gitlab": meta(FIELDS),
    "slack": meta(FIELDS),
    "jira": meta(FIELDS),
}


def refresh(project: Project, **answers: object) -> dg.ExecuteInProcessResult:
    """Ask anew; what an integration answers now, where it is given."""
    project.server.intercept = serve_meta({**KNOWN, **answers})
    return project.run("refresh_contracts")


def open_rows(project: Project, integration: str) -> dict[str, tuple[str | None, bool]]:
    return {
        row["name"]: (row["json_type"], row["is_required"])
        for row in project.table("integration_contracts")
        if row["integration"] == integration and row["gone_at"] is None
    }


def changes(result: dg.ExecuteInProcessResult) -> list[dict[str, Any]]:
    found = evaluation(result, CHECK)
    return list(found.metadata["what_changed"].value)


def test_every_integration_in_use_is_asked_once_and_kept(project: Project) -> None:
    put(project, C, "okta")  # a second account of the same app
    put(project, D, "slack", status="needs_reauth")
    project.discover()
    project.server.forget_requests()

    result = refresh(project, okta=meta(FIELDS, {"name": False, "org": True}))

    asked = [r.path for r in project.server.requests]
    assert sorted(asked) == [
        "/unified/user-directory/groups/gitlab/meta/list",
        "/unified/user-directory/groups/okta/meta/list",
    ]
    assert result.success
    assert open_rows(project, "okta") == {
        **{name: ("string", False) for name in FIELDS},
        "name": ("string", False),
        "org": ("string", True),
    }
    (event,) = result.asset_materializations_for_node("refresh_contracts_step")
    assert event.metadata["dagster/row_count"].value == 8


def test_asking_again_touches_nothing(asked: Project) -> None:
    before = asked.table("integration_contracts")

    result = refresh(asked)

    assert asked.table("integration_contracts") == before
    assert evaluation(result, CHECK).passed


def test_a_changed_declaration_ends_its_row_and_begins_another(asked: Project) -> None:
    refresh(asked, okta=meta({**FIELDS, "name": "object"}))

    rows = [
        row
        for row in asked.table("integration_contracts")
        if (row["integration"], row["name"]) == ("okta", "name")
    ]
    old, new = sorted(rows, key=lambda row: row["first_seen_at"])
    assert (old["json_type"], new["json_type"]) == ("string", "object")
    assert old["gone_at"] == new["first_seen_at"]
    assert new["gone_at"] is None


def test_a_parameter_that_becomes_required_begins_another_row(asked: Project) -> None:
    refresh(asked, okta=meta(FIELDS, {"org": True}))

    rows = [row for row in asked.table("integration_contracts") if row["name"] == "org"]
    assert sorted((row["is_required"], row["gone_at"] is None) for row in rows) == [
        (False, False),
        (True, True),
    ]


def test_an_integration_whose_question_fails_keeps_its_rows_and_is_told(asked: Project) -> None:
    """It is not mapped, is broken, or tells nothing."""
    failing: dict[str, object] = {"okta": 404, "slack": 500, "jira": {"method": "list"}}
    before = {name: open_rows(asked, name) for name in failing}
    assert all(before.values())

    result = refresh(asked, **failing, gitlab=meta({**FIELDS, "description": "string"}))

    assert result.success
    assert {name: open_rows(asked, name) for name in failing} == before
    assert "description" in open_rows(asked, "gitlab")
    (event,) = result.asset_materializations_for_node("refresh_contracts_step")
    told = {
        row["integration"]: row["error"] for row in shown_rows(event.metadata["not_answered"].value)
    }
    assert set(told) == set(failing)
    assert [name for name, error in told.items() if name not in error] == []


def test_an_answer_without_a_query_schema_leaves_the_parameters(asked: Project) -> None:
    answer = meta(FIELDS)
    del answer["query_schema"]

    refresh(asked, okta=answer)

    assert "org" in open_rows(asked, "okta")


def test_a_run_that_no_question_was_answered_in_fails_and_still_evaluates_its_check(
    project: Project,
) -> None:
    result = refresh(project, okta=500, gitlab=500)

    assert not result.success
    assert not result.asset_materializations_for_node("refresh_contracts_step")
    assert evaluation(result, CHECK).passed


def test_a_rejected_token_fails_the_run_and_leaves_the_rows(
    asked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asked.table("integration_contracts")
    monkeypatch.setenv("TRUTO_API_TOKEN", "another-token")

    result = asked.run("refresh_contracts")

    assert not result.success
    assert not result.asset_materializations_for_node("refresh_contracts_step")
    assert asked.table("integration_contracts") == before


def test_a_dropped_and_a_retyped_field_fail_the_check_with_the_accounts_concerned(
    asked: Project,
) -> None:
    result = refresh(
        asked,
        okta=meta({"id": "string", "group_type": "string"}),
        gitlab=meta({**FIELDS, "id": "integer"}),
    )

    found = evaluation(result, CHECK)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["failing_accounts"].value == 2
    told = {row["integration"]: row for row in changes(result)}
    assert told["okta"]["what"] == "no longer declares name"
    assert told["okta"]["accounts"] == [asked.key_of(A)]
    assert (told["gitlab"]["was"], told["gitlab"]["now"]) == ("string", "integer")
    assert told["gitlab"]["accounts"] == [asked.key_of(B)]


def test_a_change_is_told_for_a_week_and_then_no_more(asked: Project) -> None:
    asked.write("UPDATE integration_contracts SET first_seen_at = first_seen_at - INTERVAL 30 DAY")
    refresh(asked, okta=meta({"id": "string", "group_type": "string"}))

    asked.write("UPDATE integration_contracts SET gone_at = gone_at - INTERVAL 6 DAY")
    assert not evaluation(asked.run("evaluate_checks"), CHECK).passed

    asked.write("UPDATE integration_contracts SET gone_at = gone_at - INTERVAL 2 DAY")
    assert evaluation(asked.run("evaluate_checks"), CHECK).passed


def test_a_change_of_an_integration_that_is_not_in_use_concerns_nobody(asked: Project) -> None:
    refresh(asked, okta=meta({"id": "string"}))
    put(asked, A, "okta", status="needs_reauth")
    asked.discover()

    assert evaluation(asked.run("evaluate_checks"), CHECK).passed


def test_a_required_parameter_is_told_for_each_account_until_a_setting_gives_it(
    project: Project,
) -> None:
    put(project, C, "okta")
    project.discover()
    settings = project.folder / "truto_groups.yaml"
    (project.folder / "workspace.yaml").touch()
    settings.write_text(f"accounts:\n  {A}:\n    query:\n      organization_id: x\n")
    required = meta(FIELDS, {"organization_id": True})

    found = evaluation(refresh(project, okta=required), CHECK)

    assert not found.passed
    (row,) = found.metadata["missing_parameters"].value
    assert (row["account"], row["parameter"]) == (project.key_of(C), "organization_id")
    assert "integrations.okta.query.organization_id" in row["do"]
    link = f"[{row['account']}](/assets/groups?view=partitions&partition={row['account']})"
    assert link in str(found.description)

    settings.write_text("integrations:\n  okta:\n    query:\n      organization_id: x\n")
    assert evaluation(project.run("evaluate_checks"), CHECK).passed


def test_a_required_parameter_that_truto_does_not_document_goes_where_the_settings_take_it(
    project: Project,
) -> None:
    """The settings file had refused what the check told to write, and the check never ended."""
    settings = project.folder / "truto_groups.yaml"
    (project.folder / "workspace.yaml").touch()
    found = evaluation(refresh(project, okta=meta(FIELDS, {"project_id": True})), CHECK)
    (row,) = found.metadata["missing_parameters"].value
    assert "integrations.okta.query.remote_query.project_id" in row["do"]
    assert "query: remote_query: project_id" in str(found.description).replace("\\", "")

    settings.write_text("integrations: {okta: {query: {remote_query: {project_id: x}}}}")
    assert evaluation(project.run("evaluate_checks"), CHECK).passed


def test_the_page_names_the_setting_that_is_missing_whole(asked: Project) -> None:
    """Its path was shortened in the middle, as any word that no page could break."""
    required = meta(FIELDS, {"org": False, "organization_id": True})
    found = evaluation(refresh(asked, okta=required), CHECK)
    told = str(found.description).replace("\\", "")
    setting = "integrations: okta: query: organization_id"
    assert f"Give it in the settings file, under {setting}; without it Truto answers 400." in told
    assert f"Give it in the settings file: {setting}, or for this account alone." in told


def test_discovery_tells_of_a_missing_parameter_without_asking_meta(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(project, okta=meta(FIELDS, {"organization_id": True}))
    put(project, C, "okta")
    project.server.forget_requests()
    caplog.clear()

    project.discover()

    told = [r.getMessage() for r in caplog.records if r.name == "truto_groups.accounts.discovery"]
    assert [C in text and "organization_id" in text for text in told].count(True) == 1
    assert not [r for r in project.server.requests if "meta" in r.path]


def test_an_account_that_was_tried_is_not_told_at_discovery_again(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(project, okta=meta(FIELDS, {"organization_id": True}))
    project.publish(A, B)
    caplog.clear()

    project.discover()

    assert not [r for r in caplog.records if r.name == "truto_groups.accounts.discovery"]


def test_the_contracts_of_new_integrations_are_requested_once(project: Project) -> None:
    name = "refresh_contracts_of_new_integrations"

    (request,) = project.tick(name).run_requests
    assert request.run_key.endswith(":gitlab,okta")
    (again,) = project.tick(name).run_requests
    assert again.run_key == request.run_key  # Dagster starts one run for a key, for ever

    refresh(project)
    assert not project.tick(name).run_requests

    put(project, C, "slack")
    project.discover()
    (request,) = project.tick(name).run_requests
    assert request.run_key.endswith(":slack")
