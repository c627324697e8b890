"""The demo, as a newcomer runs it: ``make demo`` without make, twice.

The week is replayed in this process, the day after it by the command.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from truto_groups.cli import demo
from truto_groups.cli.demo_tables import describe_change
from truto_groups.runner.sandbox_place import prepare_place, serving
from truto_groups.warehouse.database import Database
from truto_groups_tests.cli.pseudo_terminal import Terminal
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import read_rows

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Week:
    """A project in which the demo has replayed its week, and what it printed."""

    project: Path
    port: int
    told: str


@pytest.fixture(name="week")
def provide_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Week:
    """The demo in this process, where the history of a week is a third of the work."""
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    # What is the person's own must not leak into the sandbox.
    (tmp_path / ".env").write_text("TRUTO_API_TOKEN=\nTRUTO_GROUPS_DATABASE=data/mine.duckdb\n")
    monkeypatch.chdir(tmp_path)
    place = prepare_place(find_free_port(), cwd=tmp_path)
    with monkeypatch.context() as patch, serving(place), quick_history():
        for name, value in place.variables.items():
            patch.setenv(name, value)
        assert demo.main() == 0
        told = capsys.readouterr()
        assert told.err == ""
        assert demo.main(["--week-only"]) == 0
        assert capsys.readouterr().out == ""
    return Week(tmp_path, place.port, told.out)


@pytest.mark.slow
def test_the_demo_replays_a_week_publishes_every_active_account_and_then_lets_a_day_pass(
    week: Week,
) -> None:
    first, port, project = week.told, week.port, week.project
    check_the_week(first, Database(str(project / "data" / f"sandbox-{port}.duckdb")))
    assert "━" not in first
    assert "another day passes in the sandbox: see what changes" in first
    assert f"The tables are in data/sandbox-{port}.duckdb." in first
    assert "19 accounts: 1 published, 18 unchanged." in first
    assert (
        "19 to keep in sync, 1 to be reconnected (initech.onelogin.d4f5a8b0 "
        "(initech onelogin)), "
        "1 without groups (acme.zendesk.f8d41637 (acme zendesk))." in first
    )
    assert "acme.launchdarkly.816dafc0" in first.partition("no_unaccepted_drift")[2]
    for told in ("Platform", "department", "every_account_is_fresh", "make ui", "TRUTO_API_TOKEN"):
        assert told in first

    command = [sys.executable, "-m", "truto_groups.cli.demo"]
    terminal = Terminal("sandbox", "--port", str(port), "--", *command, cwd=project, columns=200)
    assert terminal.end() == 0, terminal.written
    assert "━" in terminal.written
    second = ESCAPE.sub("", terminal.written)
    assert f"Sandbox of Truto at http://127.0.0.1:{port}." in second
    assert "nothing more happens in the sandbox" in second
    assert "19 accounts: 2 published, 17 unchanged." in second
    assert "renamed from 'Ops'" in second
    assert re.search(r"slack +removed +Interns 2023", second)
    assert not (project / "data" / "mine.duckdb").exists()

    pasted = re.search(r"^  TRUTO_GROUPS_DATABASE=.*\\\n.*$", first, re.MULTILINE)
    assert pasted is not None
    read = subprocess.run(
        ["sh", "-c", pasted[0]],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rows x 16 columns" in read.stdout


def check_the_week(told: str, database: Database) -> None:
    """Each day has its line and its changes; what was held back is accepted."""
    lines = re.findall(r"^\w{3} \d\d \w{3}: .*$", told, re.MULTILINE)
    expected = (
        "20 accounts: 20 published.",
        "21 accounts: 2 published, 19 unchanged.",
        "Held back: acme.jira.1a9c3e5f.",
        "Demo accepts what was held back of acme.jira.1a9c3e5f.",
        "19 accounts: 1 published, 18 unchanged.",
        "19 accounts: 2 published, 17 unchanged.",
        "19 accounts: 1 published, 18 unchanged.",
    )
    assert len(lines) == len(expected)
    for line, what in zip(lines, expected, strict=True):
        assert what in line
    by_day = "SELECT changed_at::DATE AS day, count(*) FROM group_changes GROUP BY day ORDER BY day"
    assert [count for _, count in read_rows(database, by_day)] == [3, 1, 56, 13, 30, 1]
    assert re.search(r"gitlab\S+ +a lost permission hides: created_at, description,", told)
    jira = (
        "SELECT count(*) FROM groups_as_of(now()::TIMESTAMPTZ - to_hours(24 * $days + 12)) "
        "WHERE integration = 'jira'"
    )
    before = [read_rows(database, jira, days=days)[0][0] for days in range(7)]
    assert before == [6, 6, 6, 62, 62, 62, 0]
    gone = "SELECT partition_key FROM integrated_accounts WHERE gone_at IS NOT NULL"
    assert read_rows(database, gone) == [("initech.fivetran.07e1c3a5",)]
    accepted = "SELECT accepted_by, reason FROM accepted_baselines"
    assert read_rows(database, accepted) == [
        ("demo", "acme's IT moved the roles of its projects out of Jira")
    ]


@pytest.mark.parametrize(
    ("change", "fields", "hint", "told"),
    [
        ("added", '{"name": [null, "A"]}', None, ""),
        ("changed", '{"name": ["A", "B"]}', "renamed", "renamed from 'A'"),
        ("changed", '{"description": [null, "B"]}', None, "description: None → 'B'"),
        ("changed", '{"a": [1, 2], "b": [1, 2], "c": [1, 2]}', None, "a, b, c"),
    ],
    ids=["added", "renamed", "one field", "many fields"],
)
def test_a_change_is_told_in_a_few_words(
    change: str, fields: str, hint: str | None, told: str
) -> None:
    assert describe_change(change, fields, hint=hint) == told
