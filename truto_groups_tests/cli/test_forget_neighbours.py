"""Forgetting accounts leaves alone what only looks like theirs, or lies between them.

The sandbox, the database and the Dagster instance are real.
"""

import errno
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.defs.forget_in_history import Scrubbed
from truto_groups.defs.history import PARTITIONED
from truto_groups.defs.partitions import remove_partitions
from truto_groups.runner import forgetting
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
KEY_OF_A = "alpha.okta.aaaaaaaa"
KEY_OF_B = "beta.okta.bbbbbbbb"


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


def count_orphaned_tags(project: Path) -> int:
    """Tags of events that are gone, which an event that gets such a number would take up."""
    with closing(sqlite3.connect(project / ".dagster" / "history" / "runs" / "index.db")) as one:
        ((count,),) = one.execute(
            "SELECT count(*) FROM asset_event_tags "
            "WHERE event_id NOT IN (SELECT id FROM event_logs)"
        ).fetchall()
    return count


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
        assert read_events(project, "(forgotten)") == []
        assert count_orphaned_tags(project) == 0


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
            patch.setattr("truto_groups.defs.forget_in_history._scrub", die)
            assert forget("--account", A, C, "--yes") == 130
        assert forget("--account", A, C, "--yes") == 0
    with open_instance(cwd=project) as instance:
        for asset in PARTITIONED:
            assert instance.get_materialized_partitions(asset) == {"beta.okta.bbbbbbbb"}


@pytest.mark.slow
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


