"""The one step through Dagster: fetched, replayed, rebuilt, only checked; green, red, cancelled.

Real: HTTP on loopback, DuckDB in a file, a Dagster instance on SQLite, processes that are stopped.
Faults are injected on the server's side.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli import cli
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from truto_groups.defs import assets as assets_module
from truto_groups.defs.home import ProjectInstance
from truto_groups.defs.in_flight import range_tags
from truto_groups.sandbox import Request, Response, make_account
from truto_groups.sync.land import Staging
from truto_groups_tests.defs.project import Project, make_beginning, open_project, shown_rows
from truto_groups_tests.stand import (
    DATA_TABLES,
    GROUPS_PATH,
    KEYS,
    A,
    B,
    C,
    group,
    groups_of,
    read_data,
    serve_body,
)

pytestmark = pytest.mark.long

PARTITIONED = ("raw_groups", "groups", "group_type_breakdown")
IDS = {key: account_id for account_id, key in KEYS.items()}
CHECKS = {
    "groups_match_contract",
    "no_unaccepted_drift",
    "every_account_is_fresh",
    "ids_are_unique",
    "group_counts_are_plausible",
    "privileged_changes_are_reviewed",
    "breakdown_adds_up",
}


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        yield project


@pytest.fixture(name="listed", scope="module")
def provide_listed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_beginning(
        tmp_path_factory.mktemp("listed"), lambda project: connect(project, A, B, C)
    )


@pytest.fixture(name="connected")
def provide_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: Project
) -> Iterator[Project]:
    """A, B and C have three groups each, and were never synced."""
    with open_project(tmp_path, monkeypatch, begin_with=listed) as project:
        yield project


@pytest.fixture(name="beginning", scope="module")
def provide_beginning(tmp_path_factory: pytest.TempPathFactory) -> Project:
    def prepare(project: Project) -> None:
        for key in (A, B):
            put(project, key, groups_of(3))
        project.discover()
        project.list_again()
        assert project.run("refresh_groups", partition_key=KEYS[A]).success
        assert project.run("refresh_groups", partition_key=KEYS[B]).success

    return make_beginning(tmp_path_factory.mktemp("beginning"), prepare)


@pytest.fixture(name="synced")
def provide_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: Project
) -> Iterator[Project]:
    """A and B have three groups each, of a run of their own, that of B after that of A."""
    with open_project(tmp_path, monkeypatch, begin_with=beginning) as project:
        yield project


def put(project: Project, key: str, groups: Sequence[Any], **fields: Any) -> None:
    project.server.put_account(make_account(key, groups, **fields))


def connect(project: Project, *keys: str) -> None:
    """Connect accounts with three groups each, and discover them."""
    for key in keys:
        put(project, key, groups_of(3))
    project.discover()


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, list[str | None]]:
    """Partitions by asset, in the order in which they were materialized."""
    found: dict[str, list[str | None]] = {}
    for event in result.get_asset_materialization_events():
        one = event.step_materialization_data.materialization
        found.setdefault(one.asset_key.to_user_string(), []).append(
            IDS.get(one.partition or "", one.partition)
        )
    return found


def metadata_of(result: dg.ExecuteInProcessResult, asset: str, key: str) -> dict[str, Any]:
    (found,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset) and event.partition == KEYS.get(key, key)
    ]
    return {name: value.value for name, value in found.metadata.items()}


def statuses(project: Project, asset: str, *keys: str) -> dict[str, str]:
    definition = project.definitions.resolve_assets_def(asset)
    assert definition.partitions_def is not None
    found = project.instance.get_status_by_partition(
        dg.AssetKey(asset), [KEYS.get(key, key) for key in keys], definition.partitions_def
    )
    return {
        IDS.get(key, key): status.name if status else "MISSING"
        for key, status in (found or {}).items()
    }


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What the run's log says of why the step failed."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error_display_string
    return data.user_failure_data.description or ""


def requests_for_groups(project: Project) -> list[str | None]:
    return [r.integrated_account_id for r in project.server.requests if r.path == GROUPS_PATH]


def select(project: Project, *assets: str, key: str | None = None) -> dg.ExecuteInProcessResult:
    """Materialize a selection, as the UI's button does."""
    return project.run(
        "refresh_groups",
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        partition_key=None if key is None else KEYS[key],
    )


def check_names(result: dg.ExecuteInProcessResult) -> set[str]:
    return {one.check_name for one in result.get_asset_check_evaluations()}


