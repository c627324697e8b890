"""group_overview and the sensor that draws it anew.

Real: a sandbox, DuckDB, the Dagster instance. The SVG is read as XML.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from truto_groups.sandbox import make_account
from truto_groups.warehouse.overview_queries import read_day_totals
from truto_groups_tests.defs.project import Project, make_beginning, open_project, put, shown_rows

pytestmark = pytest.mark.long

A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"
SENSOR = "refresh_overview"


@pytest.fixture(name="connected", scope="module")
def provide_connected(tmp_path_factory: pytest.TempPathFactory) -> Project:
    def prepare(project: Project) -> None:
        put(project, A, "okta", tenant_id="acme|corp", context={"label": "EU|1"})
        put(project, B, "gitlab")
        put(project, C, "slack", status="needs_reauth")
        project.discover()
        project.list_again()

    return make_beginning(tmp_path_factory.mktemp("connected"), prepare)


@pytest.fixture(name="project")
def provide_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connected: Project
) -> Iterator[Project]:
    """Three accounts are known, and none was synced."""
    with open_project(tmp_path, monkeypatch, begin_with=connected) as project:
        yield project


@pytest.fixture(name="refreshed", scope="module")
def provide_refreshed(tmp_path_factory: pytest.TempPathFactory, connected: Project) -> Project:
    folder = tmp_path_factory.mktemp("refreshed")
    return make_beginning(folder, Project.refresh, begin_with=connected)


@pytest.fixture(name="synced")
def provide_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refreshed: Project
) -> Iterator[Project]:
    """A and B have two groups each, of one run; C could not be synced."""
    with open_project(tmp_path, monkeypatch, begin_with=refreshed) as project:
        yield project


@dataclass
class Drawn:
    """The picture of what was synced."""

    project: Project
    event: dg.AssetMaterialization


@pytest.fixture(name="drawn", scope="module")
def provide_drawn(tmp_path_factory: pytest.TempPathFactory, refreshed: Project) -> Drawn:
    events: list[dg.AssetMaterialization] = []

    def prepare(project: Project) -> None:
        events.append(draw(project))

    folder = tmp_path_factory.mktemp("drawn")
    return Drawn(make_beginning(folder, prepare, begin_with=refreshed), *events)


@pytest.fixture(name="pictured")
def provide_pictured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Drawn
) -> Iterator[Project]:
    """The picture of what was synced has been drawn."""
    with open_project(tmp_path, monkeypatch, begin_with=drawn.project) as project:
        yield project


def draw(project: Project) -> dg.AssetMaterialization:
    result = project.run("draw_overview")
    assert result.success
    (event,) = result.asset_materializations_for_node("group_overview")
    return event


def text_of(event: dg.AssetMaterialization) -> str:
    return str(event.metadata["overview"].value)


def find_stale_causes(project: Project) -> list[str]:
    resolver = CachingStaleStatusResolver(
        project.instance,
        project.definitions.resolve_asset_graph(),
        LoadingContextForTest(project.instance),
    )
    return [cause.reason for cause in resolver.get_stale_causes(dg.AssetKey("group_overview"))]


def section(text: str, title: str) -> str:
    found = re.search(rf"### {title}[^\n]*\n(.*?)(?=\n### |\Z)", text, re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_picture_shows_types_accounts_and_how_they_stand(drawn: Drawn) -> None:
    event = drawn.event
    text = text_of(event)
    assert "**4 groups** in 3 integrated accounts of 3 integrations" in text
    assert "| okta | 1 | 1 | 2 |" in section(text, "Groups by integration and type")
    standings = {
        row["state"]: row["accounts"]
        for row in shown_rows(event.metadata["accounts_by_state"].value)
    }
    assert standings == {"published": 2, "not active (needs_reauth)": 1}
    assert "acme-corp.okta.aaaaaaaa" in section(text, "Largest accounts")
    assert "Nothing changed" in section(text, "Changed since yesterday")
    assert "**2 of 2 active accounts are complete and fresh.**" in section(text, "What is complete")


def test_the_chart_is_a_picture_that_says_what_it_shows(drawn: Drawn) -> None:
    text = text_of(drawn.event)

    found = re.search(r"!\[([^]]+)\]\(data:image/svg\+xml;base64,([^)]+)\)", text)
    assert found is not None
    root = ElementTree.fromstring(base64.b64decode(found[2]))  # noqa: S314
    shown = [element.text for element in root.iter() if element.text]
    assert found[1] in shown
    assert {"okta", "gitlab", "team", "no type", "2"} <= set(shown)
    assert "okta, team: 1" in shown


def test_what_a_customer_is_called_cannot_break_a_table(drawn: Drawn) -> None:
    assert ") (EU\\|1) |" in section(text_of(drawn.event), "Largest accounts")


def rows_of(text: str, title: str) -> list[list[str]]:
    """The rows of a section's first table."""
    lines = [line for line in section(text, title).split("\n") if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def link_to(project: Project, account_id: str) -> str:
    key = project.key_of(account_id)
    return f"[{key}](/assets/groups?view=partitions&partition={key})"


def test_who_needs_a_person_comes_first_the_worst_first_with_what_to_do_and_links(
    synced: Project,
) -> None:
    synced.write(
        "UPDATE account_syncs SET outcome = 'failed', error_kind = 'forbidden', "
        "error = 'Truto answered 403 to List Groups, of integrated account ' || "
        "integrated_account_id || ' (okta): no. Reconnect it.' WHERE integrated_account_id = $key",
        key=A,
    )
    synced.write(
        "UPDATE integrated_accounts SET last_confirmed_at = '2020-01-01' WHERE id IN ($a, $b)",
        a=A,
        b=B,
    )

    event = draw(synced)

    text = text_of(event)
    assert text.startswith("### Needs you (3)\n")
    assert text == event.description
    failed, reconnect, stale = rows_of(text, "Needs you")
    assert [row[0].partition(" (")[0] for row in (failed, reconnect, stale)] == [
        link_to(synced, one) for one in (A, C, B)
    ]
    assert failed[1] == "Failed: The app forbids reading its groups. Also stale."
    (run_id,) = {row["run_id"] for row in synced.table("account_syncs")}
    told = "Truto answered 403 to List Groups: no. Reconnect it."
    assert failed[3] == f"{told} See its [run](/runs/{run_id})"
    assert "have the tenant reconnect the app" in reconnect[3]
    assert stale[1].startswith("Stale: Not confirmed for ")
    numbers = {name: value.value for name, value in event.metadata.items()}
    assert numbers["accounts_that_need_you"] == 3
    assert (numbers["accounts_failed"], numbers["accounts_stale"]) == (1, 1)
    assert (numbers["accounts"], numbers["accounts_active"]) == (3, 2)
    assert (numbers["accounts_complete"], numbers["accounts_drifted"]) == (0, 0)
    assert (numbers["groups"], numbers["checks_red_or_yellow"]) == (4, 0)
    assert (numbers["accounts_not_connected"], numbers["accounts_held_back"]) == (1, 0)
    assert "0 of 2 active accounts are complete and fresh" in str(numbers["coverage"])


def test_the_short_list_of_who_needs_a_person_is_shown_by_the_ui_without_a_click(
    project: Project,
) -> None:
    for number in range(40):
        key = f"{number:08x}-1111-4000-8000-000000000001"
        put(project, key, tenant_id="t" * 30, status="needs_reauth")
    project.discover()

    event = draw(project)

    text = str(event.metadata["needs_you"].value)
    assert len(text) < 1000
    shown = text.count("](/assets/groups?view=partitions")
    total = event.metadata["accounts_that_need_you"].value
    assert text.endswith(f"\n- and {int(str(total)) - shown} more: open the picture")


def test_a_drift_is_accepted_by_a_link_and_one_of_unmapped_types_is_not(synced: Project) -> None:
    for key, group_type, more in ((A, "team", {"note": 1}), (B, "squad", {})):
        groups = [{"id": f"g{n}", "name": "x", "group_type": group_type, **more} for n in (1, 2)]
        synced.server.put_account(make_account(key, groups, integration="okta"))
    put(synced, C, "slack")
    synced.discover()
    synced.refresh()

    needs = {row[0]: row for row in rows_of(text_of(draw(synced)), "Needs you")}

    assert "[accept](/locations/" in needs[link_to(synced, A)][3]
    assert "unmapped" in needs[link_to(synced, B)][3]
    assert "[accept]" not in needs[link_to(synced, B)][3]


def test_a_long_answer_of_an_app_hides_no_advice(synced: Project) -> None:
    synced.write(
        "UPDATE account_syncs SET outcome = 'failed', error_kind = 'forbidden', "
        "error = $error WHERE integrated_account_id = $key",
        error=f"The app behind Truto answered 403: {'so long a story ' * 40}. Reconnect it.",
        key=A,
    )

    (failed, *_) = rows_of(text_of(draw(synced)), "Needs you")

    assert failed[3].startswith("The app behind Truto answered 403: so long a story")
    assert ". Reconnect it. See its [run]" in failed[3]


def test_the_picture_is_in_sync_until_a_listing_differs(pictured: Project) -> None:
    """Listings come every few minutes, and each made the UI call the picture out of sync."""
    pictured.list_again()
    assert find_stale_causes(pictured) == []

    pictured.server.remove_account(C)
    pictured.list_again()
    assert find_stale_causes(pictured) == ["has a new dependency materialization"]


def test_a_check_that_is_red_or_yellow_is_named_and_linked(synced: Project) -> None:
    synced.write("UPDATE integrated_accounts SET last_confirmed_at = '2020-01-01'")
    synced.run("evaluate_checks")
    synced.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("integration_contracts"),
            check_name="declared_contracts_are_stable",
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="Truto wants more.",
        )
    )
    synced.create("__ASSET_JOB")  # of the UI: on this instance, a check that it plans is hidden

    text = text_of(draw(synced))

    address = "/assets/groups?view=checks&checkDetail=every_account_is_fresh"
    assert f"[every\\_account\\_is\\_fresh]({address}) | red | Stale: " in text
    assert re.findall(r"\| (red|yellow) \|", text) == ["red", "yellow"]
    assert "checkDetail=declared_contracts_are_stable) | yellow | Truto wants more." in text


