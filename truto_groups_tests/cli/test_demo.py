"""The demo, as a newcomer runs it: ``make demo`` without make, twice."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from truto_groups.cli.demo import describe_change

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


def run_demo(project: Path, *, port: int) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "truto_groups.cli", "sandbox", "--port", str(port)]
    return subprocess.run(
        [*call, "--", sys.executable, "-m", "truto_groups.cli.demo"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demo_publishes_every_active_account_and_then_shows_what_changed(
    tmp_path: Path,
) -> None:
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    # What is the person's own must not leak into the sandbox.
    (tmp_path / ".env").write_text("TRUTO_API_TOKEN=\nTRUTO_GROUPS_DATABASE=data/mine.duckdb\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    first = run_demo(tmp_path, port=port)
    second = run_demo(tmp_path, port=port)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "time passes in the sandbox: see what changes" in first.stdout
    assert "nothing more happens in the sandbox" in second.stdout
    assert f"The tables are in data/sandbox-{port}.duckdb." in first.stdout
    command = re.search(r"^  TRUTO_GROUPS_DATABASE=.*\\\n.*$", first.stdout, re.MULTILINE)
    assert command is not None
    pasted = subprocess.run(
        ["sh", "-c", command[0]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rows x 16 columns" in pasted.stdout
    assert "19 accounts: 19 published." in first.stdout
    assert (
        "19 to keep in sync, 1 to be reconnected (initech.onelogin.d4f5a8b0 "
        "(initech onelogin)), "
        "1 without groups (acme.zendesk.f8d41637 (acme zendesk))." in first.stdout
    )
    assert "acme.launchdarkly.816dafc0" in second.stdout.partition("no_unaccepted_drift")[2]
    assert "group_changes" not in first.stdout
    for told in ("Platform", "department", "every_account_is_fresh", "make ui", "TRUTO_API_TOKEN"):
        assert told in first.stdout
    assert "19 accounts: 4 published, 15 unchanged." in second.stdout
    assert "renamed from 'Platform'" in second.stdout
    assert re.search(r"okta +removed +Contractors", second.stdout)
    assert first.stderr == second.stderr == f"Sandbox of Truto at http://127.0.0.1:{port}.\n"
    assert not (tmp_path / "data" / "mine.duckdb").exists()


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