def test_a_run_over_many_accounts_records_each_as_a_partition_with_its_own_metadata(
    project: Project,
) -> None:
    put(project, A, groups_of(3), tenant_id="acme")
    put(project, B, [], integration="gitlab", tenant_id="globex")
    other = f"globex.gitlab.{B[:8]}"
    project.discover()
    result = project.refresh()
    assert result.success
    found = materialized(result)
    assert {asset: sorted(map(str, keys)) for asset, keys in found.items()} == {
        **{asset: [A, other] for asset in PARTITIONED},
        "group_changes": ["None"],
    }
    for asset in PARTITIONED:
        assert set(statuses(project, asset, A, other).values()) == {"MATERIALIZED"}
    one, two = (metadata_of(result, "raw_groups", key) for key in (A, other))
    assert (one["integration"], one["tenant_id"]) == ("okta", "acme")
    assert (two["integration"], two["tenant_id"]) == ("gitlab", "globex")
    assert (one["dagster/partition_row_count"], two["dagster/partition_row_count"]) == (3, 0)
    for name in ("pages", "requests", "retries", "seconds", "bytes", "outcome"):
        assert name in one
    assert (one["pages"], one["requests"], one["retries"]) == (1, 1, 0)
    preview = next(
        event.step_materialization_data.materialization.metadata["preview"]
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("groups") and event.partition == KEYS[A]
    )
    assert [row["group"] for row in shown_rows(preview)] == ["Group 0", "Group 1", "Group 2"]


def test_no_value_that_a_private_account_sent_is_in_any_event(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project.folder / "truto_groups.yaml"
    settings.write_text("defaults: {private_values: true}\n")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(settings))
    put(project, A, [group(n, f"s3cret {n}", description="s3cret") for n in range(20)])
    project.discover()
    results = [project.refresh()]
    put(project, A, [group(n, f"s3cret {n}", group_type="s3cret") for n in range(20)])
    results.append(project.refresh())
    results.append(select(project, "groups", "group_type_breakdown", key=A))
    put(project, A, [group(n, f"s3cret {n}") | {"id": None} for n in range(20)])
    results.append(project.refresh())
    assert [result.success for result in results] == [True, True, True, False]
    for result in results:
        entries = project.instance.all_logs(result.run_id)
        assert entries
        assert not [entry for entry in entries if "s3cret" in entry.to_json()]


def test_one_account_in_one_run_leaves_the_others_alone(connected: Project) -> None:
    result = connected.run("refresh_groups", partition_key=KEYS[B])
    assert result.success
    assert materialized(result)["groups"] == [B]
    assert requests_for_groups(connected) == [B]
    assert statuses(connected, "groups", A, B, C) == {
        A: "MISSING",
        B: "MATERIALIZED",
        C: "MISSING",
    }


def test_a_run_over_a_range_covers_its_accounts_and_no_other(connected: Project) -> None:
    assert connected.run("refresh_groups", tags=range_tags(KEYS[A], KEYS[B])).success
    assert set(requests_for_groups(connected)) == {A, B}


def test_in_a_run_over_many_the_good_accounts_are_green_and_the_bad_ones_red(
    connected: Project,
) -> None:
    """Behaviour 2: named with reason and advice, and the run ends as failed."""
    connected.publish(A, B, C)
    put(connected, A, groups_of(4))
    put(connected, C, [{**group(1), "id": None}])
    connected.server.intercept = serve_body(B, {"message": "Resource is gone"}, status=404)
    before = read_data(connected.database)
    result = connected.refresh()
    assert not result.success
    for asset in PARTITIONED:
        assert materialized(result)[asset] == [A]
        assert statuses(connected, asset, A, B, C) == {
            A: "MATERIALIZED",
            B: "FAILED",
            C: "FAILED",
        }
    text = failure_text(result)
    assert f"Not published: 2 integrated accounts ({KEYS[B]}, {KEYS[C]})." in text
    assert f"- {KEYS[B]}: " in text
    assert f"- {KEYS[C]}: " in text
    assert "Resource is gone" in text
    assert "held_back_groups" in text
    logged = [entry.user_message for entry in connected.instance.all_logs(result.run_id)]
    for verb, key in (("Failed", B), ("Held back", C)):
        assert any(one.startswith(f"{verb} integrated account {KEYS[key]}: ") for one in logged)
    for key in (A, B, C):
        assert not any(key in one for one in (text, *logged))
    after = read_data(connected.database)
    assert len([row for row in after["groups"] if row["integrated_account_id"] == A]) == 4
    for key in (B, C):
        assert [row for row in after["groups"] if row["integrated_account_id"] == key] == [
            row for row in before["groups"] if row["integrated_account_id"] == key
        ]