def test_what_changed_since_yesterday_is_told_by_name_but_not_of_a_private_account(
    synced: Project,
) -> None:
    (synced.folder / "workspace.yaml").touch()
    settings = synced.folder / "truto_groups.yaml"
    settings.write_text("integrations:\n  gitlab:\n    private_values: true\n")
    for key, integration in ((A, "okta"), (B, "gitlab")):
        groups = [{"id": "g1", "name": f"{integration} *new*", "group_type": "team"}]
        groups += [{"id": f"h{n}", "name": f"{integration} h{n}"} for n in range(9)]
        groups.append({"id": "g2", "name": "Two"})
        tenant = {A: "acme|corp"}.get(key, "acme")
        account = make_account(key, groups, integration=integration, tenant_id=tenant)
        synced.server.put_account(account)
    synced.discover()
    synced.refresh()

    event = draw(synced)

    text = section(text_of(event), "Changed since yesterday")
    assert "**18 added, 2 renamed**, in 2 accounts:" in text
    (okta,) = [line for line in text.split("\n") if synced.key_of(A) in line]
    assert "9 added, 1 renamed: renamed *One* → *okta \\*new\\**; added *okta h0*" in okta
    assert okta.endswith("; and 5 more")
    (gitlab,) = [line for line in text.split("\n") if synced.key_of(B) in line]
    assert gitlab.endswith(": 9 added, 1 renamed")
    assert "gitlab h" not in text_of(event)
    assert event.metadata["groups_added"].value == 18
    assert event.metadata["groups_renamed"].value == 2


