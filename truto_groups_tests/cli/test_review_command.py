"""Marking what became privileged as reviewed, from the shell and by the job that the UI launches.

The sandbox, the database and the Dagster instance are real.
"""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.defs import dagster_internals
from truto_groups.runner.local_runs import FinishedRun, open_instance, review_here
from truto_groups_tests.stand import A, B, Stand, enter_project, group, open_stand

pytestmark = pytest.mark.long

CHECK = dg.AssetCheckKey(dg.AssetKey("groups"), "privileged_changes_are_reviewed")
KEY_A, KEY_B = "acme.okta.aaaaaaaa", "globex.jira.bbbbbbbb"


def named(number: int, name: str) -> dict[str, Any]:
    return {**group(number), "name": name}


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two accounts of two tenants, of each of which a group became privileged."""
    with open_stand(tmp_path_factory.mktemp("origin")) as stand:
        # Who reviews goes by the machine's clock.
        stand.now = datetime.now(UTC) - timedelta(minutes=2)
        for key, slug, tenant in ((A, "okta", "acme"), (B, "jira", "globex")):
            groups = [named(1, "Ops"), named(2, "Cooks")]
            stand.put(
                key, groups, [named(1, "Root"), groups[1]], integration=slug, tenant_id=tenant
            )
        stand.discover()
        for run_id in ("first", "second"):
            assert stand.outcomes(run_id=run_id) == {A: "published", B: "published"}
            stand.pass_time(minutes=1)
    return stand


@pytest.fixture(name="waiting")
def provide_waiting(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Stand
) -> Stand:
    """The same tables, which the test may change."""
    enter_project(stand, tmp_path, monkeypatch)
    stand.go_on_from(origin)
    return stand


def unreviewed(stand: Stand) -> list[str]:
    rows = stand.table("privileged_group_changes")
    return [row["integrated_account_id"] for row in rows if row["reviewed_at"] is None]


def last_verdict() -> bool:
    with open_instance(cwd=Path.cwd()) as instance:
        (summary,) = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [CHECK]
        ).values()
        evaluation = summary.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        return bool(evaluation.passed)


def test_what_waits_is_shown_with_what_to_type_and_that_marks_it(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["review"]) == 0
    out = capsys.readouterr().out
    assert out.count("\u201cOps\u201d was renamed to \u201cRoot\u201d (rule: root)") == 2
    assert len(unreviewed(waiting)) == 2

    assert main(["review", "--tenant", "acme"]) == 0
    typed = capsys.readouterr().out.splitlines()[-1]
    assert typed.startswith(f"  truto-groups review --account {KEY_A} --until 20")
    assert main([*shlex.split(typed.replace("…", "ticket 7"))[1:], "--by", "ann"]) == 0
    told = capsys.readouterr().out
    assert "Marked 1 change as reviewed.\n1 other change waits: truto-groups review\n" in told
    (row,) = [row for row in waiting.table("privileged_group_changes") if row["reviewed_at"]]
    assert (row["integrated_account_id"], row["tenant_id"]) == (A, "acme")
    assert (row["reviewed_by"], row["review_reason"]) == ("ann", "ticket 7")
    assert not last_verdict()

    assert main(["review", "--integration", "jira", "--reason", "seen"]) == 0
    assert unreviewed(waiting) == []
    assert last_verdict()
    capsys.readouterr()
    assert main(["review"]) == 0
    assert "No group that became privileged waits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--reason", "right"], "Name what was reviewed"),
        (["--account", "deadbeef", "--reason", "right"], "deadbeef: no such account"),
        (["--tenant", "acne", "--reason", "right"], "acne: no account of such a tenant"),
        (["--account", KEY_A, "--until", "2001-01-01", "--reason", "right"], None),
        (["--until", "yesterday"], "'yesterday' is no instant"),
    ],
    ids=["nothing named", "no account", "no tenant", "nothing so old", "no instant"],
)
def test_what_is_no_review_is_refused_and_marks_nothing(
    waiting: Stand, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str | None
) -> None:
    capsys.readouterr()
    assert main(["review", *arguments]) in (1, 2)
    if told is not None:
        assert told in capsys.readouterr().err
    assert len(unreviewed(waiting)) == 2


def launch(config: dict[str, Any]) -> FinishedRun:
    with open_instance(cwd=Path.cwd()) as instance:
        return review_here(build_definitions(), instance, config, tags={})


def test_the_job_refuses_what_says_too_little_and_takes_what_the_check_shows(
    waiting: Stand,
) -> None:
    good = {"integrated_account_ids": [KEY_A, KEY_B[:14]], "reason": "seen", "reviewed_by": "ann"}
    for odd, told in (
        ({"integrated_account_ids": []}, "Neither accounts, tenants nor integrations"),
        ({"until": "2001-01-01"}, "Nothing of the named accounts waits"),
    ):
        run = launch({**good, **odd})
        assert not run.is_success
        assert told in run.problem
    assert len(unreviewed(waiting)) == 2
    run = launch(good)
    assert run.is_success
    assert [(one.name, one.is_passed) for one in run.verdicts] == [
        ("privileged_changes_are_reviewed", True)
    ]
    assert unreviewed(waiting) == []


def test_the_link_of_what_still_waits_leads_to_the_code_location_of_the_job(
    waiting: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dagster_internals, "_COMMAND_LOCATION", "of_my_own")
    run = launch({"integrated_account_ids": [KEY_A], "reason": "seen", "reviewed_by": "ann"})
    assert run.is_success
    assert unreviewed(waiting) == [B]
    with open_instance(cwd=Path.cwd()) as instance:
        latest = dagster_internals.read_latest_check(instance, CHECK)
    assert latest is not None
    assert "](/locations/__repository__@of_my_own/jobs/" in (latest[1].description or "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("reason", " ", "must be filled in"),
        ("reviewed_by", "", "must be filled in"),
        ("until", "soon", "'soon' is no instant"),
        ("reason", None, 'Expected "a reason that is not blank"'),
    ],
)
def test_what_is_wrong_in_the_launchpad_is_refused_before_there_is_a_run(
    waiting: Stand, name: str, value: str | None, told: str
) -> None:
    config = {"integrated_account_ids": [KEY_A], "reason": "r", "reviewed_by": "ann", name: value}
    with (
        open_instance(cwd=Path.cwd()) as instance,
        pytest.raises(dg.DagsterInvalidConfigError, match=rf"(?s)config:{name}.*{told}"),
    ):
        review_here(build_definitions(), instance, config, tags={})
    with open_instance(cwd=Path.cwd()) as instance:
        assert not instance.get_runs(dg.RunsFilter(job_name="mark_privileged_changes_reviewed"))
    assert len(unreviewed(waiting)) == 2
