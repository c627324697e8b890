"""Forgetting accounts leaves alone what only looks like theirs, or lies between them.

The sandbox, the database and the Dagster instance are real.
"""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from truto_groups.cli import main
from truto_groups.defs.history import PARTITIONED
from truto_groups.runner.local_runs import open_instance
from truto_groups.warehouse.database import Database
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import A, B, C, Stand, enter_project, group, groups_of

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def have_a_temporary_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are searched, also those of tests that run beside."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))


LONGER = f"{A}9"
KEY_OF_LONGER = "acme-eu.okta.aaaaaaaa"


def forget(*arguments: str) -> int:
    return main(["forget", "--reason", "they left", *arguments])


def read_events(project: Path, *names: str) -> list[str]:
    with open_instance(cwd=project) as instance:
        return sorted(
            entry.to_json()
            for record in instance.get_run_records()
            for entry in instance.all_logs(record.dagster_run.run_id)
            if any(name in entry.to_json() for name in names)
        )


def test_an_account_whose_names_begin_like_anothers_leaves_the_other_alone(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
    stand.put(LONGER, groups_of(4), integration="okta", tenant_id="acme-eu")
    with quick_history():
        assert main(["sync", "--account", A]) == 0
        assert main(["sync", "--account", LONGER]) == 0
    rows = stand.table("groups", account=LONGER)
    before = [one for one in read_events(project, KEY_OF_LONGER) if "ASSET_CHECK" not in one]
    assert forget("--tenant", "acme", "--yes") == 0
    assert stand.table("groups", account=LONGER) == rows
    assert stand.table("groups", account=A) == []
    after = read_events(project, KEY_OF_LONGER)
    assert [one for one in before if one not in after] == []
    with open_instance(cwd=project) as instance:
        for asset in PARTITIONED:
            assert instance.get_materialized_partitions(asset) == {KEY_OF_LONGER}
        assert not [one for one in read_events(project, "(forgotten)")]


def test_an_account_between_two_that_are_forgotten_keeps_its_run(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partition's materialization is in a run whose range begins and ends with theirs."""
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, groups_of(3), integration="okta", tenant_id="alpha")
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    stand.put(C, groups_of(4), integration="okta", tenant_id="gamma")
    with quick_history():
        assert main(["sync"]) == 0

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("truto_groups.defs.forgetting._scrub", die)
            assert forget("--account", A, C, "--yes") == 130
        assert forget("--account", A, C, "--yes") == 0
    with open_instance(cwd=project) as instance:
        for asset in PARTITIONED:
            assert instance.get_materialized_partitions(asset) == {"beta.okta.bbbbbbbb"}


def test_what_lies_in_dagsters_folder_and_is_not_dagsters_stays_whole(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the project's folder as Dagster's home: the database, its journals, the settings."""
    stand.database = Database(str(tmp_path / "project" / "groups.duckdb"))
    project = enter_project(stand, tmp_path, monkeypatch)
    monkeypatch.setenv("DAGSTER_HOME", str(project))
    settings = project / "truto_groups.yaml"
    settings.write_text("accounts:\n  acme.okta.aaaaaaaa:\n    skip: true\n")
    stand.put(A, [group(1, "Ganymede Board")], integration="okta", tenant_id="acme")
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    with quick_history():
        assert main(["sync"]) == 0
        monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(settings))
        stand.write("CREATE TABLE theirs AS SELECT id, name FROM groups")
        (project / "notes.txt").write_text("Ganymede Board of acme.okta.aaaaaaaa")
        code = forget("--account", A)
        assert stand.rows("SELECT name FROM theirs WHERE name LIKE 'Gany%'") == [
            ("Ganymede Board",)
        ]
        assert "acme.okta.aaaaaaaa" in settings.read_text()
        assert "Ganymede" in (project / "notes.txt").read_text()
        assert code == 1
        (project / "notes.txt").unlink()
        assert forget("--account", A) == 0
        assert main(["sync", "--account", B]) == 0


def test_a_folder_that_cannot_be_looked_into_is_told_and_one_behind_a_link_is_searched(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, [group(1, "Ganymede Board")], integration="okta", tenant_id="acme")
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    with quick_history():
        assert main(["sync"]) == 0
        closed, behind = project / ".dagster" / "closed", tmp_path / "behind"
        closed.mkdir()
        behind.mkdir()
        (project / ".dagster" / "storage" / "link").symlink_to(behind)
        (behind / "itself").symlink_to(behind)
        (behind / "kept").write_text("Ganymede Board")
        list_folder = Path.iterdir

        def refuse(path: Path) -> Iterator[Path]:
            if path == closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return list_folder(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "iterdir", refuse)
            assert forget("--account", A, "--yes", "--certificate", "certificate.json") == 1
        certificate = json.loads(Path("certificate.json").read_text())
        told = {Path(one["where"]).name: one["note"] for one in certificate["remains"]}
        assert set(told) == {"closed", "kept"}
        assert "cannot be read: Permission denied" in told["closed"]
        (behind / "kept").unlink()
        assert forget("--account", A, "--yes") == 0


def test_a_journal_that_cannot_be_understood_is_not_thrown_away(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another version's: the rows that told whom it was about may be gone already."""
    enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
    with quick_history():
        assert main(["sync"]) == 0
        journal = Path(f"{stand.database.location}.forgetting")
        for text in ('{"asked": [["x"], []], "of a later version": 1}', '{"asked"'):
            journal.write_text(text)
            assert forget("--account", A, "--yes") == 2
            assert journal.read_text() == text
            assert "another version" in capsys.readouterr().err.replace("\n", " ")
        assert len(stand.table("groups", account=A)) == 3
        journal.unlink()
        assert forget("--account", A, "--yes") == 0
