"""``truto-groups export``: files, what is said of them, and how it ends.

Real: HTTP, DuckDB, the files. Accounts are synced by a clock of the test's that is close to the
machine's, because the command goes by that one.
"""

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest

from truto_groups.accounts.selection import AccountFilter
from truto_groups.cli import main
from truto_groups.cli.commands import commands
from truto_groups.runner.export_table import ExportRequest, open_export
from truto_groups.warehouse import exports
from truto_groups.warehouse.ledger_table import prune_ledger
from truto_groups.warehouse.readable import EXPORTED, EXPORTED_AS_OF
from truto_groups_tests.stand import A, B, C, Stand, group, groups_of, open_stand

pytestmark = pytest.mark.long

KEY_A, KEY_B, KEY_C = "acme.okta.aaaaaaaa", "globex.slack.bbbbbbbb", "acme.jira.cccccccc"


@pytest.fixture(name="synced", scope="module")
def provide_synced(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two accounts, confirmed an hour ago; one has renamed a group since ten hours ago."""
    with open_stand(tmp_path_factory.mktemp("synced")) as stand:
        stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=10)
        stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
        stand.put(B, groups_of(2), integration="slack", tenant_id="globex")
        stand.discover()
        stand.sync(A, B, run_id="first")
        stand.pass_time(hours=9)
        odd = group(0, '=1+1, "x"\n\x1b', description="", other={"a": [1]})
        stand.put(A, [odd, group(1), group(2)], integration="okta", tenant_id="acme")
        stand.sync(A, B, run_id="second")
    return stand


@pytest.fixture(name="stored")
def provide_stored(stand: Stand, synced: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The same in a database of the test's own."""
    for account in synced.server.accounts:
        stand.server.put_account(account)
    stand.go_on_from(synced)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(stand.settings_path))
    stand.write_settings("")
    monkeypatch.chdir(stand.folder)
    return stand


def make_stale(stand: Stand, account: str = B) -> None:
    ago = datetime.now(UTC) - timedelta(hours=30)
    stand.write(
        "UPDATE integrated_accounts SET last_confirmed_at = $ago WHERE id = $id",
        ago=ago,
        id=account,
    )


def ask(sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql, parameters or None).fetchall()