@pytest.mark.slow
def test_of_a_run_over_many_only_what_is_about_others_is_left(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names too short to be looked for go with the line, and the table, that names the account."""
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, [group(1, "Zqx")], [group(1, "Zqy Admin")], integration="okta", tenant_id="alpha")
    stand.put(B, groups_of(4), groups_of(5), integration="okta", tenant_id="beta")
    index = project / ".dagster" / "history" / "runs" / "index.db"
    with quick_history():
        assert main(["sync"]) == 0
        assert main(["sync", "--all"]) == 0
        assert read_events(project, "Zqx")
        job = build_definitions().resolve_job_def("evaluate_checks")
        with open_instance(cwd=project) as instance:
            run = instance.create_run_for_job(job, tags={"asked": f"by hand for {A[:8]}"})
            instance.report_run_canceled(run)
            told = dg.EventLogEntry(
                error_info=None, level="info", user_message=f"Syncing {KEY_OF_A}, Zqx",
                run_id=run.run_id, timestamp=0.0, step_key=None, job_name=run.job_name,
                dagster_event=None,
            )  # fmt: skip
            instance.event_log_storage.store_event(told)
        # The newest events are those of a run of its own, which goes whole.
        assert main(["sync", "--account", A]) == 0
        with closing(sqlite3.connect(index)) as one:
            ((last, at),) = one.execute("SELECT max(id), max(timestamp) FROM event_logs").fetchall()
        assert forget("--account", A, "--yes") == 0
    events = read_events(project, "")
    assert [one for one in events if "Zqx" in one or "Zqy" in one] == []
    assert [one for one in events if "(forgotten)" in one and '"dagster_event": null' in one] == []
    assert [one for one in events if KEY_OF_B in one]
    with open_instance(cwd=project) as instance:
        tags = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))[0].dagster_run.tags
    assert tags["asked"] == "by hand for (forgotten)"
    assert count_orphaned_tags(project) == 0
    with closing(sqlite3.connect(index)) as one:
        # A number that was given once is not given again: sensors would take the event for seen.
        after = one.execute("SELECT max(timestamp) FROM event_logs WHERE id <= ?", [last])
        assert after.fetchall()[0][0] <= at


def test_words_of_dagsters_own_are_left_in_its_history(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group may be called like a class by which events are read."""
    project = enter_project(stand, tmp_path, monkeypatch)
    odd = [group(1, "DagsterEvent"), group(2, "EventLogEntry"), group(3, "refresh_groups")]
    stand.put(A, odd, integration="okta", tenant_id="acme")
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    with quick_history():
        assert main(["sync"]) == 0
        assert forget("--account", A, "--yes") == 0
        assert read_events(project, "beta.okta.bbbbbbbb")
        with open_instance(cwd=project) as instance:
            names = {record.dagster_run.job_name for record in instance.get_run_records()}
        assert "refresh_groups" in names


def test_what_is_printed_of_a_label_goes_and_folders_at_work_stay(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(
        A, groups_of(2), integration="okta", tenant_id="acme", context={"label": "Ganymede EU"}
    )
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    temporary = tmp_path / "temporary"
    at_work, abandoned = (temporary / f"truto-groups-{pid}-x" for pid in (os.getpid(), 99999999))
    long_ago = time.time() - 7200
    with quick_history():
        assert main(["sync"]) == 0
        log = project / ".dagster" / "storage" / "run" / "compute_logs" / "step.out"
        log.parent.mkdir(parents=True)
        log.write_text("before Ganymede EU after\n")
        tick = project / ".dagster" / "storage" / "__repository__" / "report_failures" / "17.err"
        tick.parent.mkdir(parents=True)
        tick.write_text("acme.okta.aaaaaaaa failed\n")
        for folder in (at_work, abandoned):
            folder.mkdir()
            os.utime(folder, (long_ago, long_ago))
        assert forget("--account", A, "--yes") == 0
    assert log.read_text() == "before *********** after\n"
    assert tick.read_text() == "****************** failed\n"
    assert at_work.exists()
    assert not abandoned.exists()


def test_what_is_left_in_the_history_is_told(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A daemon may write while it is searched; compressed, no search of bytes would find it."""
    enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
    with quick_history():
        assert main(["sync"]) == 0
        with monkeypatch.context() as patch:
            patch.setattr(forgetting, "forget_in_history", lambda *_: Scrubbed())
            assert forget("--account", A, "--yes", "--certificate", "certificate.json") == 1
        certificate = json.loads(Path("certificate.json").read_text())
        places = {one["where"].rpartition(": ")[2] for one in certificate["remains"]}
        assert {"event_logs", "runs", "run_tags", "dynamic_partitions"} <= places
        assert forget("--account", A, "--yes") == 0


def test_an_account_that_was_removed_without_groups_is_forgotten_by_the_key_that_it_had(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the tables tells its tenant; Dagster's events do."""
    project = enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, [], integration="okta", tenant_id="Ganymede Ltd.")
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    with quick_history():
        assert main(["sync"]) == 0
        stand.write("DELETE FROM integrated_accounts WHERE id = $id", id=A)
        with open_instance(cwd=project) as instance:
            remove_partitions(instance, ["Ganymede-Ltd.okta.aaaaaaaa"])
        assert forget("--account", A[:8], "--certificate", "certificate.json") == 0
        (told,) = json.loads(Path("certificate.json").read_text())["accounts"]
        assert told == {"id": A, "partition_key": "Ganymede-Ltd.okta.aaaaaaaa"}
        assert read_events(project, "Ganymede") == []
        with open_instance(cwd=project) as instance:
            for asset in PARTITIONED:
                assert instance.get_materialized_partitions(asset) == {"beta.okta.bbbbbbbb"}


@pytest.mark.slow
def test_a_certificate_whose_folder_is_gone_is_printed_and_keeps_nobody_from_being_forgotten(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each certificate of a call is told with its own place."""
    enter_project(stand, tmp_path, monkeypatch)
    for account, tenant in ((A, "alpha"), (B, "beta"), (C, "gamma")):
        stand.put(account, groups_of(2), integration="okta", tenant_id=tenant)
    folder = tmp_path / "certificates"
    folder.mkdir()
    with quick_history():
        assert main(["sync"]) == 0

        def begin(account: str, certificate: str) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(forgetting, "forget_in_history", interrupt)
                assert forget("--account", account, "--yes", "--certificate", certificate) == 130
            capsys.readouterr()

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        begin(A, str(folder / "a.md"))
        folder.rmdir()
        assert forget("--account", B, "--yes", "--certificate", "b.md") == 1
        told = capsys.readouterr()
        assert "alpha.okta.aaaaaaaa" in told.out
        assert "a.md: No such file or directory" in " ".join(told.err.split())
        assert "beta.okta.bbbbbbbb" in Path("b.md").read_text()
        assert [row["id"] for row in stand.table("integrated_accounts")] == [C]

        stand.put(A, groups_of(2), integration="okta", tenant_id="alpha")
        assert main(["sync", "--account", A]) == 0
        begin(A, "a.md")
        assert forget("--account", C, "--yes", "--certificate", "c.md") == 0
        said = " ".join(capsys.readouterr().out.split())
        assert f"The certificate is {Path('a.md').absolute()}." in said
        assert f"The certificate is {Path('c.md').absolute()}." in said
