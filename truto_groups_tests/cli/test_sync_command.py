"""``truto-groups sync``: a real sandbox, database and Dagster instance.

Most tests call the command in this process; those on signals and kills run it in one of its own.
"""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG, TagType, get_tag_type

from truto_groups.cli import main
from truto_groups.defs.in_flight import find_in_flight, range_tags
from truto_groups.runner.local_runs import open_instance
from truto_groups.sandbox import Request, Response
from truto_groups_tests.cli.pseudo_terminal import Terminal
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import (
    GROUPS_PATH,
    A,
    B,
    C,
    D,
    Stand,
    enter_project,
    go_on_in_project,
    group,
    groups_of,
    id_of,
    open_stand,
    serve_body,
)

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SECONDS = 60
PARTITIONS = "integrated_accounts"


@dataclass
class Command:
    """The command in a project of its own."""

    stand: Stand
    project: Path
    code: int = field(default=-1, init=False)
    out: str = field(default="", init=False)
    err: str = field(default="", init=False)

    def sync(self, *arguments: str) -> int:
        """Call it here; what it printed is in ``out`` and ``err``, how it ended in ``code``."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.code = main(["sync", *arguments])
        self.out, self.err = out.getvalue(), err.getvalue()
        assert self.stand.server.token not in self.out + self.err
        assert "Traceback" not in self.err
        return self.code

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "truto_groups.cli")
    ) -> subprocess.Popen[str]:
        """Start it in a process of its own."""
        return subprocess.Popen(
            [sys.executable, *program, "sync", *arguments],
            cwd=self.project,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def lines(self) -> dict[str, str]:
        """What was printed of each account, by its id, without its key."""
        told = [line.split() for line in self.out.splitlines() if line.startswith("  ")]
        return {id_of(words[1]): " ".join([words[0], *words[2:]]) for words in told}

    def runs(self) -> list[dg.DagsterRun]:
        """The runs of the project's instance, the oldest first."""
        with open_instance(cwd=self.project) as instance:
            return list(reversed(instance.get_runs()))

    def go_on_from(self, other: "Command") -> None:
        """Begin with the tables and with Dagster's history of another project."""
        go_on_in_project(self.stand, self.project, other=other.stand, other_project=other.project)


def materialized(instance: dg.DagsterInstance) -> set[str]:
    return {*map(id_of, instance.get_materialized_partitions(dg.AssetKey("groups")))}