def test_the_time_to_notice_counts_from_the_vendors_instant_where_that_makes_sense(
    synced: Project,
) -> None:
    synced.write(
        "INSERT INTO group_changes BY NAME SELECT $key AS integrated_account_id, "
        "'g' || row_number() OVER () AS id, change, json_object(field, json_array(NULL, "
        "strftime(seen AT TIME ZONE 'UTC' - to_seconds(n), '%Y-%m-%dT%H:%M:%S.%fZ'))) "
        "AS changed_fields, seen AS changed_at, 'r' AS run_id "
        "FROM (SELECT unnest([-60, 60, 120, 180, 99999999]) AS n, 'changed' AS change, "
        "'updated_at' AS field, now() AS seen "
        "UNION ALL VALUES (120, 'added', 'created_at', now()), "
        "(60, 'changed', 'created_at', now()), "
        "(60, 'changed', 'updated_at', now() - INTERVAL 40 DAYS))",
        key=A,
    )

    event = draw(synced)

    rows = rows_of(text_of(event), "Time to notice")
    assert rows == [["all", "4", "2 min", "2 min"], ["okta", "4", "2 min", "2 min"]]
    assert event.metadata["notice_minutes_p50"].value == pytest.approx(2, abs=0.1)
    assert event.metadata["notice_minutes_p95"].value == pytest.approx(2.9, abs=0.1)


def test_groups_over_time_are_the_sum_at_the_end_of_each_day(synced: Project) -> None:
    synced.write(
        "INSERT INTO account_syncs BY NAME SELECT $key AS integrated_account_id, "
        "'r' || n AS run_id, "
        "now() - to_days(n) AS started_at, 'published' AS outcome, 10 * n AS group_count, "
        "-n AS answer_order FROM (SELECT unnest([90, 3, 2]) AS n)",
        key=A,
    )
    with synced.database.reading() as connection:
        since = datetime.now(UTC) - timedelta(days=30)
        totals = read_day_totals(connection, since=since)

    assert [one.group_count for one in totals] == [900, 30, 20, 4]
    assert totals[0].day == since.date()


def test_the_picture_is_drawn_without_a_token_and_without_a_request(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced.server.forget_requests()
    monkeypatch.delenv("TRUTO_API_TOKEN")

    draw(synced)

    assert synced.server.requests == ()


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


def test_the_first_tick_draws_what_was_never_drawn(synced: Project) -> None:
    assert len(synced.tick(SENSOR).run_requests) == 1
    assert not synced.tick(SENSOR).run_requests


def test_the_first_tick_draws_nothing_that_was_drawn_before(pictured: Project) -> None:
    assert not pictured.tick(SENSOR).run_requests


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
