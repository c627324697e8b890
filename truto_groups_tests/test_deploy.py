"""What deploy/ holds works: the units are systemd's, the backup loads again. Nothing is faked."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import A, Stand, groups_of

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
INSTALLED = "/opt/truto-groups"


def verify(folder: Path, *, ours: Path) -> list[str]:
    """What systemd says of the units, as they would be with everything installed in a folder."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(INSTALLED, str(ours))
        (folder / unit.name).write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in told.stderr.splitlines() if "truto-groups" in line]


@pytest.fixture(name="installed")
def provide_installed(tmp_path: Path) -> Path:
    """A folder that looks like the installed one; its path is as short as a unit's may be."""
    programs = tmp_path / "installed" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("dagster-daemon", "dagster-webserver", "python"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    return tmp_path / "installed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, installed: Path) -> None:
    assert len(UNITS) == 4
    assert verify(tmp_path, ours=installed) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_names_a_program_that_is_not_there(tmp_path: Path) -> None:
    told = verify(tmp_path, ours=tmp_path / "nowhere")

    assert any("nowhere/.venv/bin/dagster-daemon is not executable" in line for line in told)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_unit_is_named_in_the_document(unit: Path) -> None:
    assert unit.name in (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def test_daemon_and_webserver_share_history_and_tables() -> None:
    shared = [
        set(re.findall(r"^(?:Environment|User|WorkingDirectory).*", path.read_text(), re.MULTILINE))
        for path in UNITS
        if path.name.endswith(("daemon.service", "webserver.service"))
    ]

    assert shared[0] == shared[1]
    assert any("DAGSTER_HOME" in line for line in shared[0])


def test_a_backup_taken_while_somebody_writes_loads_again_whole(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.put(A, groups_of(3), groups_of(5))
    stand.discover()
    stand.sync()
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    back_up = runpy.run_path(str(ROOT / "deploy" / "backup.py"))["back_up"]
    folder = tmp_path / "o'clock"
    for day in range(1, 17):
        (folder / f"2025-01-{day:02}").mkdir(parents=True)

    with stand.database.writing() as connection:
        connection.execute("DELETE FROM groups").fetchall()
        found = back_up(folder)

    assert len(list(folder.iterdir())) == 14
    restored = tmp_path / "restored.duckdb"
    with duckdb.connect(str(restored)) as connection:
        connection.execute(f"IMPORT DATABASE '{str(found).replace(chr(39), chr(39) * 2)}'")
    stand.database = Database(str(restored))
    assert len(stand.table("groups")) == 3
    assert stand.outcomes() == {A: "published"}
    assert len(stand.rows("SELECT * FROM groups_as_of(now())")) == 5
    assert stand.rows("SELECT * FROM account_drift WHERE severity = 'breaking'") == []
