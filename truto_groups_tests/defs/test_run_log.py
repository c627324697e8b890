"""What a run's log in Dagster says of how far it has come."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from truto_groups.report import run_progress
from truto_groups.report.run_progress import RunProgress
from truto_groups.sandbox import Request, Response, make_account
from truto_groups_tests.defs.project import Project, open_project
from truto_groups_tests.defs.served import ROOT
from truto_groups_tests.stand import GROUPS_PATH, A, B, groups_of


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with open_project(tmp_path, monkeypatch) as project:
        yield project


@pytest.mark.slow
def test_a_run_says_how_far_it_has_come_while_it_waits_and_what_it_did_at_its_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, count in ((A, 3), (B, 2)):
        project.server.put_account(make_account(key, groups_of(count)))
    project.discover()

    said = threading.Event()
    describe = RunProgress.describe

    def note(progress: RunProgress) -> str:
        if progress.ended:
            said.set()
        return describe(progress)

    def hold_up(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id == B:
            said.wait(60)
        return None

    # A person's pace, which report/test_run_progress.py holds, is too slow for a test.
    monkeypatch.setattr(run_progress, "SECONDS_BETWEEN_LINES", 1.0)
    monkeypatch.setattr(RunProgress, "describe", note)
    project.server.intercept = hold_up
    result = project.refresh()

    told = [entry.user_message for entry in project.instance.all_logs(result.run_id)]
    assert result.success
    line = [text for text in told if " to go; " in text][-1]
    assert line.startswith("1 of 2 accounts done, 0 failed, 1 to go; 3 groups, ")
    (summary,) = [text for text in told if text.startswith("2 accounts: ")]
    assert summary.startswith("2 accounts: 2 published. 5 groups in ")
    assert told.index(line) < told.index(summary)


def test_the_projects_own_instance_stores_what_a_step_says_of_its_progress() -> None:
    """Its level holds for the log of a step, and not for the loggers it names alone."""
    config = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))

    assert config["python_logs"]["python_log_level"] == logging.getLevelName(logging.INFO)
