"""Forgetting accounts leaves alone what only looks like theirs, or lies between them.

The sandbox, the database and the Dagster instance are real.
"""

import errno
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.defs.forget_in_history import Scrubbed
from truto_groups.defs.history import PARTITIONED
from truto_groups.defs.partitions import remove_partitions
from truto_groups.runner import forget_accounts
from truto_groups.runner.local_runs import open_instance
from truto_groups.warehouse.database import Database
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import (
    A,
    B,
    C,
    D,
    Row,
    Stand,
    enter_project,
    go_on_in_project,
    group,
    groups_of,
    open_stand,
)

pytestmark = pytest.mark.long

LONGER = f"{A}9"
KEY_OF_A = "alpha.okta.aaaaaaaa"
KEY_OF_LONGER = "alpha-eu.okta.aaaaaaaa"
KEY_OF_B = "beta.okta.bbbbbbbb"
KEY_OF_C = "gamma.okta.cccccccc"
KEY_OF_D = "Ganymede-Ltd.okta.dddddddd"


@pytest.fixture(autouse=True)
def have_a_temporary_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are searched, also those of tests that run beside."""
    use_temporary_folder(tmp_path, monkeypatch)


def use_temporary_folder(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    temporary = folder / "temporary"
    temporary.mkdir()
    patch.setattr("tempfile.tempdir", str(temporary))
    return temporary


@dataclass
class Site:
    """A project, the stand that it is filled from, and a temporary folder of their own."""

    stand: Stand
    project: Path
    temporary: Path
    patch: pytest.MonkeyPatch


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        temporary = use_temporary_folder(folder, patch)
        yield Site(stand, enter_project(stand, folder, patch), temporary, patch)


def connect(stand: Stand) -> None:
    """One that is forgotten, some that are others', and one without groups."""
    label = {"label": "Ganymede EU"}
    # Groups may be called like classes by which Dagster reads its events.
    names = ["Ganymede Board", "DagsterEvent", "EventLogEntry", "refresh_groups"]
    groups = [group(number, name) for number, name in enumerate(names)]
    stand.put(A, groups, integration="okta", tenant_id="alpha", context=label)
    stand.put(B, groups_of(4), integration="okta", tenant_id="beta")
    stand.put(C, groups_of(2), integration="okta", tenant_id="gamma")
    stand.put(D, [], integration="okta", tenant_id="Ganymede Ltd.")


