"""``truto-groups status --ready``, as a probe calls it.

Real: the command, the variables, the database; the sandbox counts what is asked of it.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from truto_groups.cli import main
from truto_groups.runner.readiness import find_readiness
from truto_groups.schema import SCHEMA_VERSION
from truto_groups_tests.stand import A, B, Stand, enter_project, groups_of

PROBE = ["status", "--ready"]


@pytest.fixture(name="listed")
def provide_listed(stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    """A database whose accounts were listed just now."""
    enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, groups_of(2))
    stand.now = datetime.now(UTC)
    stand.discover()
    return stand


def probe(capsys: pytest.CaptureFixture[str]) -> str:
    """What the probe says of a process that could not work; in one line."""
    assert main(PROBE) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def let_the_listing_age(stand: Stand) -> None:
    stand.write(
        "UPDATE database_properties SET value = $at::TIMESTAMPTZ::VARCHAR "
        "WHERE name = 'last_listed_at'",
        at=stand.now - timedelta(hours=2),
    )


def test_a_process_that_could_work_is_ready_and_asks_truto_nothing(
    listed: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(listed.server.requests)

    assert main(PROBE) == 0

    out, err = capsys.readouterr()
    assert out.startswith("Ready. Accounts were last listed ")
    assert (len(out.splitlines()), err) == (1, "")
    assert len(listed.server.requests) == before


def test_a_listing_older_than_an_hour_is_not_ready(
    listed: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    let_the_listing_age(listed)

    line = probe(capsys)

    assert "last listed 2 h ago" in line
    assert "discover_integrated_accounts" in line


def test_an_account_that_a_run_looked_up_is_no_listing(
    listed: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    let_the_listing_age(listed)
    listed.put(B, groups_of(1))
    assert listed.outcomes(B) == {B: "published"}

    assert "last listed 2 h ago" in probe(capsys)


def test_an_environment_without_an_account_is_ready_once_it_was_listed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enter_project(stand, tmp_path, monkeypatch)
    stand.now = datetime.now(UTC)
    stand.discover()

    assert main(PROBE) == 0


def test_before_the_first_listing_it_is_not_ready(
    listed: Stand, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(listed.folder / "none.duckdb"))
    assert "There is no database at" in probe(capsys)

    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", listed.database.location)
    listed.write("DELETE FROM database_properties WHERE name = 'last_listed_at'")
    assert "Accounts were never listed yet." in probe(capsys)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("TRUTO_API_TOKEN", "", "TRUTO_API_TOKEN is not set"),
        ("TRUTO_GROUPS_SETTINGS", "absent.yaml", "absent.yaml"),
        ("TRUTO_BASE_URL", "http://example.com", "TRUTO_BASE_URL"),
        ("TMPDIR", "/nowhere", "no temporary file can be made"),
    ],
)
def test_what_hinders_is_told_in_a_line(
    listed: Stand,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(variable, value)

    assert told in probe(capsys)


def test_tables_of_a_later_version_are_not_ready(
    listed: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.write(
        "UPDATE database_properties SET value = $newer WHERE name = 'schema_version'",
        newer=str(SCHEMA_VERSION + 1),
    )

    assert "Install the truto-groups that wrote it" in probe(capsys)


@pytest.mark.slow
def test_a_database_that_is_held_is_told_before_the_probe_is_ended(
    listed: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    with listed.database.coordination.turn(is_alone=True), ThreadPoolExecutor() as others:
        assert "is held by another run of ours" in others.submit(probe, capsys).result(timeout=20)


def test_what_hangs_is_told_before_the_probe_is_ended(
    listed: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(pipe))
    with ThreadPoolExecutor() as others:
        asked = others.submit(find_readiness, cwd=tmp_path, longest_seconds=0.5)
        try:
            found = asked.result(timeout=10)
        finally:
            pipe.write_text("")
    assert not found.is_ready
    assert "did not answer within 0.5 s" in found.told


def test_the_probe_stands_alone(listed: Stand) -> None:
    for other in (["--json"], ["--watch"], ["--account", A]):
        assert main([*PROBE, *other]) == 2


@pytest.mark.long
def test_the_probe_imports_nothing_that_is_slow_and_that_it_does_not_need(listed: Stand) -> None:
    program = (
        "import sys\n"
        "from truto_groups.cli import main\n"
        "assert main(['status', '--ready']) == 0\n"
        "assert not {'dagster', 'httpx', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert 'truto_groups.report.needs' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=listed.folder, check=True)