@pytest.fixture(name="command")
def provide_command(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    project = enter_project(stand, tmp_path, monkeypatch)
    before = signal.getsignal(signal.SIGTERM)
    yield Command(stand, project)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(name="three")
def provide_three(command: Command) -> Command:
    """Three accounts that are well, and one that is not active between them."""
    connect_accounts(command.stand)
    return command


@contextlib.contextmanager
def in_a_project(folder: Path) -> Iterator[Command]:
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        yield Command(stand, enter_project(stand, folder, patch))


@pytest.fixture(name="first", scope="module")
def provide_first(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A project whose first sync is over."""
    with in_a_project(tmp_path_factory.mktemp("first")) as command:
        connect_accounts(command.stand)
        assert command.sync() == 0
    return command


@pytest.fixture(name="synced")
def provide_synced(command: Command, first: Command) -> Command:
    """The same accounts after their first sync; one has other groups since."""
    command.go_on_from(first)
    connect_accounts(command.stand)
    command.stand.put(A, [*groups_of(2), group(7)], integration="okta")
    return command


@pytest.fixture(name="one_failed", scope="module")
def provide_one_failed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A project in whose first sync one account failed; another is of another tenant."""
    with in_a_project(tmp_path_factory.mktemp("one_failed")) as command:
        connect_accounts(command.stand)
        command.stand.put(C, [], integration="gitlab", tenant_id="globex")
        command.stand.server.intercept = serve_body(B, "<html>", status=200)
        command.sync()
    return command


def connect_accounts(stand: Stand) -> None:
    stand.put(A, groups_of(3), [*groups_of(2), group(7)], integration="okta")
    stand.put(D, groups_of(1), integration="slack", status="needs_reauth")
    stand.put(B, groups_of(2), integration="jira", tenant_id="acme")
    stand.put(C, [], integration="gitlab")


def test_the_first_sync_discovers_and_publishes_all_and_the_next_finds_nothing_due(
    first: Command, command: Command
) -> None:
    assert (
        "Truto lists 4 accounts, 3 new: 3 to keep in sync, "
        "1 to be reconnected (acme.slack.dddddddd)." in first.out
    )
    told = r"^3 accounts: 3 published\. 5 groups in \d+ s, \d+ a second\.$"
    assert re.search(told, first.out, re.MULTILINE)
    assert first.lines == {
        A: "published 3 groups first sync",
        B: "published 2 groups first sync",
        C: "published 0 groups first sync",
    }
    assert first.err == ""
    assert len(first.stand.table("groups")) == 5

    command.go_on_from(first)
    connect_accounts(command.stand)
    assert command.sync() == 0
    # Six hours after they were confirmed, but so early that these do not pass before a next tick.
    (confirmed,) = command.stand.rows("SELECT min(last_confirmed_at) FROM integrated_accounts")[0]
    due_at = confirmed.astimezone(UTC) + timedelta(hours=6) - timedelta(minutes=10)
    assert f"Nothing is due before {due_at:%Y-%m-%d %H:%M} UTC." in command.out
    assert [run.status for run in command.runs()] == [dg.DagsterRunStatus.SUCCESS]


def test_all_refreshes_what_is_not_due_and_tells_what_changed(synced: Command) -> None:
    assert synced.sync("--all") == 0
    assert "3 accounts: 1 published, 2 unchanged." in synced.out
    assert synced.lines[A] == "published 3 groups +1 -1"
    assert synced.lines[B] == "unchanged 2 groups"


def test_the_events_land_in_the_instance_of_the_project(synced: Command) -> None:
    with open_instance(cwd=synced.project) as instance:
        assert {*map(id_of, instance.get_dynamic_partitions(PARTITIONS))} == {A, B, C}
        assert {*map(id_of, instance.get_materialized_partitions(dg.AssetKey("groups")))} == {
            A,
            B,
            C,
        }
        assert instance.get_latest_materialization_event(dg.AssetKey(PARTITIONS)) is not None
    assert list((synced.project / ".dagster").rglob("*.db"))


def test_a_folder_below_the_project_uses_the_same_instance(
    synced: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster takes a relative base_dir from the working directory, not from its file."""
    below = synced.project / "below"
    below.mkdir()
    monkeypatch.chdir(below)

    assert synced.sync() == 0
    assert list(below.iterdir()) == []
    with open_instance(cwd=below) as instance:
        assert {*map(id_of, instance.get_materialized_partitions(dg.AssetKey("groups")))} == {
            A,
            B,
            C,
        }


def test_a_named_account_is_synced_alone_also_where_another_that_was_named_cannot_be(
    synced: Command,
) -> None:
    count = len(synced.stand.server.requests)

    assert synced.sync("--account", B, D) == 1
    assert synced.lines == {B: "unchanged 2 groups"}
    asked = {
        request.integrated_account_id
        for request in synced.stand.server.requests[count:]
        if request.path == GROUPS_PATH
    }
    assert asked == {B}


def test_named_accounts_that_do_not_touch_leave_the_one_between_alone(synced: Command) -> None:
    """A healthy account in a range that fails would turn red without having been tried."""
    with open_instance(cwd=synced.project) as instance:
        first, between, last = instance.get_dynamic_partitions(PARTITIONS)

    assert synced.sync("--account", id_of(first)[:8], last) == 0
    assert set(synced.lines) == {id_of(first), id_of(last)}
    assert re.findall("Syncing .*", synced.out) == ["Syncing 2 accounts …"]
    ranges = [run.tags["dagster/asset_partition_range_start"] for run in synced.runs()[1:]]
    assert sorted(ranges) == sorted([first, last])
    assert between not in ranges


def test_an_account_that_cannot_be_synced_may_lie_between_and_is_passed_over(
    synced: Command,
) -> None:
    with open_instance(cwd=synced.project) as instance:
        first, between, last = instance.get_dynamic_partitions(PARTITIONS)
    synced.stand.put(id_of(between), [], integration="jira", status="needs_reauth")

    assert synced.sync("--all") == 0
    assert set(synced.lines) == {id_of(first), id_of(last)}
    assert len(synced.runs()) == 2
    assert synced.err == ""


def test_an_account_that_fails_is_named_with_its_reason_and_the_others_are_published(
    one_failed: Command,
) -> None:
    assert one_failed.code == 1
    assert "3 accounts: 1 failed, 2 published." in one_failed.out
    assert one_failed.lines[B] == "failed"
    (told,) = [line for line in one_failed.err.splitlines() if line]
    assert told.startswith("acme.jira.bbbbbbbb failed. ")
    assert "JSON" in told
    assert len(one_failed.stand.table("groups", account=A)) == 3


def test_an_account_that_is_held_back_ends_with_1(synced: Command) -> None:
    synced.stand.put(B, [{"name": "without id"}], integration="jira", tenant_id="acme")

    assert synced.sync("--account", B) == 1
    assert synced.lines[B].startswith("held_back")
    assert "acme.jira.bbbbbbbb was held back. " in synced.err


def test_a_check_that_fails_names_the_accounts_and_the_remedy_while_a_person_reads_as_many(
    command: Command,
) -> None:
    grown = [group(n, new=n) for n in range(30)]
    for number in range(21):
        command.stand.put(f"{number:08x}-0000-4000-8000-000000000001", groups_of(30), grown)
    command.stand.now = datetime.now(UTC)
    command.stand.discover()
    assert set(command.stand.outcomes(run_id="first").values()) == {"published"}
    assert command.sync("--account", "00000007") == 0

    lines = command.out.splitlines()
    (told,) = [line for line in lines if line.startswith("Check ")]
    assert told.startswith("Check no_unaccepted_drift: ")
    assert "acme.okta.00000007" in told
    assert "00000007-0000" not in told
    assert lines[-2:] == [
        "What to do about each account: truto-groups status",
        'If what they send is right: truto-groups accept --account acme.okta.00000007 --reason "…"',
    ]

    assert command.sync("--all") == 0
    assert command.out.endswith(
        "\nIf what they send is right: truto-groups accept shows them, and what to type.\n"
    )


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        ("11111111-0000", "11111111-0000", "With this token Truto lists no such account"),
        (D, "acme.slack.dddddddd", "Its status is needs_reauth"),
        ("acme.zendesk", "acme.zendesk.cccccccc", "Its integration, zendesk, has no groups."),
        ("b", "acme.jira.bbbbbbbb", "The settings file skips it."),
    ],
    ids=["unknown", "not active", "no groups", "skip"],
)
def test_a_named_account_that_cannot_be_synced_is_named_with_the_reason(
    three: Command, name: str, shown: str, reason: str
) -> None:
    three.stand.put(C, [], integration="zendesk")
    three.stand.write_settings(f"accounts:\n  {B}:\n    skip: true\n")

    assert three.sync("--account", name) == 1
    assert f"{shown} cannot be synced. {reason}" in three.err
    assert "Nothing was synced." in three.out


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--tenant", "acme"), {A, B}),
        (("--tenant", "globex", "--integration", "gitlab", "jira"), {C}),
        (("--state", "failed", "never_synced"), {B}),
        (("--all", "--integration", "okta"), {A}),
    ],
    ids=["tenant", "tenant and integration", "state", "all of an integration"],
)
def test_accounts_are_named_by_tenant_integration_and_state_due_or_not(
    command: Command, one_failed: Command, arguments: tuple[str, ...], wanted: set[str]
) -> None:
    """Another run covers them all, so that those that are wanted are told and not synced."""
    command.go_on_from(one_failed)
    connect_accounts(command.stand)
    command.stand.put(C, [], integration="gitlab", tenant_id="globex")
    cover_elsewhere(command, A, C)

    assert command.sync(*arguments) == 0
    assert set(left_to_another_run(command)) == wanted


def test_a_mistyped_name_is_answered_with_the_nearest_and_what_is_right_is_synced(
    synced: Command,
) -> None:
    assert synced.sync("--tenant", "acme", "--integration", "okta", "jiro") == 1
    assert synced.err == (
        "jiro cannot be synced. With this token Truto lists no account of such an integration; "
        "did you mean jira?\n"
    )
    assert set(synced.lines) == {A}

    assert synced.sync("--account", "aaaaaaab") == 1
    assert "did you mean acme.okta.aaaaaaaa?" in synced.err
    assert synced.out.endswith("\nNothing was synced.\n")

    assert synced.sync("--account", "acme.") == 1
    told = "With this token Truto lists no one account alone, 4 begin so; acme."
    assert told in synced.err


def test_that_no_account_is_all_of_what_was_named_is_no_failure(three: Command) -> None:
    assert three.sync("--state", "stale", "--tenant", "acme") == 0
    assert "No account is all of that: nothing was synced." in three.out
    assert three.sync("--state", "needs_reauth") == 1
    assert f"acme.slack.{D[:8]} cannot be synced. Its status is needs_reauth" in three.err


def test_an_account_that_is_gone_is_told_so(synced: Command) -> None:
    synced.stand.server.remove_account(B)

    assert synced.sync("--account", B) == 1
    assert f"acme.jira.{B[:8]} cannot be synced. Truto no longer lists it." in synced.err
    assert "Nothing was synced." in synced.out


def cover_elsewhere(command: Command, first: str, last: str) -> None:
    """Another run, which runs for ever, covers the accounts from one to another."""
    with open_instance(cwd=command.project) as instance:
        keys = {id_of(key): key for key in instance.get_dynamic_partitions(PARTITIONS)}
        instance.add_run(
            dg.DagsterRun(
                job_name="refresh_groups",
                status=dg.DagsterRunStatus.STARTED,
                tags=range_tags(keys[first], keys[last]),
            )
        )


def left_to_another_run(command: Command) -> list[str]:
    return [id_of(key) for key in re.findall(r"Left to a run .*: (\S+)\.\n", command.out)]


def test_an_account_in_flight_elsewhere_is_left_out_and_named(synced: Command) -> None:
    cover_elsewhere(synced, B, B)

    assert synced.sync("--account", B) == 0
    assert synced.lines == {}
    assert "\nLeft to a run that covers it already: acme.jira.bbbbbbbb.\n" in synced.out


def test_an_account_left_to_another_run_until_it_is_stale_is_a_failure(synced: Command) -> None:
    cover_elsewhere(synced, B, B)
    synced.stand.write(
        "UPDATE integrated_accounts SET last_confirmed_at = now() - INTERVAL 25 HOURS"
    )

    assert synced.sync() == 1
    assert set(synced.lines) == {A, C}
    assert left_to_another_run(synced) == [B]
    assert f"acme.jira.{B[:8]} is stale" in synced.err


@pytest.mark.slow
def test_a_materialization_that_was_killed_does_not_keep_its_account_in_flight(
    synced: Command,
) -> None:
    """`dagster asset materialize`, which knows nothing of how this command tells its own runs."""
    synced.stand.write("UPDATE integrated_accounts SET last_confirmed_at = '2026-01-01'")
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "raw_groups"]
    with groups_withheld(synced) as asked:
        process = subprocess.Popen(
            [*command, "-m", "truto_groups.definitions", "--partition", f"acme.jira.{B[:8]}"],
            cwd=synced.project,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert asked.wait(SECONDS)
        process.kill()
        process.wait()

    assert synced.sync() == 0
    assert set(synced.lines) == {A, B, C}
    assert [run.status.value for run in synced.runs()][-2:] == ["FAILURE", "SUCCESS"]


def test_the_runs_of_a_sync_are_where_the_ui_looks_for_a_job_s_runs(synced: Command) -> None:
    """The job's page asks by this tag, the timeline by the origin; both are of workspace.yaml."""
    (location,) = yaml.safe_load((synced.project / "workspace.yaml").read_text())["load_from"]
    name = location["python_module"]["location_name"]

    with open_instance(cwd=synced.project) as instance:
        on_page = dg.RunsFilter(
            job_name="refresh_groups", tags={REPOSITORY_LABEL_TAG: f"__repository__@{name}"}
        )
        (run,) = instance.get_runs(on_page)
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == name
    assert run.remote_job_origin.job_name == "refresh_groups"
    shown = {key for key in run.tags if get_tag_type(key) is not TagType.HIDDEN}
    assert not [key for key in shown if "truto_groups" in key]


@pytest.mark.slow
def test_a_sync_that_was_killed_keeps_no_account_in_flight_and_is_not_run_again_by_a_daemon(
    three: Command,
) -> None:
    """The daemon may live on another machine, with another database.

    It was asked for Dagster's log, too, and printed it.
    """
    with groups_withheld(three) as asked:
        process = three.start("--all", "--verbose")
        assert asked.wait(SECONDS)
        process.kill()
        assert "RUN_START" in "".join(process.communicate())
        with open_instance(cwd=three.project) as instance:
            keys = instance.get_dynamic_partitions(PARTITIONS)
            assert {*map(id_of, find_in_flight(instance, keys))} == {A, B, C}

    assert three.sync() == 0
    assert "3 accounts: 3 published." in three.out
    assert [run.status.value for run in three.runs()] == ["FAILURE", "SUCCESS"]
    with open_instance(cwd=three.project) as instance:
        assert instance.run_retries_enabled
        (dead,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert not auto_reexecution_should_retry_run(instance, dead, None)


INTERRUPTED = "Interrupted. What was done stays; the same command goes on with the rest.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_sync_that_is_interrupted_or_terminated_leaves_no_run_behind(
    three: Command, number: signal.Signals
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of this process, should the command not care
    with groups_withheld(three) as asked:
        ending = threading.Thread(
            target=lambda: asked.wait(SECONDS) and os.kill(os.getpid(), number)
        )
        ending.start()
        assert three.sync() == 130
        ending.join()

    assert three.err == INTERRUPTED
    assert [run.is_finished for run in three.runs()] == [True]


# A person's pace, which report/test_run_progress.py holds, is too slow for a test.
HASTY = """
import sys
from truto_groups.cli import main
from truto_groups.report import run_progress
run_progress.SECONDS_BETWEEN_LINES = 1.0
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_sync_that_is_alive_is_taken_for_no_killed_one_tells_how_far_it_is_and_ends_in_seconds(
    three: Command,
) -> None:
    """What is printed goes into a pipe. Once it is interrupted, the program ends, too."""
    with groups_withheld(three):
        process = three.start(program=("-c", HASTY))
        assert process.stdout is not None
        line = next(line for line in process.stdout if " to go; " in line)
        code = three.sync()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert time.monotonic() - began < 10

    assert code == 0
    assert three.out.count("Left to a run that covers it already: ") == 3
    assert line.startswith("0 of 3 accounts done, 0 failed, 3 to go; 0 groups, 0 a second, ")
    assert (process.returncode, err) == (130, INTERRUPTED)
    assert "DEBUG" not in out
    assert [run.is_finished for run in three.runs()] == [True]


@pytest.mark.slow
def test_in_a_terminal_a_bar_is_shown_that_goes_away(synced: Command) -> None:
    connect_accounts(synced.stand)
    with groups_withheld(synced) as asked:
        terminal = Terminal("sync", "--all", cwd=synced.project, columns=70)
        assert asked.wait(SECONDS)
        terminal.read_until("0 of 3 accounts done, 0 failed, 3 to go; 0 groups", times=2)
    assert terminal.end() == 0
    assert "0%" in terminal.written
    assert "\x1b[1A" in terminal.written  # the cursor goes up to where it began
    assert terminal.written.endswith(
        "3 unchanged. 5 groups in " + terminal.written.rpartition(" groups in ")[2]
    )


def test_a_missing_token_is_named_and_nothing_is_begun(
    three: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUTO_API_TOKEN")

    assert three.sync() == 2
    assert three.err.startswith("truto-groups: TRUTO_API_TOKEN is not set")
    assert three.out == ""
    assert not (three.project / ".dagster").exists()


def test_a_rejected_token_ends_with_2(three: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUTO_API_TOKEN", "not-the-one")

    assert three.sync() == 2
    assert "401" in three.err
    assert "not-the-one" not in three.err
    assert len(three.err.splitlines()) == 1


def test_a_token_that_is_rejected_on_the_way_is_told_and_the_rest_is_named(
    three: Command,
) -> None:
    server = three.stand.server
    server.intercept = lambda request: (
        server.answer(replace(request, headers={"authorization": "Bearer of somebody else"}))
        if request.path == GROUPS_PATH
        else None
    )

    assert three.sync() == 1
    assert "token" in three.err
    assert three.stand.table("groups") == []


def test_what_nobody_foresaw_is_one_paragraph_without_the_token(
    three: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a partition that another process removes between plan and run."""

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError(f"first line with {three.stand.server.token}\nsecond line")

    monkeypatch.setattr(dg.DagsterInstance, "add_dynamic_partitions", fail)

    assert three.sync() == 1
    assert three.err.startswith(
        "truto-groups: Something unforeseen went wrong (RuntimeError: first line with [token] "
    )
    assert len(three.err.splitlines()) == 1


def test_http_to_another_machine_is_refused(
    three: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_BASE_URL", "http://truto.example.com")

    assert three.sync() == 2
    assert three.err.startswith("truto-groups: TRUTO_BASE_URL ")
    assert "https" in three.err


def test_a_mistake_in_the_settings_file_names_file_and_line(three: Command) -> None:
    three.stand.write_settings("integrations:\n  okta:\n    query:\n      lmit: 5\n")

    assert three.sync() == 2
    assert "truto_groups.yaml:4: " in three.err
    assert len(three.err.splitlines()) == 1


def test_a_database_path_that_cannot_be_written_is_named(
    three: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = three.project / "a_file"
    blocked.touch()
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(blocked / "groups.duckdb"))

    assert three.sync() == 2
    assert "a_file" in three.err
    assert "TRUTO_GROUPS_DATABASE" in three.err
    assert len(three.err.splitlines()) == 1


def test_a_postgres_that_stays_away_is_waited_for_and_ends_with_2(
    three: Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("truto_groups.defs.resources.PATIENCE_SECONDS", 0.5)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", "ducklake:postgres:host=127.0.0.1 port=1 dbname=x")

    assert three.sync() == 2
    (told,) = three.err.splitlines()
    assert any("It is waited for, for up to 0 s." in line for line in caplog.messages)
    assert "See that the server of TRUTO_GROUPS_DATABASE runs" in told


def test_a_database_that_another_program_holds_is_told_with_the_program(
    synced: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truto_groups.warehouse.database._OPEN_WAIT_SECONDS", 0.5)
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", program + "sys.stdin.read()", synced.stand.database.location],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        code = synced.sync("--all")
        holder.kill()

    assert code == 2
    assert "is held by another program" in synced.err
    assert f"PID {holder.pid}" in synced.err
    assert synced.sync("--all") == 0


def test_a_database_of_another_truto_is_refused(
    synced: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTO_BASE_URL", "https://127.0.0.1:1")
    monkeypatch.setenv(
        "TRUTO_BASE_URL", synced.stand.server.base_url.replace("127.0.0.1", "localhost")
    )

    assert synced.sync() == 2
    assert "was filled from" in synced.err


def test_outside_of_a_project_the_missing_dagster_home_is_named(
    three: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert three.sync() == 2
    assert three.err.startswith("truto-groups: DAGSTER_HOME is not set")


def test_a_dagster_home_that_is_wrong_is_told(
    three: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "relative/home")

    assert three.sync() == 2
    assert "Dagster's instance cannot be opened" in three.err
    assert len(three.err.splitlines()) == 1


def test_dagster_home_is_used_when_it_is_set(
    three: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    assert three.sync() == 0
    with dg.DagsterInstance.get() as instance:
        assert {*map(id_of, instance.get_materialized_partitions(dg.AssetKey("groups")))} == {
            A,
            B,
            C,
        }
    assert not (three.project / ".dagster").exists()


def test_a_listing_that_lacks_most_accounts_ends_with_2(synced: Command) -> None:
    for key in (A, B, C):
        synced.stand.server.remove_account(key)

    assert synced.sync() == 2
    assert re.search(r"truto-groups: .*account", synced.err)
    assert len(synced.stand.table("groups")) == 5


@contextlib.contextmanager
def groups_withheld(command: Command) -> Iterator[threading.Event]:
    """Let no request for groups be answered until the block ends; the event says that one came."""
    asked, released = threading.Event(), threading.Event()

    def withhold(request: Request) -> Response | None:
        if request.path == GROUPS_PATH:
            asked.set()
            released.wait(SECONDS)
        return None

    command.stand.server.intercept = withhold
    try:
        yield asked
    finally:
        released.set()
        command.stand.server.intercept = None
