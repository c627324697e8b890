"""Accepting drift and held-back syncs, from the shell and through the job that the UI launches.

The sandbox, the database and the Dagster instance are real.
"""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from truto_groups.cli import main
from truto_groups.definitions import build_definitions
from truto_groups.errors import DatabaseError
from truto_groups.runner.local_runs import accept_here, open_instance
from truto_groups.warehouse.database import Database
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import (
    GROUPS_PATH,
    A,
    B,
    C,
    Stand,
    enter_project,
    group,
    groups_of,
    open_stand,
)

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
RETYPED = [group(number) | {"id": number} for number in range(1, 31)]


@pytest.fixture(name="held_back", scope="module")
def provide_held_back(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """What the tests begin with."""
    with open_stand(tmp_path_factory.mktemp("held_back")) as stand:
        # Who accepts goes by the machine's clock.
        stand.now = datetime.now(UTC) - timedelta(minutes=2)
        stand.put(A, groups_of(30), RETYPED, integration="okta")
        stand.put(B, groups_of(30), [], integration="jira")
        stand.discover()
        assert stand.outcomes(run_id="first") == {A: "published", B: "published"}
        stand.pass_time(minutes=1)
        assert stand.outcomes(run_id="second") == {A: "held_back", B: "held_back"}
    return stand


@pytest.fixture(name="waiting")
def provide_waiting(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_back: Stand
) -> Stand:
    """One account whose ids changed their JSON type, and one that collapsed: both are held back."""
    go_on(stand, tmp_path, monkeypatch, held_back)
    return stand


def go_on(stand: Stand, folder: Path, patch: pytest.MonkeyPatch, other: Stand) -> None:
    """Go on from there in a project of the stand's own."""
    enter_project(stand, folder, patch)
    stand.go_on_from(other)
    stand.put(A, RETYPED, integration="okta")
    stand.put(B, [], integration="jira")
    stand.now = datetime.now(UTC)


@pytest.fixture(name="accepted", scope="module")
def provide_accepted(tmp_path_factory: pytest.TempPathFactory, held_back: Stand) -> Stand:
    """The same after one of them was accepted, without a token and by nobody who gave a name."""
    folder = tmp_path_factory.mktemp("accepted")
    with open_stand(folder) as stand, quick_history(), pytest.MonkeyPatch.context() as patch:
        go_on(stand, folder, patch, held_back)
        patch.delenv("TRUTO_API_TOKEN")
        patch.setattr("getpass.getuser", lambda: "someone")
        main(["accept", "--account", A[:8], "--reason", "numbers now", "--by", "  "])
    return stand


def outcomes(stand: Stand, key: str) -> list[str]:
    rows = stand.rows(
        "SELECT outcome FROM account_syncs WHERE integrated_account_id = $id ORDER BY started_at",
        id=key,
    )
    return [row[0] for row in rows]


def show_digest(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["accept", *arguments]) == 0
    found = re.search(r"--digest (\w+)", capsys.readouterr().out)
    assert found is not None
    return found[1]


def test_without_a_reason_it_only_shows_what_acceptance_would_do(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = waiting.data()
    capsys.readouterr()
    assert main(["accept"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if B[:8] in line)
    assert re.search(r"held back\s+0\s+0\s+30\s+0", row)
    assert waiting.data() == before
    assert outcomes(waiting, B) == ["published", "held_back"]


def test_without_a_token_the_account_is_accepted_that_the_beginning_of_an_id_names(
    accepted: Stand,
) -> None:
    assert outcomes(accepted, A) == ["published", "published"]
    assert outcomes(accepted, B) == ["published", "held_back"]


def test_a_name_that_is_nobodys_is_refused_and_nothing_is_accepted(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    before = waiting.data()
    for arguments, told in (
        (["--account", "deadbeef"], "deadbeef: no such account; `truto-groups status` shows all."),
        (["--account", "acme"], "acme: no such account; `--tenant acme`"),
        (["--integration", "nosuch"], "nosuch: no account of such an integration; "),
    ):
        capsys.readouterr()
        assert main(["accept", *arguments]) == 1
        assert main(["accept", "--account", B, *arguments, "--reason", "right"]) == 1
        assert capsys.readouterr().err.count(f"truto-groups: {told}") == 2
    assert waiting.data() == before
    assert waiting.table("accepted_baselines") == []


def test_a_named_account_that_does_not_wait_is_told_beside_one_that_does(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting.put(C, groups_of(3), integration="slack", tenant_id="acme")
    waiting.discover()
    assert waiting.outcomes(C) == {C: "published"}
    capsys.readouterr()
    assert main(["accept", "--account", B, C]) == 0
    assert "acme.slack.cccccccc has nothing to accept." in capsys.readouterr().out

    assert main(["accept", "--account", C]) == 0
    told = capsys.readouterr().out
    assert told.endswith("\n2 other accounts wait: truto-groups accept\n")


def test_what_to_type_next_is_told_after_looking_and_after_accepting(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["accept", "--integration", "okta"]) == 0
    typed = capsys.readouterr().out.splitlines()[-1]
    assert typed.startswith(
        '  truto-groups accept --account acme.okta.aaaaaaaa --reason "…" --digest '
    )

    arguments = shlex.split(typed.replace("…", "the vendor numbers its groups"))[1:]
    assert main(arguments) == 0
    assert capsys.readouterr().out.endswith("\n1 other account waits: truto-groups accept\n")
    assert main(["accept", "--account", B, "--reason", "emptied"]) == 0
    assert capsys.readouterr().out.endswith(
        "\nNothing else waits. How every account stands: truto-groups status\n"
    )


def test_where_accepting_does_not_help_what_does_is_told(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter_project(stand, tmp_path, monkeypatch)
    stand.put(A, [group(n, group_type="guild") for n in range(3)], tenant_id="acme")
    stand.discover()
    assert stand.outcomes() == {A: "published"}
    capsys.readouterr()

    assert main(["accept"]) == 0
    told = capsys.readouterr().out
    assert "Accepting does not help acme.okta.aaaaaaaa: " in told
    assert "raise `unmapped_limit` in the settings" in told
    assert "--reason" not in told


def test_all_that_changed_is_shown_with_the_worst_first_and_the_command_to_paste(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever accepts a field that was added must see the one that is gone."""
    enter_project(stand, tmp_path, monkeypatch)
    before = [group(n, remote_data={"a": n, "b": n, "c": n, "d": n}) for n in range(40)]
    after = [group(n, remote_data={"d": str(n), "e": n}) for n in range(40)]
    stand.put(A, before, after, integration="okta", tenant_id="acme")
    stand.discover()
    assert [stand.outcomes(), stand.outcomes(run_id="again")] == [{A: "published"}] * 2
    capsys.readouterr()

    assert main(["accept", "--account", A]) == 0
    out = capsys.readouterr().out
    told = out.partition("acme.okta.aaaaaaaa:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.partition(":")[0].strip() for line in told] == [
        "Field is gone, `remote_data.a`",
        "Field is gone, `remote_data.b`",
        "Field is gone, `remote_data.c`",
        "JSON type changed of `remote_data.d`",
        "Field was added, `remote_data.e`",
    ]
    found = re.search(
        r'truto-groups (accept --account acme.okta.aaaaaaaa) --reason "…" --digest \w+$', out
    )
    assert found is not None

    assert main(["accept"]) == 0
    out = capsys.readouterr().out
    assert "  And 2 more; `truto-groups accept --account acme.okta.aaaaaaaa` shows all." in out
    assert main([*shlex.split(found[0])[1:5], "seen", *shlex.split(found[0])[6:]]) == 0
    assert outcomes(stand, A) == ["published", "published"]
    assert main(["accept"]) == 0
    assert "there is nothing to accept" in capsys.readouterr().out


def test_what_was_held_back_is_published_from_its_kept_records_without_a_request(
    waiting: Stand,
) -> None:
    held = waiting.rows("SELECT finished_at FROM account_syncs WHERE outcome = 'held_back'")
    code = main(
        ["accept", "--account", A, B, "--reason", "new ids; the app was emptied", "--by", "ann"]
    )
    assert code == 0
    assert [one for one in waiting.server.requests if one.path == GROUPS_PATH] == []
    assert {row["id"] for row in waiting.table("groups")} == {str(n) for n in range(1, 31)}
    assert {row["integrated_account_id"] for row in waiting.table("groups")} == {A}
    assert outcomes(waiting, A) == outcomes(waiting, B) == ["published", "published"]
    assert waiting.table("held_back_groups") == []
    removed = waiting.rows(
        "SELECT count(*) FROM group_changes WHERE integrated_account_id = $id "
        "AND change = 'removed'",
        id=B,
    )
    assert removed == [(30,)]
    # As fresh as when it was fetched, not as when somebody accepted it.
    confirmed = waiting.rows("SELECT last_confirmed_at FROM integrated_accounts")
    assert set(confirmed) == set(held)
    accepted = waiting.table("accepted_baselines")
    assert {(row["accepted_by"], row["reason"]) for row in accepted} == {
        ("ann", "new ids; the app was emptied")
    }


def test_after_acceptance_the_same_answer_is_unchanged_and_the_checks_are_green(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["accept", "--integration", "okta", "jira", "--reason", "right"])
    capsys.readouterr()
    assert main(["sync", "--all"]) == 0
    out = capsys.readouterr().out
    assert "2 accounts: 2 unchanged." in out
    with open_instance(cwd=Path.cwd()) as instance:
        for name in ("groups_match_contract", "group_counts_are_plausible", "no_unaccepted_drift"):
            key = dg.AssetCheckKey(dg.AssetKey("groups"), name)
            records = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
            assert records[key].status.value == "SUCCEEDED", name


def test_another_digest_than_the_one_shown_is_refused_and_nothing_changes(
    waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = show_digest(capsys, "--account", A)
    before = waiting.data()
    assert main(["accept", "--account", A, B, "--reason", "both", "--digest", digest]) == 1
    assert "moved on" in capsys.readouterr().err
    assert waiting.data() == before
    assert waiting.table("accepted_baselines") == []
    assert main(["accept", "--account", A, "--reason", "this one", "--digest", digest]) == 0
    assert outcomes(waiting, A) == ["published", "published"]
    assert outcomes(waiting, B) == ["published", "held_back"]


def test_records_without_an_id_cannot_be_accepted(
    stand: Stand, waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = [{"name": "no id"}, *groups_of(29)]
    stand.put(A, nameless, integration="okta")
    assert stand.outcomes(A) == {A: "held_back"}
    before = waiting.data()
    assert main(["accept", "--account", A, "--reason", "please"]) == 1
    assert "no rows can be made" in capsys.readouterr().err
    assert waiting.data() == before


def test_of_whole_integrations_is_counted_what_was_accepted(
    stand: Stand, waiting: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.put(A, [{"name": "no id"}, *groups_of(29)], integration="okta")
    assert stand.outcomes(A) == {A: "held_back"}
    both = ["--integration", "okta", "--integration", "jira"]
    assert main(["accept", *both, "--reason", "it left"]) == 0
    assert "Accepted 1 account:" in capsys.readouterr().out
    assert waiting.table("groups", account=B) == []
    assert len(waiting.table("groups", account=A)) == 30


def test_the_job_refuses_a_name_that_is_nobodys(waiting: Stand) -> None:
    with open_instance(cwd=Path.cwd()) as instance:
        config = {"integrated_account_ids": ["nobody"], "reason": "r", "accepted_by": "ann"}
        run = accept_here(build_definitions(), instance, config, tags={})
    assert not run.is_success
    assert "nobody: no such account" in run.problem


@pytest.mark.parametrize("name", ["reason", "accepted_by"])
def test_the_job_refuses_what_the_launchpad_leaves_to_be_filled_in(
    waiting: Stand, name: str
) -> None:
    config = {"integrated_account_ids": [A], "reason": "r", "accepted_by": "ann"} | {name: " "}
    with (
        open_instance(cwd=Path.cwd()) as instance,
        pytest.raises(dg.DagsterInvalidConfigError, match=rf"(?s)config:{name}.*must be filled in"),
    ):
        accept_here(build_definitions(), instance, config, tags={})
    with open_instance(cwd=Path.cwd()) as instance:
        assert instance.get_runs(dg.RunsFilter(job_name="accept_drift")) == []
    assert waiting.table("accepted_baselines") == []


def test_a_name_of_blanks_is_none_as_in_a_review(accepted: Stand) -> None:
    assert [row["accepted_by"] for row in accepted.table("accepted_baselines")] == ["someone"]


@pytest.mark.parametrize("command", ["accept", "review"])
@pytest.mark.parametrize("option", ["--reason", "--by"])
def test_words_that_cannot_be_kept_are_refused_before_anything_is_done(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--account", B, "--reason", "emptied", option, "\udcff"]) == 2
    assert f"'{option}': it holds bytes that are not UTF-8" in capsys.readouterr().err


def test_a_database_that_cannot_be_written_is_no_refusal(
    waiting: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hold(database: Database, connection: object) -> NoReturn:
        raise DatabaseError("The database is held by another program.")

    monkeypatch.setattr(Database, "owning", hold)
    assert main(["accept", "--account", B, "--reason", "emptied"]) == 2
    assert "held by another program" in capsys.readouterr().err
    assert outcomes(waiting, B) == ["published", "held_back"]


def test_what_was_accepted_is_what_later_answers_are_compared_with(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: Stand
) -> None:
    go_on(stand, tmp_path, monkeypatch, accepted)
    stand.put(A, [RETYPED[0] | {"name": "renamed"}, *RETYPED[1:]], integration="okta")
    assert stand.outcomes(A) == {A: "published"}
    stand.put(A, groups_of(30), integration="okta")
    assert stand.outcomes(A) == {A: "held_back"}


def test_the_changes_of_a_first_sync_that_is_accepted_are_as_the_settings_say(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_project(stand, tmp_path, monkeypatch)
    stand.write_settings(f"accounts: {{{A}: {{record_initial_sync: true}}}}\n")
    for account in (A, B):
        stand.put(account, [group(n, description=["a", "list"]) for n in (1, 2)])
    stand.discover()
    assert stand.outcomes() == {A: "held_back", B: "held_back"}
    assert main(["accept", "--account", A, B, "--reason", "descriptions are lists"]) == 0
    both = {(account, number) for account in (A, B) for number in ("g1", "g2")}
    assert {(row["integrated_account_id"], row["id"]) for row in stand.table("groups")} == both
    changes = stand.table("group_changes")
    added = {(row["integrated_account_id"], row["id"]) for row in changes}
    assert added == {(A, "g1"), (A, "g2")}
    assert {row["change"] for row in changes} == {"added"}
