"""What people and notebooks read: real database files, filled from the sandbox over HTTP.

Another program that writes is a real process.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from truto_groups import read, schema
from truto_groups.errors import (
    DatabaseError,
    MissingPackageError,
    SettingsError,
    UnknownNameError,
)
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.rows import Rows
from truto_groups_tests.stand import A, B, C, Stand, group, groups_of, open_stand


@pytest.fixture(name="synced", scope="module")
def provide_synced(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Two accounts, one of which loses, gains and renames a group on its second day."""
    with open_stand(tmp_path_factory.mktemp("synced")) as stand:
        first, second = [group(0), group(1), group(2)], [group(0), group(1, "Renamed"), group(3)]
        stand.put(A, first, second, integration="okta", tenant_id="acme")
        stand.put(B, [], integration="slack", tenant_id="globex")
        stand.discover()
        stand.sync(A, B)
        stand.pass_time(days=1)
        stand.sync(A, run_id="second")
    return stand


@pytest.fixture(name="later", scope="module")
def provide_later(synced: Stand, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """The same some hours later: a group of Slack, other types, and types that drifted."""
    with open_stand(tmp_path_factory.mktemp("later")) as stand:
        stand.go_on_from(synced)
        stand.pass_time(hours=1)
        squad = group(5, "Squad", group_type="squad")
        teams = [group(0), group(1, "Renamed"), group(3), squad]
        stand.put(A, teams, integration="okta", tenant_id="acme")
        sales = group(1, "Sales", group_type="department")
        stand.put(B, [sales], integration="slack", tenant_id="globex")
        stand.sync(A, B, run_id="third")
        return stand


@pytest.fixture(name="filled")
def provide_filled(synced: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """What was synced first, to be read only."""
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", synced.database.location)
    return synced


@pytest.fixture(name="mixed")
def provide_mixed(later: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """What was synced later, to be read only."""
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", later.database.location)
    return later


@pytest.fixture(name="look", scope="module")
def provide_look(later: Stand) -> Iterator[Connection]:
    """One look at what was synced later: to open one takes longer than to ask it."""
    with read.connect(later.database.location) as connection:
        yield connection


@pytest.fixture(name="own")
def provide_own(stand: Stand, synced: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """What was synced first, in a database of the test's own."""
    stand.go_on_from(synced)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    return stand


@pytest.fixture(name="own_mixed")
def provide_own_mixed(stand: Stand, later: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """What was synced later, in a database of the test's own."""
    stand.go_on_from(later)
    for account in later.server.accounts:
        stand.server.put_account(account)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    return stand


TABLES = {
    schema.GROUPS: read.groups,
    schema.RAW_GROUPS: read.raw_groups,
    schema.GROUP_TYPE_BREAKDOWN: read.group_type_breakdown,
    schema.GROUP_CHANGES: read.group_changes,
    schema.PRIVILEGED_GROUP_CHANGES: read.privileged_group_changes,
    schema.INTEGRATED_ACCOUNTS: read.integrated_accounts,
    schema.INTEGRATION_CONTRACTS: read.integration_contracts,
    schema.ACCOUNT_SYNCS: read.account_syncs,
    schema.HELD_BACK_GROUPS: read.held_back,
    schema.ACCOUNT_DRIFT: read.drift,
    schema.ACCEPTED_BASELINES: read.accepted,
}


@pytest.mark.long
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


def test_an_instant_without_a_zone_is_utc_wherever_the_machine_stands(
    filled: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 18:00 on the island of Kiritimati it was 4:00 in UTC, and nothing published yet."""
    del filled
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        for instant in (datetime(2026, 3, 1, 18), "2026-03-01T18:00", date(2026, 3, 2)):  # noqa: DTZ001
            assert len(read.groups_as_of(instant)) == 3
        assert len(read.groups_as_of("2026-03-01T18:00+14:00")) == 0
        assert read.groups()["first_seen_at"].min() == pd.Timestamp("2026-03-01T12:00:00Z")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_changed_comes_the_latest_first(own_mixed: Stand) -> None:
    for day in (3, 5, 4):
        own_mixed.write(
            "INSERT INTO group_changes BY NAME SELECT * REPLACE ($at::TIMESTAMPTZ AS changed_at) "
            "FROM group_changes LIMIT 1",
            at=f"2026-04-0{day}",
        )
    at = list(read.group_changes()["changed_at"])
    assert at == sorted(at, reverse=True)
    assert at[0] == pd.Timestamp("2026-04-05", tz="UTC")


@pytest.mark.long
def test_one_connection_is_one_look_for_several_questions(own: Stand) -> None:
    with read.connect() as connection:
        before = read.groups(connection)
        own.put(B, groups_of(5), integration="slack")
        own.sync(B, run_id="third")

        assert len(read.groups(connection)) == len(before) == 3
    assert len(read.groups()) == 8


def test_what_is_committed_and_still_in_the_journal_is_read(own: Stand) -> None:
    """A copy of the file alone gives the last checkpoint."""
    program = (
        "import duckdb, os, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute(\"UPDATE groups SET name = 'In the journal'\")\n"
        "os._exit(0)\n"
    )
    path = own.database.location
    subprocess.run([sys.executable, "-c", program, path], check=True)
    assert Path(f"{path}.wal").exists()

    assert set(read.groups()["name"]) == {"In the journal"}


def test_a_reader_never_blocks_a_writer(own: Stand) -> None:
    with read.connect() as connection:
        own.write("DELETE FROM groups")

        assert connection.execute("SELECT count(*) FROM groups").fetchone() == (3,)
    assert read.groups().empty


def test_the_connection_refuses_to_write(own: Stand) -> None:
    with read.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("DELETE FROM groups")

    assert len(own.table("groups")) == 3


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


# Filters.


@pytest.mark.long
@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({"account": "acme.okta.aaaaaaaa"}, {A}),
        ({"account": A}, {A}),
        ({"account": "ACME"}, {A}),
        ({"account": ["acme.okta", B[:6]]}, {A, B}),
        ({"tenant": "acme"}, {A}),
        ({"integration": ["okta", "slack"]}, {A, B}),
        ({"integration": ("slack",)}, {B}),
        ({"tenant": "acme", "integration": "slack"}, set()),
        ({"account": []}, set()),
        ({}, {A, B}),
    ],
    ids=lambda value: "" if isinstance(value, set) else str(value),
)
def test_a_filter_takes_one_or_several_and_all_filters_must_hold(
    look: Connection, wanted: dict[str, Any], ids: set[str]
) -> None:
    for function in (read.groups, read.raw_groups, read.group_type_breakdown, read.account_syncs):
        assert set(function(look, **wanted)["integrated_account_id"]) == ids
    assert set(read.integrated_accounts(look, **wanted)["id"]) == ids
    assert set(read.overview(look, **wanted)["integrated_account_id"]) == ids
    assert set(read.drift(look, **wanted)["integrated_account_id"]) == ids & {A}
    assert set(read.group_changes(look, **wanted)["integrated_account_id"]) == ids
    assert set(read.groups_as_of("2026-03-03", look, **wanted)["integrated_account_id"]) == ids


@pytest.mark.parametrize(
    ("types", "names"),
    [
        ("team", {"Group 0", "Renamed", "Group 3"}),
        ("Department", {"Sales"}),
        (["department", "unmapped"], {"Sales", "Squad"}),
        ([], set()),
    ],
    ids=lambda value: "" if isinstance(value, set) else str(value),
)
def test_groups_are_chosen_by_type(look: Connection, types: Any, names: set[str]) -> None:
    assert set(read.groups(look, type=types)["name"]) == names
    assert set(read.groups_as_of("2026-03-03", look, type=types)["name"]) == names
    assert read.group_type_breakdown(look, type=types)["group_count"].sum() == len(names)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"account": "acme.otka.aaaaaaaa"}, r"acme\.otka\.aaaaaaaa: no such account.*acme\.okta"),
        ({"account": ["acme", "zzz"]}, "zzz: no such account"),
        ({"tenant": "acmee"}, "acmee: no account of such a tenant.*did you mean acme"),
        ({"integration": "otka"}, "otka: no account of such an integration.*did you mean okta"),
        ({"type": "teem"}, "teem: no such type of a group.*did you mean team"),
        ({"type": "x"}, "a type is one of team, department"),
    ],
    ids=lambda value: "" if isinstance(value, set) else str(value),
)
def test_a_name_that_is_nobodys_is_answered_with_the_nearest(
    look: Connection, wanted: dict[str, Any], told: str
) -> None:
    """Told at once, and not when the rows are wanted."""
    with pytest.raises(UnknownNameError, match=told):
        read.groups(look, **wanted)
    with pytest.raises(LookupError):
        read.groups_as_of("2026-03-02", look, **wanted)


def test_of_a_name_that_was_not_known_yet_it_is_told_since_when_it_is(mixed: Stand) -> None:
    del mixed
    with pytest.raises(
        UnknownNameError, match=r"acme: not known yet at 2020.*listed at 2026-03-01"
    ):
        read.groups_as_of("2020-01-01", tenant="acme")


def test_a_beginning_that_several_accounts_share_is_told(own_mixed: Stand) -> None:
    own_mixed.put(C, [], integration="okta", tenant_id="acme")
    own_mixed.discover()

    with pytest.raises(UnknownNameError, match=r"acme\.okta: no one account alone.*2 begin so"):
        read.groups(account="acme.okta")


@pytest.mark.long
def test_contracts_are_chosen_by_integration(own_mixed: Stand) -> None:
    for name in ("okta", "slack"):
        own_mixed.write(
            "INSERT INTO integration_contracts BY NAME SELECT $name AS integration, "
            "'field' AS kind, 'id' AS name, TRUE AS is_required, now() AS first_seen_at",
            name=name,
        )

    assert list(read.integration_contracts(integration="slack")["integration"]) == ["slack"]
    assert list(read.integration_contracts()["integration"]) == ["okta", "slack"]
    assert len(read.integration_contracts(integration=[])) == 0
    with pytest.raises(UnknownNameError, match=r"slak: no account of such an integration.*slack"):
        read.integration_contracts(integration=["okta", "slak"])
    own_mixed.write(
        "UPDATE integration_contracts SET integration = 'gone' WHERE integration = 'slack'"
    )
    assert list(read.integration_contracts(integration="gone")["integration"]) == ["gone"]
    assert len(read.integration_contracts(integration="slack")) == 0


@pytest.fixture(name="waiting", scope="module")
def provide_waiting(later: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A look at three rows in each table of what persons wait for, the latest not the first."""
    with open_stand(tmp_path_factory.mktemp("waiting")) as stand:
        stand.go_on_from(later)
        for table, instant in (
            ("held_back_groups", "received_at"),
            ("accepted_baselines", "accepted_at"),
            ("privileged_group_changes", "changed_at"),
        ):
            for number, account in enumerate((B, A, B)):
                row = {column.name: _fill(column) for column in schema_table(table).columns}
                row |= {"integrated_account_id": account, instant: f"2026-04-0{number + 1}"}
                row |= {"position": 3 - number} if table == "held_back_groups" else {}
                names = ", ".join(row)
                places = ", ".join(f"${name}" for name in row)
                stand.write(f"INSERT INTO {table} ({names}) VALUES ({places})", **row)  # noqa: S608
        with read.connect(stand.database.location) as connection:
            yield connection


@pytest.mark.long
@pytest.mark.parametrize(
    "read_rows",
    [read.held_back, read.accepted, read.privileged_group_changes, read.account_syncs],
    ids=lambda function: function.__name__,
)
def test_what_persons_wait_for_is_filtered_and_sorted_alike(
    waiting: Connection, read_rows: Callable[..., Rows]
) -> None:
    for wanted, accounts in (
        ({}, {A, B}),
        ({"account": "globex.slack"}, {B}),
        ({"tenant": "acme"}, {A}),
        ({"integration": "slack"}, {B}),
        ({"tenant": "acme", "integration": "slack"}, set[str]()),
        ({"tenant": []}, set[str]()),
    ):
        assert set(read_rows(waiting, **wanted)["integrated_account_id"]) == accounts
    with pytest.raises(UnknownNameError):
        read_rows(waiting, tenant="slack")
    rows = read_rows(waiting, tenant="globex")
    column = next((one for one in ("accepted_at", "changed_at", "started_at") if one in rows), None)
    if column is not None:
        assert list(rows[column]) == sorted(rows[column], reverse=True)
    elif "position" in rows:
        assert list(rows["position"]) == [1, 3]


def schema_table(name: str) -> schema.Table:
    (found,) = [table for table in schema.TABLES if table.name == name]
    return found


def _fill(column: schema.Column) -> object:
    values = {"BIGINT": 1, "JSON": "{}", "TIMESTAMPTZ": "2026-04-01"}
    return values.get(column.type, "text")


def test_the_overview_has_a_row_for_each_account(mixed: Stand) -> None:
    overview = read.overview().set_index("partition_key")

    okta, slack = overview.loc["acme.okta.aaaaaaaa"], overview.loc["globex.slack.bbbbbbbb"]
    assert (okta["group_count"], okta["last_outcome"], okta["warning_count"]) == (4, "published", 1)
    assert okta["last_confirmed_at"] == pd.Timestamp(mixed.now)
    assert slack["group_count"] == 1


def test_the_overview_tells_what_waits_and_what_changed_lately(own_mixed: Stand) -> None:
    own_mixed.put(
        B, [{"name": "no id"}, {"name": "nor here"}], integration="slack", tenant_id="globex"
    )
    own_mixed.sync(B, run_id="held")
    own_mixed.write(
        "INSERT INTO account_syncs BY NAME SELECT * REPLACE ('cut' AS run_id, 'interrupted' AS "
        "outcome, answer_order + 9 AS answer_order) FROM account_syncs WHERE run_id = 'held'"
    )
    for days, change in ((1, "added"), (6, "removed"), (6, "changed"), (8, "added")):
        own_mixed.write(
            "INSERT INTO group_changes SELECT $id, 'g', $change, NULL, '{}', 'n', "
            "now() - to_days($days), 'r'",
            id=B,
            change=change,
            days=days,
        )
    overview = read.overview().set_index("partition_key")
    okta, slack = overview.loc["acme.okta.aaaaaaaa"], overview.loc["globex.slack.bbbbbbbb"]
    assert (slack["last_outcome"], slack["held_back_count"]) == ("held_back", 2)
    assert (slack["breaking_count"], okta["breaking_count"]) == (1, 0)
    lately = [f"{change}_in_7_days" for change in ("added", "removed", "changed")]
    assert list(slack[lately]) == [1, 1, 1]
    assert list(okta[lately]) == [0, 0, 0]
    assert (okta["held_back_count"], okta["warning_count"]) == (0, 1)


def test_what_waits_and_what_was_accepted_can_be_read(own_mixed: Stand) -> None:
    own_mixed.put(B, [{"name": "no id"}], integration="slack", tenant_id="globex")
    own_mixed.sync(B, run_id="held")
    own_mixed.write(
        "INSERT INTO accepted_baselines VALUES ($id, 'r', now(), 'me', 'meant', 'd')", id=A
    )

    assert list(read.held_back()["integrated_account_id"]) == [B]
    assert "breaking" in set(read.drift(integration="slack")["severity"])
    assert list(read.accepted(tenant="acme")["accepted_by"]) == ["me"]


# Forms.


def test_rows_are_relations_that_can_be_asked_further(mixed: Stand) -> None:
    del mixed
    relation = read.groups(tenant="acme").relation

    assert relation.filter("group_type = 'team'").count("*").fetchone() == (3,)


def test_rows_are_a_dataframe_in_all_that_is_asked_of_them(filled: Stand) -> None:
    del filled
    rows = read.groups()

    assert isinstance(rows.df(), pd.DataFrame)
    assert (len(rows), rows.shape, list(rows)[3], "name" in rows) == (3, (3, 16), "id", True)
    assert list(rows.head(1)["id"]) == ["g0"]
    rows["more"] = 1
    assert rows.df()["more"].sum() == 3
    assert repr(rows) == repr(rows.df())
    assert "<table" in rows._repr_html_()
    with pytest.raises(AttributeError):
        rows.nothing_like_it  # noqa: B018


def test_rows_are_as_they_were_when_they_were_asked_for(own: Stand) -> None:
    rows = read.groups()
    own.write("DELETE FROM groups")

    assert len(rows) == 3


def test_rows_outlive_the_connection_that_was_handed_in(filled: Stand) -> None:
    del filled
    with read.connect() as connection:
        rows = read.groups_as_of("2026-03-02", connection, tenant="acme")

    assert len(rows) == 3
    assert str(rows["first_seen_at"].dt.tz) == "UTC"


def test_reading_in_another_form_makes_no_dataframe(filled: Stand) -> None:
    del filled
    rows = read.groups()

    assert rows.relation.count("*").fetchone() == (3,)
    assert "_frame" not in vars(rows)


def test_rows_come_as_arrow(mixed: Stand) -> None:
    del mixed
    arrow = pytest.importorskip("pyarrow")
    table = read.groups(tenant="acme").arrow()

    assert isinstance(table, arrow.Table)
    assert table.schema.field("created_at").type == arrow.timestamp("us", tz="UTC")
    assert table.column("id").to_pylist() == ["g0", "g1", "g3", "g5"]


def test_rows_come_as_polars(mixed: Stand) -> None:
    del mixed
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = read.groups(type="team", tenant="acme").pl()

    assert isinstance(frame, polars.DataFrame)
    assert frame["id"].to_list() == ["g0", "g1", "g3"]


@pytest.mark.parametrize(
    ("package", "form", "told"),
    [
        ("pyarrow", "arrow", r"Arrow: the package pyarrow.*pip install 'truto-groups\[arrow\]'"),
        ("pyarrow", "pl", r"Polars: the package .*pip install 'truto-groups\[polars\]'"),
        ("polars", "pl", r"Polars: the package .*pip install 'truto-groups\[polars\]'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_how_to_get_it(
    filled: Stand, package: str, form: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del filled
    monkeypatch.setitem(sys.modules, package, None)
    rows = read.groups()

    with pytest.raises(MissingPackageError, match=told):
        getattr(rows, form)()
    with pytest.raises(ImportError):
        getattr(rows, form)()