def test_of_very_many_failed_accounts_some_are_told_and_how_many_more_there_are(
    project: Project,
) -> None:
    for number in range(22):
        put(project, f"{number:08x}-0000-4000-8000-000000000001", groups_of(1))
    project.discover()
    project.server.intercept = lambda request: (
        Response.of_json({"message": "gone"}, status=404) if request.path == GROUPS_PATH else None
    )
    lines = failure_text(project.refresh()).split("\n")
    assert lines[0].startswith("Not published: 22 integrated accounts (")
    assert lines[0].endswith(" and 17 more).")
    assert [len(lines), lines[-1]] == [22, "- and 2 more; see account_syncs."]


def test_the_checks_are_evaluated_in_the_same_run_also_when_accounts_failed(
    synced: Project,
) -> None:
    put(synced, B, [*groups_of(3), {**group(1), "id": None}])
    bad = synced.refresh()
    assert not bad.success
    assert check_names(bad) == CHECKS
    passed = {one.check_name: one.passed for one in bad.get_asset_check_evaluations()}
    assert {name for name, is_passed in passed.items() if not is_passed} == {
        "groups_match_contract",
        "no_unaccepted_drift",
    }


def shown_checks(project: Project) -> dict[str, str]:
    """The checks that the asset's page shows, with their state; the others are "not evaluated"."""
    definition = project.definitions.resolve_asset_graph()
    keys = [key for key in definition.asset_check_keys if key.name in CHECKS]
    storage = project.instance.event_log_storage
    return {
        key.name: record.status.name
        for key, record in storage.get_latest_asset_check_execution_by_key(keys).items()
        if asyncio.run(
            record.targets_latest_materialization(LoadingContextForTest(project.instance))
        )
    }


def fail_account(project: Project, key: str) -> None:
    project.server.intercept = serve_body(key, {"message": "Resource is gone"}, status=404)


def hold_back_account(project: Project, key: str) -> None:
    put(project, key, [*groups_of(3), {**group(1), "id": None}])


@pytest.mark.parametrize("spoil", [fail_account, hold_back_account])
def test_the_checks_stay_shown_after_one_account_s_run_failed(synced: Project, spoil: Any) -> None:
    """The newest materialization of the asset is another account's."""
    assert set(shown_checks(synced)) == CHECKS

    spoil(synced, A)
    assert not synced.run("refresh_groups", partition_key=KEYS[A]).success

    assert set(shown_checks(synced)) == CHECKS


def test_the_checks_are_shown_after_every_kind_of_run(synced: Project) -> None:
    assert synced.refresh().success
    assert shown_checks(synced) == dict.fromkeys(CHECKS, "SUCCEEDED")
    select(synced, "groups", "group_type_breakdown", key=A)
    assert set(shown_checks(synced)) == CHECKS
    synced.run("evaluate_checks")
    assert set(shown_checks(synced)) == CHECKS
    select(synced, "raw_groups", key=A)  # whose checks are not planned
    assert set(shown_checks(synced)) == CHECKS
    hold_back_account(synced, B)
    assert not synced.refresh().success
    assert set(shown_checks(synced)) == CHECKS
    assert shown_checks(synced)["groups_match_contract"] == "FAILED"


def test_a_fetch_records_everything_and_evaluates_the_checks_whatever_was_selected(
    synced: Project,
) -> None:
    put(synced, A, groups_of(4))
    result = select(synced, "raw_groups", key=A)
    assert result.success
    assert set(materialized(result)) == {*PARTITIONED, "group_changes"}
    assert check_names(result) == CHECKS
    assert len(synced.table("groups")) == 7


