"""group_overview and the sensor that draws it anew.

Real: a sandbox, DuckDB, the Dagster instance. The SVG is read as XML.
"""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from truto_groups_tests.defs.project import Project, open_project, put, shown_rows

pytestmark = pytest.mark.long

A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"
SENSOR = "refresh_overview"


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        put(project, A, "okta", tenant_id="acme|corp", context={"label": "EU|1"})
        put(project, B, "gitlab")
        put(project, C, "slack", status="needs_reauth")
        project.discover()
        yield project


def draw(project: Project) -> dg.AssetMaterialization:
    result = project.run("draw_overview")
    assert result.success
    (event,) = result.asset_materializations_for_node("group_overview")
    return event


def text_of(event: dg.AssetMaterialization) -> str:
    return str(event.metadata["overview"].value)


def section(text: str, title: str) -> str:
    found = re.search(rf"### {title}[^\n]*\n(.*?)(?=\n### |\Z)", text, re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_picture_shows_types_accounts_and_how_they_stand(project: Project) -> None:
    project.refresh()

    event = draw(project)

    text = text_of(event)
    assert "**4 groups** in 3 integrated accounts of 3 integrations" in text
    assert "| okta | 1 | 1 | 2 |" in section(text, "Groups by integration and type")
    standings = {
        row["state"]: row["accounts"]
        for row in shown_rows(event.metadata["accounts_by_state"].value)
    }
    assert standings == {"published": 2, "not active (needs_reauth)": 1}
    assert "acme-corp.okta.aaaaaaaa" in section(text, "Largest accounts")
    assert "Nothing changed" in section(text, "Changed")
    assert "(0)" in text


def test_the_chart_is_a_picture_that_says_what_it_shows(project: Project) -> None:
    project.refresh()

    text = text_of(draw(project))

    found = re.search(r"!\[([^]]+)\]\(data:image/svg\+xml;base64,([^)]+)\)", text)
    assert found is not None
    root = ElementTree.fromstring(base64.b64decode(found[2]))  # noqa: S314
    shown = [element.text for element in root.iter() if element.text]
    assert found[1] in shown
    assert {"okta", "gitlab", "team", "no type", "2"} <= set(shown)
    assert "okta, team: 1" in shown


def test_what_a_customer_is_called_cannot_break_a_table(project: Project) -> None:
    project.refresh()

    assert "aaaaaaaa (EU\\|1) |" in section(text_of(draw(project)), "Largest accounts")


def test_changes_stale_and_held_back_accounts_are_named(project: Project) -> None:
    project.refresh()
    project.write(
        "INSERT INTO group_changes SELECT integrated_account_id, id, 'removed', NULL, '{}', name, "
        "now(), 'run' FROM groups WHERE integrated_account_id = $key",
        key=A,
    )
    project.write(
        "UPDATE account_syncs SET outcome = 'held_back', error = 'Too few groups.' "
        "WHERE integrated_account_id = $key",
        key=B,
    )
    project.write(
        "UPDATE integrated_accounts SET last_confirmed_at = '2020-01-01' WHERE id = $key", key=A
    )

    event = draw(project)

    text = text_of(event)
    assert "| acme-corp.okta.aaaaaaaa | 0 | 2 | 0 |" in section(text, "Changed")
    assert "acme-corp.okta.aaaaaaaa" in section(text, "Stale")
    assert "bbbbbbbb" not in section(text, "Stale")
    assert "Too few groups." in section(text, "Held back")
    assert event.metadata["accounts_stale"].value == 1
    assert event.metadata["accounts_held_back"].value == 1
    assert event.metadata["accounts_changed_lately"].value == 1


def test_the_picture_is_drawn_without_a_token_and_without_a_request(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.refresh()
    project.server.forget_requests()
    monkeypatch.delenv("TRUTO_API_TOKEN")

    draw(project)

    assert project.server.requests == ()


def test_the_picture_of_no_groups_yet_can_be_drawn(project: Project) -> None:
    text = text_of(draw(project))

    assert "No account has groups yet." in section(text, "Groups by integration and type")
    assert "No account has groups yet." in section(text, "Largest accounts")


def test_without_a_database_the_run_fails_in_words(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(project.folder / "missing.duckdb"))

    result = project.run("draw_overview")

    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "There is no database" in str(told.description)


def test_a_refresh_is_followed_by_one_picture(project: Project) -> None:
    assert not project.tick(SENSOR).run_requests  # first tick: nothing happened yet
    assert not project.tick(SENSOR).run_requests

    project.refresh()

    assert len(project.tick(SENSOR).run_requests) == 1
    assert not project.tick(SENSOR).run_requests


def test_the_first_tick_draws_what_was_never_drawn(project: Project) -> None:
    project.refresh()

    assert len(project.tick(SENSOR).run_requests) == 1
    assert not project.tick(SENSOR).run_requests


def test_the_first_tick_draws_nothing_that_was_drawn_before(project: Project) -> None:
    project.refresh()
    draw(project)

    assert not project.tick(SENSOR).run_requests


def test_while_a_picture_waits_none_is_requested_and_none_is_forgotten(project: Project) -> None:
    project.tick(SENSOR)
    waiting = project.create("draw_overview")
    project.instance.report_run_failed(project.create("refresh_groups"))
    project.instance.report_run_canceled(project.create("refresh_groups"))

    assert not project.tick(SENSOR).run_requests

    project.instance.report_run_canceled(waiting)
    assert len(project.tick(SENSOR).run_requests) == 1  # one for both
    assert not project.tick(SENSOR).run_requests


@pytest.mark.parametrize("job", ["evaluate_checks", "refresh_contracts", "draw_overview"])
def test_a_run_that_writes_no_groups_draws_nothing(project: Project, job: str) -> None:
    project.tick(SENSOR)
    project.instance.report_run_failed(project.create(job))

    assert not project.tick(SENSOR).run_requests