@pytest.fixture(name="kept", scope="module")
def provide_kept(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A history in which one run covers all but one account, whose names begin like another's."""
    with open_site(tmp_path_factory.mktemp("kept")) as site:
        connect(site.stand)
        assert main(["sync"]) == 0
        site.stand.put(LONGER, groups_of(4), integration="okta", tenant_id="alpha-eu")
        assert main(["sync", "--account", LONGER]) == 0
    return site


@contextmanager
def going_on(folder: Path, kept: Site) -> Iterator[Site]:
    """A site of one's own with that history."""
    with open_site(folder) as site:
        other, project = kept.stand, kept.project
        go_on_in_project(site.stand, site.project, other=other, other_project=project)
        connect(site.stand)
        site.stand.put(LONGER, groups_of(4), integration="okta", tenant_id="alpha-eu")
        yield site


@pytest.fixture(name="site")
def provide_site(tmp_path_factory: pytest.TempPathFactory, kept: Site) -> Iterator[Site]:
    with going_on(tmp_path_factory.mktemp("site"), kept) as site:
        yield site


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


def materialized(site: Site) -> set[str]:
    """The partitions that Dagster shows as materialized, which are those of each asset."""
    with open_instance(cwd=site.project) as instance:
        (keys,) = {frozenset(instance.get_materialized_partitions(one)) for one in PARTITIONED}
    return set(keys)


def count_orphaned_tags(project: Path) -> int:
    """Tags of events that are gone, which an event that gets such a number would take up."""
    with closing(sqlite3.connect(project / ".dagster" / "history" / "runs" / "index.db")) as one:
        ((count,),) = one.execute(
            "SELECT count(*) FROM asset_event_tags "
            "WHERE event_id NOT IN (SELECT id FROM event_logs)"
        ).fetchall()
    return count


STEP = Path("run") / "compute_logs" / "step.out"
TICK = Path("__repository__") / "report_failures" / "17.err"
OF_A_DEAD_PROCESS = "truto-groups-99999999-x"
# Of a process that lives, and of a database: the marks of the runs that work on it.
AT_WORK = (f"truto-groups-{os.getpid()}-x", "truto-groups-0123456789abcdef.runs")


@pytest.fixture(name="forgotten", scope="module")
def provide_forgotten(tmp_path_factory: pytest.TempPathFactory, kept: Site) -> Site:
    """That history without A, and without D, which was removed from the listing before."""
    with going_on(tmp_path_factory.mktemp("forgotten"), kept) as site:
        logs = site.project / ".dagster" / "storage"
        for name, text in ((STEP, "before Ganymede EU after\n"), (TICK, f"{KEY_OF_A} failed\n")):
            (logs / name).parent.mkdir(parents=True)
            (logs / name).write_text(text)
        long_ago = time.time() - 7200
        for name in (OF_A_DEAD_PROCESS, *AT_WORK):
            folder = site.temporary / name
            folder.mkdir()
            os.utime(folder, (long_ago, long_ago))
        site.stand.write("DELETE FROM integrated_accounts WHERE id = $id", id=D)
        with open_instance(cwd=site.project) as instance:
            remove_partitions(instance, [KEY_OF_D])
        assert forget("--account", A, D[:8], "--yes", "--certificate", "certificate.json") == 0
    return site


def test_an_account_whose_names_begin_like_anothers_leaves_the_other_alone(
    kept: Site, forgotten: Site
) -> None:
    rows = forgotten.stand.table("groups", account=LONGER)
    assert rows == kept.stand.table("groups", account=LONGER) != []
    assert forgotten.stand.table("groups", account=A) == []
    events = read_events(kept.project, KEY_OF_LONGER)
    before = [one for one in events if "ASSET_CHECK" not in one]
    after = read_events(forgotten.project, KEY_OF_LONGER)
    assert [one for one in before if one not in after] == []
    assert materialized(forgotten) == {KEY_OF_LONGER, KEY_OF_B, KEY_OF_C}
    assert [one for one in after if "(forgotten)" in one] == []
    assert count_orphaned_tags(forgotten.project) == 0


def test_words_of_dagsters_own_are_left_in_its_history(forgotten: Site) -> None:
    assert read_events(forgotten.project, KEY_OF_B)
    with open_instance(cwd=forgotten.project) as instance:
        names = {record.dagster_run.job_name for record in instance.get_run_records()}
    assert "refresh_groups" in names


def test_what_is_printed_of_a_label_goes_and_folders_at_work_stay(forgotten: Site) -> None:
    logs = forgotten.project / ".dagster" / "storage"
    assert (logs / STEP).read_text() == "before *********** after\n"
    assert (logs / TICK).read_text() == "******************* failed\n"
    assert all((forgotten.temporary / name).exists() for name in AT_WORK)
    assert not (forgotten.temporary / OF_A_DEAD_PROCESS).exists()


def test_an_account_that_was_removed_without_groups_is_forgotten_by_the_key_that_it_had(
    kept: Site, forgotten: Site
) -> None:
    """Nothing in the tables tells its tenant; Dagster's events do."""
    certificate = json.loads((forgotten.project / "certificate.json").read_text())
    assert {"id": D, "partition_key": KEY_OF_D} in certificate["accounts"]
    assert KEY_OF_D in materialized(kept)
    assert KEY_OF_D not in materialized(forgotten)
    assert read_events(kept.project, "Ganymede-Ltd")
    assert read_events(forgotten.project, "Ganymede") == []


def test_an_account_between_two_that_are_forgotten_keeps_its_run(site: Site) -> None:
    """Its partition's materialization is in a run whose range begins and ends with theirs."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with site.patch.context() as patch:
        patch.setattr("truto_groups.defs.forget_in_history._scrub", die)
        assert forget("--tenant", "alpha", "Ganymede Ltd.", "--yes") == 130
    assert forget("--tenant", "alpha", "Ganymede Ltd.", "--yes") == 0
    assert materialized(site) == {KEY_OF_B, KEY_OF_C, KEY_OF_LONGER}


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


@dataclass
class Left:
    """What a certificate tells of what was left, and how the command ended when it was away."""

    remains: list[dict[str, Any]]
    next_code: int


@pytest.fixture(name="left", scope="module")
def provide_left(tmp_path_factory: pytest.TempPathFactory, kept: Site) -> Left:
    """In the history, in a folder that cannot be looked into, and in one behind a link."""
    folder = tmp_path_factory.mktemp("left")
    with going_on(folder, kept) as site:
        closed, behind = site.project / ".dagster" / "closed", folder / "behind"
        closed.mkdir()
        behind.mkdir()
        (site.project / ".dagster" / "storage" / "link").symlink_to(behind)
        (behind / "itself").symlink_to(behind)
        (behind / "kept").write_text("Ganymede Board")
        list_folder = Path.iterdir

        def refuse(path: Path) -> Iterator[Path]:
            if path == closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return list_folder(path)

        with site.patch.context() as patch:
            patch.setattr(Path, "iterdir", refuse)
            patch.setattr(forget_accounts, "forget_in_history", lambda *_: Scrubbed())
            assert forget("--account", A, "--yes", "--certificate", "certificate.json") == 1
        remains = json.loads(Path("certificate.json").read_text())["remains"]
        (behind / "kept").unlink()
        return Left(remains, forget("--account", A, "--yes"))


def test_a_folder_that_cannot_be_looked_into_is_told_and_one_behind_a_link_is_searched(
    left: Left,
) -> None:
    folders = [one for one in left.remains if "/history/" not in one["where"]]
    told = {Path(one["where"]).name: one["note"] for one in folders}
    assert set(told) == {"closed", "kept"}
    assert "cannot be read: Permission denied" in told["closed"]


def test_what_is_left_in_the_history_is_told(left: Left) -> None:
    """A daemon may write while it is searched; compressed, no search of bytes would find it."""
    places = {one["where"].rpartition(": ")[2] for one in left.remains}
    assert {"event_logs", "runs", "run_tags", "dynamic_partitions"} <= places


def test_what_was_left_and_told_is_gone_by_the_same_command_once_more(left: Left) -> None:
    assert left.next_code == 0


def test_a_journal_that_cannot_be_understood_is_not_thrown_away(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version's: the rows that told whom it was about may be gone already."""
    before = read_state(site)
    journal = Path(f"{site.stand.database.location}.forgetting")
    for text in ('{"asked": [["x"], []], "of a later version": 1}', '{"asked"'):
        journal.write_text(text)
        assert forget("--account", A, "--yes") == 2
        assert journal.read_text() == text
        assert "another version" in capsys.readouterr().err.replace("\n", " ")
    assert read_state(site) == before


def read_state(site: Site) -> tuple[dict[str, list[Row]], list[str]]:
    return site.stand.data(), read_events(site.project, "")


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


def test_a_certificate_whose_folder_is_gone_is_printed_and_keeps_nobody_from_being_forgotten(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each certificate of a call is told with its own place."""
    # What the checks find meanwhile plays no part.
    site.patch.setattr(forget_accounts, "evaluate_here", lambda *_, **__: None)
    folder = tmp_path / "certificates"
    folder.mkdir()

    def begin(account: str, certificate: str) -> None:
        with site.patch.context() as patch:
            patch.setattr(forget_accounts, "forget_in_history", interrupt)
            assert forget("--account", account, "--yes", "--certificate", certificate) == 130
        capsys.readouterr()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    begin(A, str(folder / "a.md"))
    folder.rmdir()
    assert forget("--account", B, "--yes", "--certificate", "b.md") == 1
    told = capsys.readouterr()
    assert KEY_OF_A in told.out
    assert "a.md: No such file or directory" in " ".join(told.err.split())
    assert KEY_OF_B in Path("b.md").read_text()
    assert {row["id"] for row in site.stand.table("integrated_accounts")} == {C, D, LONGER}

    begin(D, "d.md")
    assert forget("--account", C, "--yes", "--certificate", "c.md") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"The certificate is {Path('d.md').absolute()}." in said
    assert f"The certificate is {Path('c.md').absolute()}." in said