def test_materializing_groups_without_raw_groups_rebuilds_them_and_sends_no_request(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_data(synced.database)
    ledger = synced.table("account_syncs")
    synced.write("UPDATE groups SET name = 'spoilt', normalization_version = 0")
    synced.write("DELETE FROM group_type_breakdown")
    synced.server.forget_requests()
    monkeypatch.delenv("TRUTO_API_TOKEN")
    result = select(synced, "groups", "group_type_breakdown", key=A)
    assert result.success
    assert synced.server.requests == ()
    assert materialized(result)["groups"] == [A]
    assert "raw_groups" not in materialized(result)
    assert check_names(result) == CHECKS
    names = [(row["integrated_account_id"], row["name"]) for row in synced.table("groups")]
    assert [name for key, name in names if key == A] == ["Group 0", "Group 1", "Group 2"]
    assert {name for key, name in names if key == B} == {"spoilt"}
    assert synced.table("raw_groups") == before["raw_groups"]
    assert {row["integrated_account_id"] for row in synced.table("group_type_breakdown")} == {A}
    assert synced.table("account_syncs") == ledger


def test_materializing_only_the_breakdown_counts_groups_anew_and_sends_no_request(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = synced.table("group_type_breakdown")
    synced.write("UPDATE group_type_breakdown SET group_count = 99")
    synced.server.forget_requests()
    monkeypatch.delenv("TRUTO_API_TOKEN")
    result = synced.run(
        "refresh_groups",
        asset_selection=[dg.AssetKey("group_type_breakdown")],
        tags=range_tags(KEYS[A], KEYS[B]),
    )
    assert result.success
    assert synced.server.requests == ()
    assert {name: set(keys) for name, keys in materialized(result).items()} == {
        "group_type_breakdown": {A, B}
    }
    assert synced.table("group_type_breakdown") == before


def test_an_account_that_has_nothing_to_rebuild_from_is_told_and_materialized_nowhere(
    synced: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    connect(synced, C)
    told = f"Passed over integrated account {KEYS[C]}. It was never synced: materialize raw_groups"
    for asset in ("groups", "group_type_breakdown"):
        capfd.readouterr()
        result = synced.run(
            "refresh_groups",
            asset_selection=[dg.AssetKey(asset)],
            tags=range_tags(KEYS[B], KEYS[C]),
        )
        assert result.success, asset
        assert materialized(result)[asset] == [B]
        assert told in capfd.readouterr().err, asset


def test_group_changes_beside_the_breakdown_are_materialized_as_they_are_alone(
    synced: Project,
) -> None:
    before = read_data(synced.database)
    result = select(synced, "group_type_breakdown", "group_changes", key=A)
    assert materialized(result) == {"group_type_breakdown": [A], "group_changes": [None]}
    assert read_data(synced.database) == before


def test_group_changes_alone_need_no_partition_and_no_request(synced: Project) -> None:
    before = read_data(synced.database)
    synced.server.forget_requests()
    result = select(synced, "group_changes")
    assert result.success
    assert materialized(result) == {"group_changes": [None]}
    assert synced.server.requests == ()
    assert read_data(synced.database) == before


@pytest.mark.parametrize(
    "tags", [{}, range_tags(KEYS[B], KEYS[A])], ids=["no partition", "an empty range"]
)
def test_a_run_over_no_account_fails_and_says_how_to_name_one(
    synced: Project, tags: dict[str, str]
) -> None:
    synced.server.forget_requests()
    for selection in (None, [dg.AssetKey("raw_groups")]):
        result = synced.run("refresh_groups", asset_selection=selection, tags=tags)
        assert not result.success
        assert "No integrated account is selected" in failure_text(result)
        assert check_names(result) == CHECKS
    assert synced.server.requests == ()


def test_checks_alone_need_no_partition_no_request_and_no_token(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced.server.forget_requests()
    monkeypatch.delenv("TRUTO_API_TOKEN")
    result = synced.run("evaluate_checks")
    assert result.success
    assert check_names(result) >= CHECKS
    assert materialized(result) == {}
    assert synced.server.requests == ()
    assert check_names(synced.run("check_freshness")) == {"every_account_is_fresh"}


def test_a_check_that_cannot_run_raises_and_neither_passes_nor_fails(project: Project) -> None:
    result = project.run("check_freshness")
    assert not result.success
    assert result.get_asset_check_evaluations() == []
    assert "no database" in failure_text(result)


def stale_causes(project: Project, *keys: str) -> dict[str, list[str]]:
    """Why the UI shows partitions as out of sync, by asset and account; empty when in sync."""
    resolver = CachingStaleStatusResolver(
        project.instance,
        project.definitions.resolve_asset_graph(),
        LoadingContextForTest(project.instance),
    )
    found = {
        f"{asset} {key}": [
            f"{cause.reason}: {cause.dependency_asset_key}"
            for cause in resolver.get_stale_causes(dg.AssetKey(asset), KEYS[key])
        ]
        for asset in PARTITIONED
        for key in keys
    }
    return {name: causes for name, causes in found.items() if causes}


def test_a_listing_that_found_nothing_new_leaves_every_partition_in_sync(synced: Project) -> None:
    assert stale_causes(synced, A, B) == {}

    synced.list_again()
    assert stale_causes(synced, A, B) == {}
    synced.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=synced.instance, asset_selection=[dg.AssetKey("integrated_accounts")]
    )
    assert stale_causes(synced, A, B) == {}

    put(synced, B, groups_of(3), tenant_id="globex")
    synced.list_again()
    assert set(stale_causes(synced, A, B)) == {f"raw_groups {A}", f"raw_groups {B}"}
    synced.refresh()
    assert stale_causes(synced, A, B) == {}


def test_an_account_that_cannot_be_synced_is_passed_over_and_shows_as_it_did(
    connected: Project,
) -> None:
    put(connected, B, groups_of(3), status="needs_reauth", last_error="Revoked")
    connected.discover()
    connected.server.forget_requests()
    result = connected.refresh()
    assert result.success
    assert set(requests_for_groups(connected)) == {A, C}
    assert statuses(connected, "groups", A, B, C)[B] == "MISSING"
    assert B not in {row["integrated_account_id"] for row in connected.table("account_syncs")}


def test_a_missing_token_is_named_at_once_and_nothing_is_lost(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_data(synced.database)
    monkeypatch.delenv("TRUTO_API_TOKEN")
    result = synced.refresh()
    assert not result.success
    text = failure_text(result)
    assert "TRUTO_API_TOKEN is not set" in text
    assert "\n" not in text
    assert check_names(result) == CHECKS
    assert read_data(synced.database) == before


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TRUTO_BASE_URL", "http://truto.example", ["TRUTO_BASE_URL", "https"]),
        ("TRUTO_GROUPS_DATABASE", "/proc/none/groups.duckdb", ["/proc/none", "cannot be"]),
        ("TRUTO_GROUPS_SETTINGS", "settings.yaml", ["settings.yaml:2", "refresh_every"]),
        ("TRUTO_API_TOKEN", "wrong", ["token"]),
    ],
    ids=["no HTTPS", "a path that cannot be written", "a mistake in the settings", "rejected"],
)
def test_what_is_set_up_wrong_is_told_in_one_paragraph(
    synced: Project, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: list[str]
) -> None:
    (synced.folder / "settings.yaml").write_text("defaults:\n  refresh_evry: 6h\n")
    monkeypatch.setenv(variable, value)
    result = synced.refresh()
    assert not result.success
    text = failure_text(result)
    assert all(word in text for word in words), text
    assert "Traceback" not in text
    assert "sandbox-token" not in text


def test_a_field_of_the_database_that_would_have_no_effect_is_refused(synced: Project) -> None:
    options = {"motherduck_token": "a-token"}
    result = synced.run(
        "refresh_groups",
        partition_key=KEYS[A],
        run_config={"resources": {"duckdb": {"config": {"connection_config": options}}}},
    )
    assert not result.success
    assert "takes no connection_config" in failure_text(result)
    assert "a-token" not in failure_text(result)


def test_a_rejected_token_reads_no_account_and_every_check_still_speaks(
    synced: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_data(synced.database)
    monkeypatch.setenv("TRUTO_API_TOKEN", "revoked-token")
    result = synced.refresh()
    assert not result.success
    assert "raw_groups" not in materialized(result)
    assert check_names(result) == CHECKS
    assert "revoked-token" not in failure_text(result)
    assert read_data(synced.database) == before


def overtake(project: Project, outcomes: Mapping[str, str]) -> None:
    """While an account's next answer is on its way, another run asks later and settles its own."""
    left = dict(outcomes)

    def intercept(request: Request) -> None:
        key = request.integrated_account_id or ""
        if key not in left or request.path != GROUPS_PATH:
            return
        project.write(
            "INSERT INTO account_syncs BY NAME SELECT * REPLACE ('newer' AS run_id, "
            "answer_order + 1000 AS answer_order, $outcome AS outcome) FROM account_syncs "
            "WHERE integrated_account_id = $key LIMIT 1",
            key=key,
            outcome=left.pop(key),
        )

    project.server.intercept = intercept


def test_a_newer_answer_of_another_run_leaves_a_partition_green(synced: Project) -> None:
    overtake(synced, {A: "published", B: "unchanged"})
    for key in (A, B):
        put(synced, key, groups_of(4))
    result = synced.refresh()
    assert result.success
    assert statuses(synced, "groups", A, B) == dict.fromkeys((A, B), "MATERIALIZED")
    assert len(synced.table("groups")) == 6
    for asset in PARTITIONED:
        told = {key: metadata_of(result, asset, key) for key in (A, B)}
        assert {key: one["outcome"] for key, one in told.items()} == {A: "skipped", B: "skipped"}
        assert {key for key, one in told.items() if "Run newer" in one["reason"]} == {A, B}


@pytest.mark.parametrize("listing", ["answers", "fails"])
def test_a_partition_that_is_nobodys_fails_by_name_and_costs_no_other(
    synced: Project, listing: str
) -> None:
    synced.instance.add_dynamic_partitions("integrated_accounts", ["acme.okta.00000000"])
    if listing == "fails":
        synced.server.intercept = lambda request: (
            Response(status=500) if request.path == "/integrated-account" else None
        )

    result = synced.refresh()

    assert not result.success
    assert set(materialized(result)["groups"]) == {A, B}
    assert "- acme.okta.00000000: No known account has this partition key" in failure_text(result)


def test_partitions_that_are_older_than_the_tables_are_found_again(synced: Project) -> None:
    (synced.folder / "groups.duckdb").unlink()

    assert synced.refresh().success
    assert {row["integrated_account_id"] for row in synced.table("groups")} == {A, B}


def test_an_answer_that_was_skipped_shows_nothing_of_itself(synced: Project) -> None:
    overtake(synced, {A: "published"})
    put(synced, A, [group(0, "Refused"), *groups_of(3)])
    result = synced.refresh()
    for asset in PARTITIONED:
        metadata = metadata_of(result, asset, A)
        assert not {"dagster/partition_row_count", "preview", "digest"} & set(metadata)
    events = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.partition == KEYS[A]
    ]
    assert len(events) == len(PARTITIONED)
    assert not [event for event in events if "dagster/data_version" in (event.tags or {})]
    assert "Refused" not in str(events)


def test_an_answer_that_a_held_back_one_overtook_turns_no_red_partition_green(
    synced: Project,
) -> None:
    hold_back_account(synced, A)
    assert not synced.refresh().success
    overtake(synced, {A: "held_back"})
    put(synced, A, groups_of(4))
    result = synced.refresh()
    assert not result.success
    assert materialized(result)["groups"] == [B]
    assert statuses(synced, "groups", A, B) == {A: "FAILED", B: "MATERIALIZED"}
    assert (
        f"- {KEYS[A]}: Run newer asked later, and its newer answer was held back."
        in failure_text(result)
    )


def test_listing_by_hand_keeps_the_table_and_leaves_the_partitions_alone(project: Project) -> None:
    put(project, A, groups_of(3))
    put(project, B, groups_of(3), status="needs_reauth")
    definition = project.definitions.resolve_implicit_global_asset_job_def()
    result = definition.execute_in_process(
        instance=project.instance, asset_selection=[dg.AssetKey("integrated_accounts")]
    )
    assert result.success
    assert [row["id"] for row in project.table("integrated_accounts")] == [A, B]
    assert project.instance.get_dynamic_partitions("integrated_accounts") == []


def test_the_token_reaches_no_log_event_metadata_run_configuration_error_or_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Behaviour 10: also when servers echo it and accounts fail in every way."""
    token = "tok-7f3a91-very-secret"
    monkeypatch.setenv("TRUTO_API_TOKEN", token)
    project.server._app._token = project.server.token = token  # pyright: ignore
    caplog.set_level(logging.DEBUG)
    connect(project, A, B, C)

    def echo(request: Request) -> Response | None:
        seen = {"message": f"Bad header {request.headers.get('authorization')}"}
        if request.path != GROUPS_PATH:
            return None
        status = {A: 404, B: 500}.get(request.integrated_account_id or "")
        return None if status is None else Response.of_json({**seen, "raw": seen}, status=status)

    project.server.intercept = echo
    results = [project.refresh()]
    project.server.intercept = lambda request: Response.of_json(
        {"message": f"Unknown token {token}"}, status=401
    )
    results.append(project.refresh())
    assert [result.success for result in results] == [False, False]

    told = [caplog.text]
    for run in project.instance.get_runs():
        told += [json.dumps(run.run_config), str(run.tags)]
        told += [str(entry) for entry in project.instance.all_logs(run.run_id)]
        told += [entry.to_json() for entry in project.instance.all_logs(run.run_id)]
    assert not [text for text in told if token in text]
    home = Path(project.instance.root_directory)
    files = [path for folder in (project.folder, home) for path in folder.rglob("*")]
    read = [path for path in files if path.is_file()]
    assert len(read) > 3
    assert not [path for path in read if token.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Staging, "forget"),
        (assets_module, "describe_fetch"),
        (assets_module, "describe_account"),
        (ProjectInstance, "_store_batch"),
    ],
    ids=["right after the commit", "before the first is told", "told in part", "being stored"],
)
def test_every_account_that_a_cancelled_run_has_published_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: Project, owner: Any, name: str
) -> None:
    ours = {"instance_class": {"module": ProjectInstance.__module__, "class": "ProjectInstance"}}
    with open_project(tmp_path, monkeypatch, dagster_yaml=ours, begin_with=listed) as project:
        function, signals = getattr(owner, name), []

        def interrupt(*args: Any, **options: Any) -> Any:
            if not signals and project.table("groups"):
                signals.append(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return function(*args, **options)

        monkeypatch.setattr(owner, name, interrupt)
        assert not project.refresh().success
        assert signals
        for asset in PARTITIONED:
            told = project.instance.get_materialized_partitions(dg.AssetKey(asset))
            assert told == {KEYS[A], KEYS[B], KEYS[C]}
        assert {row["outcome"] for row in project.table("account_syncs")} == {"published"}


# Processes.


def start_materialization(project: Project, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """`dagster asset materialize`, as a person types it."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "dagster", "asset", "materialize"]
    return subprocess.Popen(
        [*command, "-m", "truto_groups.definitions", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def open_home(project: Project, *keys: str) -> tuple[Path, dg.DagsterInstance]:
    home = project.folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    instance = dg.DagsterInstance.from_config(str(home))
    instance.add_dynamic_partitions("integrated_accounts", [KEYS[key] for key in keys])
    return home, instance


@pytest.mark.slow
def test_cancelling_a_run_keeps_what_was_published_touches_nothing_else_and_ends_within_10_s(
    project: Project,
) -> None:
    """Behaviour 2; C answers nothing for a minute.

    By SIGTERM, as Dagster cancels; cli/test_sync_command.py interrupts a program, as a person does.

    A signal that finds Dagster at work between two results leaves C's attempt as running, for
    Dagster closes no generator; the next run says of it that it was interrupted.
    """
    connect(project, A, B, C)
    project.publish(A, B, C)
    put(project, A, groups_of(4))
    put(project, B, groups_of(4))
    waiting: list[float] = []

    def intercept(request: Request) -> Response | None:
        if request.path != GROUPS_PATH or request.integrated_account_id != C:
            return None
        waiting.append(time.monotonic())
        return Response.of_json({"result": []}) if len(waiting) > 1 else Response(delay_seconds=60)

    project.server.intercept = intercept
    home, _ = open_home(project, A, B, C)
    process = start_materialization(
        project, home, "--select", "raw_groups", "--partition-range", f"{KEYS[A]}...{KEYS[C]}"
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(project.table("groups")) < 11:
            assert process.poll() is None, process.communicate()[0][-3000:]
            time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        took = time.monotonic() - began
    finally:
        process.kill()
    assert took < 10, output[-3000:]
    rows = project.table("groups")
    counts = {key: sum(row["integrated_account_id"] == key for row in rows) for key in (A, B, C)}
    assert counts == {A: 4, B: 4, C: 3}
    outcomes = read_outcomes(project)
    assert (outcomes[A][-1], outcomes[B][-1]) == ("published", "published")
    assert outcomes[C][0] == "published"
    assert outcomes[C][1:] in (["interrupted"], ["running"])
    project.server.intercept = None
    assert project.refresh().success
    assert read_outcomes(project)[C] == ["published", "interrupted", "unchanged"]


def read_outcomes(project: Project) -> dict[str, list[str]]:
    """How each account's attempts ended, the oldest first."""
    rows = sorted(project.table("account_syncs"), key=lambda row: row["started_at"])
    return {
        key: [row["outcome"] for row in rows if row["integrated_account_id"] == key]
        for key in (A, B, C)
    }


@pytest.mark.filterwarnings("ignore:Function `asset_materialize_command` is superseded")
def test_dagster_asset_materialize_works_with_a_partition_and_with_a_range(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, which has loaded Dagster; above, a program of its own is cancelled."""
    connect(project, A, B, C)
    home, instance = open_home(project, A, B, C)
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    def materialize(*partitions: str) -> set[str]:
        command = ["asset", "materialize", "-m", "truto_groups.definitions"]
        done = CliRunner().invoke(cli, [*command, "--select", "raw_groups", *partitions])
        assert done.exit_code == 0, done.output
        return {row["integrated_account_id"] for row in project.table("groups")}

    assert materialize("--partition", KEYS[B]) == {B}
    assert materialize("--partition-range", f"{KEYS[A]}...{KEYS[C]}") == {A, B, C}
    done = instance.get_materialized_partitions(dg.AssetKey("groups"))
    assert done == {KEYS[A], KEYS[B], KEYS[C]}
    assert sorted(DATA_TABLES) == sorted(read_data(project.database))


def test_a_path_of_remote_data_that_meets_nothing_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = project.folder / "paths.yaml"
    settings.write_text("defaults:\n  remote_data: [id, profile.nmae]\n")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(settings))
    connect(project, A)

    events = project.refresh().get_asset_materialization_events()

    (told,) = [
        event.step_materialization_data.materialization.metadata
        for event in events
        if event.asset_key == dg.AssetKey("groups")
    ]
    assert told["unmet_remote_data_paths"].value == "profile.nmae"
    assert "no group has profile.nmae" in capfd.readouterr().err


def shown(result: dg.ExecuteInProcessResult, asset: str, name: str, key: str | None = None) -> str:
    (found,) = [
        event.step_materialization_data.materialization.metadata[name]
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset) and event.partition == key
    ]
    return str(found.value)


def test_a_publication_says_what_it_changed_by_name_and_so_do_the_newest_changes(
    project: Project,
) -> None:
    """Without a name where an account's values are private, as B's are."""
    (project.folder / "workspace.yaml").touch()
    settings = project.folder / "truto_groups.yaml"
    settings.write_text(f"accounts: {{{B}: {{private_values: true}}}}\n")
    for key in (A, B):
        put(project, key, [group(0), group(1)])
    project.discover()
    first = project.refresh()
    for key, end in ((A, 150), (B, 120)):
        put(project, key, [group(0, name="Ops | *new*"), *(group(n) for n in range(100, end))])
    second = project.refresh()

    assert [shown(first, "groups", "what_changed", KEYS[key]) for key in (A, B)] == ["Nothing."] * 2
    assert shown(first, "group_changes", "newest_changes") == "Nothing changed yet."
    told = shown(second, "groups", "what_changed", KEYS[A])
    assert len(told) < 1000
    assert told.startswith("- renamed *Group 0* → *Ops \\| \\*new\\**\n- added *Group 100*\n")
    assert told.endswith(" more: the table `group_changes`")
    told = shown(second, "groups", "what_changed", KEYS[B])
    assert told == "22 groups; their names are private."

    newest = shown(second, "group_changes", "newest_changes").split("\n")
    links = {
        key: f"[{KEYS[key]}](/assets/groups?view=partitions&partition={KEYS[key]})"
        for key in (A, B)
    }
    of_a, of_b = ([line for line in newest if links[key] in line] for key in (A, B))
    assert [len(newest), len(of_a), len(of_b)] == [2 + 52 + 22, 52, 22]
    assert [line for line in of_a if "| removed *Group 1* |" in line]
    assert not [line for line in of_b if "Group" in line or "Ops" in line]


def test_a_listing_shows_who_needs_somebody_first_and_says_how_many_more_there_are(
    project: Project,
) -> None:
    for number in range(120):
        key = f"{number:08x}-0000-4000-8000-000000000001"
        status = "needs_reauth" if number == 77 else "active"
        put(project, key, groups_of(1), status=status)
    definition = project.definitions.resolve_implicit_global_asset_job_def()
    result = definition.execute_in_process(
        instance=project.instance, asset_selection=[dg.AssetKey("integrated_accounts")]
    )

    lines = shown(result, "integrated_accounts", "accounts").split("\n")
    accounts = sorted(project.table("integrated_accounts"), key=lambda row: row["id"])
    keys = [row["partition_key"] for row in accounts]
    linked = [f"| [{key}](/assets/groups?view=partitions&partition={key}) |" for key in keys]
    assert lines[2].startswith(linked[77])
    assert "not connected: Truto says needs\\_reauth." in lines[2]
    assert lines[3].startswith(linked[0])
    assert len([line for line in lines[2:] if line.startswith("|")]) == 100
    assert lines[-1].startswith("and 20 more: `truto-groups status`")
