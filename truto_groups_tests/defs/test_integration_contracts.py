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
    meta,
    open_project,
    put,
    serve_meta,
    shown_rows,
)

pytestmark = pytest.mark.long

CHECK = "declared_contracts_are_stable"
FIELDS = {"id": "string", "name": "string", "group_type": "string"}
A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        put(project, A, "okta")
        put(project, B, "gitlab")
        project.server.intercept = serve_meta({"okta": meta(FIELDS), "gitlab": meta(FIELDS)})
        project.discover()
        yield project


def refresh(project: Project, **answers: object) -> dg.ExecuteInProcessResult:
    """Ask anew; what an integration answers now, where it is given."""
    known = {"okta": meta(FIELDS), "gitlab": meta(FIELDS)}
    project.server.intercept = serve_meta({**known, **answers})
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
    put(project, "dddddddd-0000-4000-8000-000000000004", "slack", status="needs_reauth")
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


def test_asking_again_touches_nothing(project: Project) -> None:
    refresh(project)
    before = project.table("integration_contracts")

    result = refresh(project)

    assert project.table("integration_contracts") == before
    assert evaluation(result, CHECK).passed


def test_a_changed_declaration_ends_its_row_and_begins_another(project: Project) -> None:
    refresh(project)

    refresh(project, okta=meta({**FIELDS, "name": "object"}))

    rows = [
        row
        for row in project.table("integration_contracts")
        if (row["integration"], row["name"]) == ("okta", "name")
    ]
    old, new = sorted(rows, key=lambda row: row["first_seen_at"])
    assert (old["json_type"], new["json_type"]) == ("string", "object")
    assert old["gone_at"] == new["first_seen_at"]
    assert new["gone_at"] is None


def test_a_parameter_that_becomes_required_begins_another_row(project: Project) -> None:
    refresh(project, okta=meta(FIELDS, {"org": False}))

    refresh(project, okta=meta(FIELDS, {"org": True}))

    rows = [row for row in project.table("integration_contracts") if row["name"] == "org"]
    assert sorted((row["is_required"], row["gone_at"] is None) for row in rows) == [
        (False, False),
        (True, True),
    ]


@pytest.mark.parametrize(
    "answer", [404, 500, {"method": "list"}], ids=["not mapped", "broken", "tells nothing"]
)
def test_an_integration_whose_question_fails_keeps_its_rows_and_is_told(
    project: Project, answer: object
) -> None:
    refresh(project)
    before = open_rows(project, "okta")

    result = refresh(project, okta=answer, gitlab=meta({**FIELDS, "description": "string"}))

    assert result.success
    assert open_rows(project, "okta") == before
    assert "description" in open_rows(project, "gitlab")
    (event,) = result.asset_materializations_for_node("refresh_contracts_step")
    (row,) = shown_rows(event.metadata["not_answered"].value)
    assert row["integration"] == "okta"
    assert "okta" in row["error"]


def test_an_answer_without_a_query_schema_leaves_the_parameters(project: Project) -> None:
    refresh(project, okta=meta(FIELDS, {"org": False}))
    answer = meta(FIELDS)
    del answer["query_schema"]

    refresh(project, okta=answer)

    assert "org" in open_rows(project, "okta")


def test_a_run_that_no_question_was_answered_in_fails_and_still_evaluates_its_check(
    project: Project,
) -> None:
    result = refresh(project, okta=500, gitlab=500)

    assert not result.success
    assert not result.asset_materializations_for_node("refresh_contracts_step")
    assert evaluation(result, CHECK).passed


def test_a_rejected_token_fails_the_run_and_leaves_the_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(project)
    before = project.table("integration_contracts")
    project.server.intercept = None
    monkeypatch.setenv("TRUTO_API_TOKEN", "another-token")

    result = project.run("refresh_contracts")

    assert not result.success
    assert not result.asset_materializations_for_node("refresh_contracts_step")
    assert project.table("integration_contracts") == before


def test_a_dropped_and_a_retyped_field_fail_the_check_with_the_accounts_concerned(
    project: Project,
) -> None:
    assert evaluation(refresh(project), CHECK).passed

    result = refresh(
        project,
        okta=meta({"id": "string", "group_type": "string"}),
        gitlab=meta({**FIELDS, "id": "integer"}),
    )

    found = evaluation(result, CHECK)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["failing_accounts"].value == 2
    told = {row["integration"]: row for row in changes(result)}
    assert told["okta"]["what"] == "no longer declares name"
    assert told["okta"]["accounts"] == [project.key_of(A)]
    assert (told["gitlab"]["was"], told["gitlab"]["now"]) == ("string", "integer")
    assert told["gitlab"]["accounts"] == [project.key_of(B)]


def test_a_change_is_told_for_a_week_and_then_no_more(project: Project) -> None:
    refresh(project)
    project.write(
        "UPDATE integration_contracts SET first_seen_at = first_seen_at - INTERVAL 30 DAY"
    )
    refresh(project, okta=meta({"id": "string", "group_type": "string"}))

    project.write("UPDATE integration_contracts SET gone_at = gone_at - INTERVAL 6 DAY")
    assert not evaluation(project.run("evaluate_checks"), CHECK).passed

    project.write("UPDATE integration_contracts SET gone_at = gone_at - INTERVAL 2 DAY")
    assert evaluation(project.run("evaluate_checks"), CHECK).passed


def test_a_change_of_an_integration_that_is_not_in_use_concerns_nobody(project: Project) -> None:
    refresh(project)
    refresh(project, okta=meta({"id": "string"}))
    put(project, A, "okta", status="needs_reauth")
    project.discover()

    assert evaluation(project.run("evaluate_checks"), CHECK).passed


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


def test_the_page_names_the_setting_that_is_missing_whole(project: Project) -> None:
    """Its path was shortened in the middle, as any word that no page could break."""
    optional = {"name": False}
    refresh(project, okta=meta(FIELDS, optional))
    required = meta(FIELDS, {**optional, "organization_id": True})
    found = evaluation(refresh(project, okta=required), CHECK)
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
    project.refresh()
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