def files_of(stand: Stand) -> set[str]:
    return {path.name for path in stand.folder.iterdir() if "groups.duckdb" not in path.name}


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_file_holds_every_row_and_column(
    stored: Stand, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--format", form, "--out", f"out.{form}"]) == 0

    rows = stored.table("groups")
    found = ask(f"SELECT * FROM '{stored.folder}/out.{form}' ORDER BY ALL")  # noqa: S608
    columns = ask(f"DESCRIBE FROM '{stored.folder}/out.{form}'")
    assert [name for name, *_ in columns] == list(rows[0])
    assert [(row[3], row[4]) for row in found] == [(row["id"], row["name"]) for row in rows]
    assert found[0][10] is None
    assert found[0][13].replace(tzinfo=UTC) == rows[0]["first_seen_at"]
    said = capsys.readouterr()
    assert "2 of 2 active accounts are complete and fresh." in said.err
    assert f"Wrote 5 rows of groups to out.{form}." in said.out
    assert files_of(stored) == {f"out.{form}", f"out.{form}.coverage.json", "truto_groups.yaml"}


def test_what_is_said_stands_in_the_metadata_and_beside(stored: Stand) -> None:
    make_stale(stored)
    main(["export", "--out", "out.parquet", "--allow-incomplete", "--tenant", "acme", "globex"])

    (kept,) = ask(
        "SELECT decode(value) FROM parquet_kv_metadata($path) WHERE decode(key) = $key",
        path=str(stored.folder / "out.parquet"),
        key="truto_groups_coverage",
    )
    coverage = json.loads(kept[0])
    assert coverage == json.loads((stored.folder / "out.parquet.coverage.json").read_text())
    assert (coverage["table"], coverage["is_complete"]) == ("groups", False)
    exported_at = datetime.fromisoformat(coverage["exported_at"])
    assert abs(datetime.now(UTC) - exported_at) < timedelta(minutes=10)
    assert (coverage["active_accounts"], coverage["complete_and_fresh_accounts"]) == (2, 1)
    assert coverage["of"] == {"accounts": [], "tenants": ["acme", "globex"], "integrations": []}
    (missing,) = coverage["missing"]
    assert missing["partition_key"] == KEY_B
    assert missing["since"]
    assert missing["what_to_do"]


def test_csv_tells_null_from_an_empty_text_and_keeps_every_letter(
    stored: Stand, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", "--format", "csv", "--account", KEY_A]) == 0

    text = capsysbinary.readouterr().out.decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[0]["name"] == '=1+1, "x"\n\x1b'
    assert json.loads(rows[0]["other_fields"]) == {"other": {"a": [1]}}
    assert rows[0]["created_at"] == "2025-01-15T09:00:00.000000Z"
    assert ',"",' in text.splitlines()[2]
    assert len(rows) == 3
    assert stored.folder.exists()


def test_json_is_one_list_of_objects_also_of_none(
    stored: Stand, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", "--format", "json", "--table", "held_back_groups"]) == 0
    assert json.loads(capsysbinary.readouterr().out) == []

    assert main(["export", "--format", "json", "--integration", "okta"]) == 0
    rows = json.loads(capsysbinary.readouterr().out)
    assert [row["remote_data"]["size"] for row in rows] == [0, 1, 2]
    assert stored.folder.exists()


def export_apart(stored: Stand, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Export to stdout by a process of its own, with these streams."""
    return subprocess.run(
        [sys.executable, "-m", "truto_groups.cli", "export", "--format", "csv"],
        cwd=stored.folder,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TRUTO_GROUPS_DATABASE": stored.database.location,
        },
        text=True,
        check=False,
        **streams,
    )


def test_the_statement_is_said_before_the_first_row(stored: Stand) -> None:
    ended = export_apart(stored, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.startswith("At ")
    assert "2 of 2 active accounts" in ended.stdout.splitlines()[0]
    assert ended.stdout.splitlines()[1].startswith("integrated_account_id,")


def test_nothing_is_written_when_an_active_account_is_stale(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stale(stored)
    (stored.folder / "out.csv").write_text("of before")

    assert main(["export", "--out", "out.csv"]) == 3

    said = capsys.readouterr().err
    assert f"1 of 2 active accounts are complete and fresh; missing: {KEY_B}." in said
    assert f"  {KEY_B}, since" in said
    assert "max_age is 1 d 0 h" in said
    assert "--allow-incomplete" in said
    assert (stored.folder / "out.csv").read_text() == "of before"
    assert files_of(stored) == {"out.csv", "truto_groups.yaml"}
    assert main(["export", "--out", "out.csv", "--allow-incomplete"]) == 0
    assert "of before" not in (stored.folder / "out.csv").read_text()


def test_an_account_that_was_never_synced_is_missing(stored: Stand) -> None:
    stored.put(C, groups_of(1), integration="jira", tenant_id="acme")
    stored.discover()

    assert main(["export", "--out", "out.csv"]) == 3
    assert main(["export", "--out", "out.csv", "--tenant", "globex"]) == 0


def test_only_accounts_that_are_chosen_are_judged(stored: Stand) -> None:
    make_stale(stored)

    assert main(["export", "--out", "a.csv", "--account", "acme.okta"]) == 0
    assert main(["export", "--out", "b.csv", "--integration", "slack"]) == 3
    assert {row[0] for row in ask(f"SELECT tenant_id FROM '{stored.folder}/a.csv'")} == {"acme"}  # noqa: S608


def test_an_account_that_is_not_active_is_told_and_stops_nobody(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.put(B, [], integration="slack", tenant_id="globex", status="needs_reauth")
    stored.discover()
    make_stale(stored)

    assert main(["export", "--out", "out.json"]) == 0

    said = capsys.readouterr().err
    assert "1 of 1 active account is complete and fresh." in said
    assert f"  {KEY_B} is not counted" in said
    assert "reconnect" in said


def test_groups_as_of_an_instant_are_those_of_then_with_the_freshness_of_then(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    """Today's freshness is never told of the past, nor the past's of today."""
    make_stale(stored)
    stored.write("UPDATE integrated_accounts SET last_error = 'of today'")
    an_hour_after = stored.now - timedelta(hours=8)

    assert main(["export", "--out", "then.csv", "--as-of", an_hour_after.isoformat()]) == 0

    coverage = json.loads((stored.folder / "then.csv.coverage.json").read_text())
    assert coverage["as_of"] == an_hour_after.isoformat()
    assert coverage["complete_and_fresh_accounts"] == 2
    names = ask(f"SELECT name FROM '{stored.folder}/then.csv' WHERE tenant_id = 'acme' ORDER BY 1")  # noqa: S608
    assert names == [("Group 0",), ("Group 1",), ("Group 2",)]
    before = (stored.now - timedelta(hours=9, minutes=1)).isoformat()
    capsys.readouterr()
    assert main(["export", "--out", "before.csv", "--as-of", before]) == 3
    assert "None of the wanted accounts was known at" in capsys.readouterr().err


def test_the_breakdown_as_of_an_instant_counts_the_groups_of_then(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    def export(*arguments: str) -> list[tuple[Any, ...]]:
        command = ["export", "--table", "group_type_breakdown", "--out", "types.parquet"]
        assert main([*command, *arguments]) == 0, capsys.readouterr().err
        return ask(f"FROM '{stored.folder}/types.parquet' ORDER BY tenant_id, group_type")

    first = export()
    stored.pass_time(minutes=10)
    retyped = [group(0, group_type="department"), group(1), group(2), group(3)]
    stored.put(A, retyped, integration="okta", tenant_id="acme")
    assert stored.outcomes(A, run_id="retyped") == {A: "published"}

    assert [row[3:] for row in export() if row[0] == A] == [
        ("department", 1, 0.25),
        ("team", 3, 0.75),
    ]
    then = (stored.now - timedelta(minutes=1)).isoformat()
    assert export("--as-of", then) == first
    assert export("--as-of", then, "--account", KEY_A) == [row for row in first if row[0] == A]
    assert export("--as-of", stored.now.isoformat()) == export()
    assert ask(f"DESCRIBE FROM '{stored.folder}/types.parquet'")[5][:2] == ("share", "DOUBLE")


def test_what_was_stale_then_is_not_fresh_because_it_is_today(stored: Stand) -> None:
    stored.write_settings("defaults: {refresh_every: 1h, max_age: 2h}")
    six_hours_after = (stored.now - timedelta(hours=3)).isoformat()

    assert main(["export", "--out", "now.csv"]) == 0
    assert main(["export", "--out", "then.csv", "--as-of", six_hours_after]) == 3


def test_a_sync_that_was_accepted_later_was_not_published_then(stored: Stand) -> None:
    stored.write_settings("defaults: {refresh_every: 1h, max_age: 2h}")
    stored.write(
        "INSERT INTO accepted_baselines VALUES ($id, 'second', $later, 'me', 'meant', 'd')",
        id=A,
        later=stored.now + timedelta(minutes=50),
    )
    then = (stored.now + timedelta(minutes=1)).isoformat()

    assert main(["export", "--out", "a.csv", "--as-of", then, "--account", KEY_A]) == 3
    assert main(["export", "--out", "b.csv", "--as-of", then, "--account", KEY_B]) == 0


def count_active(stored: Stand, at: datetime) -> int:
    """How many accounts were active at an instant, as the coverage statement has it."""
    main(["export", "--out", "at.csv", "--as-of", at.isoformat(), "--allow-incomplete"])
    return json.loads((stored.folder / "at.csv.coverage.json").read_text())["active_accounts"]


def test_an_account_that_is_to_be_reconnected_or_gone_since_was_active_then(stored: Stand) -> None:
    then = stored.now - timedelta(hours=5)
    stored.put(B, [], integration="slack", tenant_id="globex", status="needs_reauth")
    stored.discover()
    assert count_active(stored, then) == 2
    assert count_active(stored, stored.now) == 1
    stored.server.remove_account(B)
    stored.discover()
    assert count_active(stored, then) == 2


def why_missing(stored: Stand, at: datetime) -> dict[str, tuple[str, str]]:
    """Why accounts are missing at an instant, and what to do, as the coverage statement has it."""
    main(["export", "--out", "at.csv", "--as-of", at.isoformat(), "--allow-incomplete"])
    coverage = json.loads((stored.folder / "at.csv.coverage.json").read_text())
    return {one["partition_key"]: (one["why"], one["what_to_do"]) for one in coverage["missing"]}


def test_before_the_ledger_begins_groups_are_known_and_not_how_fresh_they_were(
    stored: Stand,
) -> None:
    """One that was deleted by hand, too: what was published then is told by the groups."""
    stored.write("DELETE FROM account_syncs WHERE run_id = 'first'")
    at = stored.now - timedelta(hours=5)
    then = ["--as-of", at.isoformat(), "--out", "then.csv"]
    assert main(["export", *then]) == 3
    assert main(["export", *then, "--allow-incomplete"]) == 0
    assert ask(f"SELECT count(*) FROM '{stored.folder}/then.csv'") == [(5,)]  # noqa: S608
    told = why_missing(stored, at)
    assert set(told) == {KEY_A, KEY_B}
    for why, advice in told.values():
        assert why.startswith("How fresh it was then is not known")
        assert "ledger_kept_for" in advice


def test_of_a_time_that_the_ledger_holds_in_parts_no_age_is_told(stored: Stand) -> None:
    """An attempt that stays for its shape's sake is not the last that confirmed the account."""
    stored.write_settings("defaults: {refresh_every: 1h, max_age: 2h}")
    at = stored.now - timedelta(hours=5)
    assert why_missing(stored, at)[KEY_A][0].startswith("It was last confirmed 4 h")
    with stored.database.writing() as connection:
        assert prune_ledger(connection, before=at + timedelta(hours=1), most=10) == 0
    assert why_missing(stored, at)[KEY_A][0].startswith("It was last confirmed 4 h")
    stored.write("INSERT INTO account_syncs BY NAME SELECT * REPLACE ('more' AS run_id) "
                 "FROM account_syncs WHERE run_id = 'first'")  # fmt: skip
    for run in range(20):
        stored.write(
            "INSERT INTO account_syncs BY NAME SELECT * REPLACE ($run AS run_id, "
            "answer_order + 100 AS answer_order) FROM account_syncs WHERE run_id = 'second'",
            run=str(run),
        )
    for before in (at + timedelta(hours=1), at - timedelta(hours=1)):
        with stored.database.writing() as connection:
            assert prune_ledger(connection, before=before, most=1) == 1
    assert "first" in {row["run_id"] for row in stored.ledger(A)}
    assert why_missing(stored, at)[KEY_A][0].startswith("How fresh it was then is not known")
    assert KEY_A not in why_missing(stored, stored.now)


def test_of_an_account_that_is_removed_since_its_changes_tell_that_it_had_groups(
    stored: Stand,
) -> None:
    at = stored.now - timedelta(hours=5)
    stored.server.remove_account(B)
    stored.discover()
    stored.pass_time(days=8)
    stored.discover()
    assert why_missing(stored, at) == {}
    stored.write("DELETE FROM account_syncs WHERE run_id = 'first'")
    told = why_missing(stored, at)
    assert set(told) == {KEY_A, B}
    assert told[B][0].startswith("How fresh it was then is not known")


def test_what_was_held_back_first_was_published_when_it_was_accepted(stored: Stand) -> None:
    first = min(row["finished_at"] for row in stored.ledger(A))
    accepted = first + timedelta(hours=3)
    stored.write("DELETE FROM account_syncs WHERE run_id = 'second'")
    stored.write("UPDATE groups SET first_seen_at = $at", at=accepted)
    stored.write("DELETE FROM group_changes")
    stored.write(
        "INSERT INTO accepted_baselines VALUES ($id, 'first', $at, 'me', 'meant', 'd')",
        id=A,
        at=accepted,
    )
    told = why_missing(stored, first + timedelta(hours=1))
    assert set(told) == {KEY_A}
    assert f"They first were at {accepted.isoformat(timespec='seconds')}" in told[KEY_A][1]
    assert KEY_A not in why_missing(stored, accepted + timedelta(hours=1))


def test_before_anything_was_published_it_is_told_when_it_first_was(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    first = min(row["finished_at"] for row in stored.ledger(A))
    early = first - timedelta(hours=2)
    stored.write("UPDATE integrated_accounts SET first_listed_at = $at", at=early)
    told = why_missing(stored, first - timedelta(hours=1))
    assert told[KEY_A] == (
        "Its groups were not published yet.",
        f"They first were at {first.isoformat(timespec='seconds')}: ask for that instant or a "
        "later one.",
    )
    assert set(told) == {KEY_A, KEY_B}
    capsys.readouterr()

    before = (early - timedelta(days=1)).isoformat()
    assert main(["export", "--out", "none.csv", "--as-of", before]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert f"the first was listed at {early.isoformat(timespec='seconds')}." in said
    for option, name in (("--tenant", "acme"), ("--integration", "okta"), ("--account", KEY_A)):
        assert main(["export", "--out", "none.csv", "--as-of", before, option, name]) == 1
        said = " ".join(capsys.readouterr().err.split())
        assert f"{name}: not known yet at" in said
        assert f"it was first listed at {early.isoformat(timespec='seconds')}." in said
    nobodys = ["--tenant", "acme", "--integration", "slack"]
    assert main(["export", "--out", "no.csv", "--as-of", stored.now.isoformat(), *nobodys]) == 3
    assert "first was listed" not in " ".join(capsys.readouterr().err.split())
    for name, hint in (("okta", "`--integration okta` names all"), ("nobody", "no such account")):
        now = stored.now.isoformat()
        assert main(["export", "--out", "no.csv", "--as-of", now, "--account", name]) == 1
        assert hint in " ".join(capsys.readouterr().err.split())
    assert main(["export", "--out", "none.csv", "--as-of", before, "--tenant", "acmé"]) == 1
    assert "acmé: no account of such a tenant" in capsys.readouterr().err


def test_a_sync_that_was_under_way_had_confirmed_nothing_yet(stored: Stand) -> None:
    stored.write_settings("defaults: {refresh_every: 1h, max_age: 2h}")
    stored.write("UPDATE account_syncs SET finished_at = started_at + INTERVAL 30 MINUTES "
                 "WHERE run_id = 'second'")  # fmt: skip
    began = stored.ledger(A)[-1]["started_at"]
    assert set(why_missing(stored, began + timedelta(minutes=10))) == {KEY_A, KEY_B}
    assert why_missing(stored, began + timedelta(minutes=30)) == {}


def test_a_sync_that_failed_confirmed_nothing_then(stored: Stand) -> None:
    stored.write_settings("defaults: {refresh_every: 1h, max_age: 2h}")
    stored.write(
        "UPDATE account_syncs SET outcome = 'failed', error = 'no' "
        "WHERE run_id = 'second' AND integrated_account_id = $id",
        id=B,
    )
    then = (stored.now + timedelta(minutes=1)).isoformat()
    assert main(["export", "--out", "a.csv", "--as-of", then, "--account", KEY_A]) == 0
    assert main(["export", "--out", "b.csv", "--as-of", then, "--account", KEY_B]) == 3


def test_an_account_that_is_removed_since_is_judged_by_what_it_was(stored: Stand) -> None:
    then = (stored.now - timedelta(hours=5)).isoformat()
    last = stored.now + timedelta(minutes=1)
    stored.server.remove_account(B)
    stored.discover()
    stored.pass_time(days=8)
    stored.discover()
    assert [row["id"] for row in stored.table("integrated_accounts")] == [A]

    assert main(["export", "--out", "then.csv", "--as-of", then]) == 0

    coverage = json.loads((stored.folder / "then.csv.coverage.json").read_text())
    assert coverage["active_accounts"] == 2
    assert main(["export", "--out", "globex.csv", "--as-of", then, "--tenant", "globex"]) == 0
    rows = ask(f"SELECT count(*) FROM '{stored.folder}/globex.csv'")  # noqa: S608
    assert rows == [(2,)]
    assert count_active(stored, last) == 1
    assert main(["export", "--out", "now.csv", "--tenant", "globex"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--format", "csv", "--tenant", "acmee"], 1, "did you mean acme?"),
        (["--format", "csv", "--account", "acme.okta.bbbb"], 1, "did you mean"),
        (["--format", "csv", "--as-of", "yesterday"], 2, "'yesterday' is no instant"),
        (["--format", "csv", "--as-of", "2999-01-01"], 2, "has not come yet"),
        (
            ["--format", "csv", "--as-of", "2026-01-01", "--table", "account_syncs"],
            2,
            "groups and group_type_breakdown alone",
        ),
        (["--format", "xml"], 2, "'xml' is not one of"),
        (["--format", "csv", "--table", "group"], 2, "'group' is not one of"),
        ([], 2, "--format parquet|csv|json"),
        (["--out", "out.txt"], 2, "--format parquet|csv|json"),
        (["--format", "csv", "--out", "groups.duckdb"], 2, "replace the database itself"),
        (["--format", "csv", "--out", "groups.duckdb.wal"], 2, "replace the database itself"),
        (["--format", "csv", "--out", "."], 2, "no file that can be replaced"),
        (["--format", "csv", "--out", "/dev/null"], 2, "no file that can be replaced"),
        (["--format", "csv", "--out", "none/out.csv"], 2, "cannot be written to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(
    stored: Stand, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == code

    assert told in " ".join(capsys.readouterr().err.split())
    assert files_of(stored) == {"truto_groups.yaml"}
    assert len(stored.table("groups")) == 5


def test_no_statement_stands_beside_rows_that_it_was_not_made_for(
    stored: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["export", "--out", "out.csv"]) == 0
    replace = Path.replace

    def break_off(path: Path, target: Path) -> Path:
        if target.name == "out.csv":
            return replace(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", break_off)
    assert main(["export", "--out", "out.csv", "--table", "account_syncs"]) == 130
    assert (stored.folder / "out.csv").read_text().startswith("integrated_account_id,run_id")
    assert files_of(stored) == {"out.csv", "truto_groups.yaml"}


def test_rows_that_go_to_stdout_leave_no_file(
    stored: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    monkeypatch.setattr(exports, "name_spill_folder", lambda: str(aside))
    with open_export(ExportRequest("groups", AccountFilter()), cwd=stored.folder) as export:
        with export.written(form="csv") as path:
            assert path == aside
            assert len(aside.read_text().splitlines()) > 5
        assert not aside.exists()


def test_accounts_of_which_none_is_all_that_is_wanted_are_not_called_unknown(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--out", "out.csv", "--tenant", "acme", "--integration", "slack"]) == 3
    assert "None of the wanted accounts was known at" in capsys.readouterr().err
    assert files_of(stored) == {"truto_groups.yaml"}


def test_a_name_that_is_not_utf_8_is_refused_with_the_reason(
    stored: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--out", "\udcff.csv"]) == 2
    told = capsys.readouterr().err
    assert "\\udcff.csv holds bytes that are not UTF-8" in told
    assert "unforeseen" not in told
    assert files_of(stored) == {"truto_groups.yaml"}


FULL_DISK = """
import resource, signal, sys
from truto_groups.cli import main
from truto_groups.cli.commands import commands
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from truto_groups.runner import export_table
opened = export_table.select_rows
def limit(*given, **named):
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    return opened(*given, **named)
export_table.select_rows = limit
sys.exit(main(["export", "--out", "out.csv"]))
"""


def test_a_disk_that_is_full_leaves_the_file_of_before(stored: Stand) -> None:
    (stored.folder / "out.csv").write_text("of before")
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK],
        cwd=stored.folder,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TRUTO_GROUPS_DATABASE": stored.database.location,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2, ended.stderr
    assert "cannot be written to" in ended.stderr
    assert (stored.folder / "out.csv").read_text() == "of before"
    assert files_of(stored) == {"out.csv", "truto_groups.yaml"}


def test_where_there_is_no_output_nothing_is_called_written(
    stored: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stored.table("groups")
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["export", "--format", "csv"]) == 2
    assert "There is no output to write to. Name a file with --out." in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_is_full_is_told_as_the_file_is(stored: Stand) -> None:
    """Else it ends with 1, which says that a name is nobody's."""
    with Path("/dev/full").open("w") as full:
        ended = export_apart(stored, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 2, ended.stderr
    assert "cannot be written to the output: No space left on device." in ended.stderr


def test_every_table_can_be_exported(stored: Stand) -> None:
    (option,) = [one for one in commands.commands["export"].params if one.name == "table"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(EXPORTED)
    for table in EXPORTED:
        assert main(["export", "--table", table, "--out", f"{table}.parquet"]) == 0
        columns = ask(f"DESCRIBE FROM '{stored.folder}/{table}.parquet'")
        assert columns, table
        past = ["--as-of", stored.now.isoformat(), "--out", "past.parquet"]
        assert main(["export", "--table", table, *past]) == (0 if table in EXPORTED_AS_OF else 2)
