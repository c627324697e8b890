"""What people and notebooks read: real database files, filled from the sandbox over HTTP.

Another program that writes is a real process.
"""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from truto_groups import read, schema
from truto_groups.errors import DatabaseError, SettingsError
from truto_groups_tests.stand import A, B, Stand, group, groups_of, open_stand


@pytest.fixture(name="synced", scope="module")
def provide_synced(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two accounts, one of which loses, gains and renames a group on its second day."""
    with open_stand(tmp_path_factory.mktemp("synced")) as stand:
        first, second = [group(0), group(1), group(2)], [group(0), group(1, "Renamed"), group(3)]
        stand.put(A, first, second, integration="okta", tenant_id="acme")
        stand.put(B, [], integration="slack")
        stand.discover()
        stand.sync(A, B)
        stand.pass_time(days=1)
        stand.sync(A, run_id="second")
    return stand


@pytest.fixture(name="filled")
def provide_filled(stand: Stand, synced: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The same in a database of the test's own."""
    stand.go_on_from(synced)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    return stand


TABLES = {
    schema.GROUPS: read.groups,
    schema.RAW_GROUPS: read.raw_groups,
    schema.GROUP_TYPE_BREAKDOWN: read.group_type_breakdown,
    schema.GROUP_CHANGES: read.group_changes,
    schema.INTEGRATED_ACCOUNTS: read.integrated_accounts,
    schema.INTEGRATION_CONTRACTS: read.integration_contracts,
    schema.ACCOUNT_SYNCS: read.account_syncs,
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_frame_has_every_row_and_column_of_its_table(filled: Stand, table: schema.Table) -> None:
    frame = TABLES[table]()

    rows = filled.table(table.name)
    assert tuple(frame.columns) == table.column_names
    assert len(frame) == len(rows)
    instants = [column.name for column in table.columns if column.type == "TIMESTAMPTZ"]
    assert {str(frame[name].dt.tz) for name in instants} <= {"UTC"}


def test_groups_come_with_their_values(filled: Stand) -> None:
    frame = read.groups().set_index("id")

    assert list(frame["name"]) == ["Group 0", "Renamed", "Group 3"]
    assert frame.loc["g1", "integration"] == "okta"
    assert frame.loc["g1", "created_at"] == pd.Timestamp("2025-01-15T09:00:00Z")
    assert frame.loc["g1", "changed_at"] == pd.Timestamp(filled.now)
    assert frame.loc["g0", "first_seen_at"] == pd.Timestamp("2026-03-01T12:00:00Z")


def test_a_text_that_is_no_instant_is_told_with_one_that_is() -> None:
    with pytest.raises(ValueError, match=r"'yesterday' is no instant\. .*'2026-11-01'"):
        read.groups_as_of("yesterday")


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 3, 1, 18, tzinfo=UTC),
        datetime(2026, 3, 1, 18),  # noqa: DTZ001
        datetime(2026, 3, 2, tzinfo=UTC).date(),
        "2026-03-01T20:00:00+02:00",
        "2026-03-02",
    ],
    ids=repr,
)
def test_groups_as_of_a_day_ago_are_those_of_the_first_sync(
    filled: Stand, instant: datetime | str
) -> None:
    del filled

    frame = read.groups_as_of(instant)

    assert list(frame["name"]) == ["Group 0", "Group 1", "Group 2"]


def test_one_connection_is_one_look_for_several_questions(filled: Stand) -> None:
    with read.connect() as connection:
        before = read.groups(connection)
        filled.put(B, groups_of(5), integration="slack")
        filled.sync(B, run_id="third")

        assert len(read.groups(connection)) == len(before) == 3
    assert len(read.groups()) == 8


def test_what_is_committed_and_still_in_the_journal_is_read(filled: Stand) -> None:
    """A copy of the file alone gives the last checkpoint."""
    program = (
        "import duckdb, os, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute(\"UPDATE groups SET name = 'In the journal'\")\n"
        "os._exit(0)\n"
    )
    path = filled.database.location
    subprocess.run([sys.executable, "-c", program, path], check=True)
    assert Path(f"{path}.wal").exists()

    assert set(read.groups()["name"]) == {"In the journal"}


def test_a_reader_never_blocks_a_writer(filled: Stand) -> None:
    with read.connect() as connection:
        filled.write("DELETE FROM groups")

        assert connection.execute("SELECT count(*) FROM groups").fetchone() == (3,)
    assert read.groups().empty


def test_the_connection_refuses_to_write(filled: Stand) -> None:
    with read.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("DELETE FROM groups")

    assert len(filled.table("groups")) == 3


def test_an_open_connection_leaves_no_file_behind(
    filled: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    with read.connect() as connection:
        connection.execute("FROM groups").fetchall()

        assert list(folder.iterdir()) == []


def test_a_database_that_does_not_exist_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"no database at .*none\.duckdb yet.*Run"):
        read.connect(str(tmp_path / "none.duckdb"))


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("no database at all" * 1000)

    with pytest.raises(DatabaseError, match=r"text\.duckdb"):
        read.connect(str(path))


def test_outside_of_a_project_the_missing_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="TRUTO_GROUPS_DATABASE"):
        read.groups()


def test_the_dotenv_of_the_project_names_the_database(
    filled: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUTO_GROUPS_DATABASE")
    project = tmp_path / "project"
    project.mkdir()
    (project / "workspace.yaml").touch()
    (project / ".env").write_text(f"TRUTO_GROUPS_DATABASE={filled.database.location}\n")
    monkeypatch.chdir(project)

    assert len(read.groups()) == 3
