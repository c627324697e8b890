"""What the tables hold of accounts that are to be forgotten: every table, every column that tells.

A real database; its rows are written by hand, one for each account in each table.
"""

import json
from collections.abc import Collection

import duckdb
import pytest

from truto_groups import schema
from truto_groups.schema import Column
from truto_groups.text.markers import Markers
from truto_groups.warehouse.forget_in_tables import (
    count_rows,
    delete_rows,
    find_values,
    iterate_other_texts,
    read_removed_accounts,
    read_texts,
)
from truto_groups_tests.stand import A, B, Stand

NAMES_AN_ACCOUNT = [
    table.name for table in schema.TABLES if "integrated_account_id" in table.column_names
]
LONGER = f"{A}9"


def fill(column: Column, account: str) -> object:
    if column.name in ("id", "integrated_account_id"):
        return account
    return {
        "VARCHAR": f"{column.name} of {account}",
        "JSON": json.dumps({"of": account}),
        "BOOLEAN": True,
        "DOUBLE": 1.0,
    }.get(column.type, "2026-01-01" if column.type == "TIMESTAMPTZ" else 1)


def write(connection: duckdb.DuckDBPyConnection, table: str, /, **values: object) -> None:
    places = ", ".join(f"${column}" for column in values)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})",  # noqa: S608
        values,
    )


def fill_all(stand: Stand, *accounts: str) -> None:
    """A row of each account in each table, its name in every text of it."""
    with stand.database.writing() as connection:
        for account in accounts:
            for table in schema.TABLES:
                if table.name not in (schema.DATABASE_PROPERTIES.name,):
                    row = {column.name: fill(column, account) for column in table.columns}
                    write(connection, table.name, **row)
            write(connection, "database_properties", name=f"looked_up:{account}", value="today")


def test_each_table_loses_the_rows_of_an_account_and_keeps_those_of_others(stand: Stand) -> None:
    fill_all(stand, A, B, LONGER)
    with stand.database.writing() as connection:
        counts = count_rows(connection, [A])
        delete_rows(connection, [A])
    named = {"integrated_accounts", "database_properties", *NAMES_AN_ACCOUNT}
    assert counts == dict.fromkeys(named, 1)
    for name in NAMES_AN_ACCOUNT:
        left = {row["integrated_account_id"] for row in stand.table(name)}
        assert left == {B, LONGER}, name
    assert {row["id"] for row in stand.table("integrated_accounts")} == {B, LONGER}
    looked_up = [row["name"] for row in stand.table("database_properties") if ":" in row["name"]]
    assert looked_up == [f"looked_up:{LONGER}", f"looked_up:{B}"]


def test_every_text_that_tells_of_a_group_is_looked_for(stand: Stand) -> None:
    record = {"id": "r-id", "name": "r-name", "description": "r-text", "organization": "r-org"}
    changed = {
        "name": ["before-name", "after-name"],
        "description": ["before-text", None],
        "organization_id": ["before-org", "after-org"],
    }
    held_back = {key: value.replace("r-", "h-") for key, value in record.items()}
    fill_all(stand, A, B)
    for account, prefix in ((A, ""), (B, "other-")):
        with stand.database.writing() as connection:
            for table, values in {
                "groups": {"id": "g-id", "name": "g-name", "description": "g-text",
                           "organization_id": "g-org"},
                "raw_groups": {"record": record},
                "held_back_groups": {"record": held_back},
                "group_changes": {"id": "c-id", "name": "c-name", "changed_fields": changed},
                "account_shapes": {"examples": {"remote_data.owner": "an example"}},
            }.items():  # fmt: skip
                for column, value in values.items():
                    text = value if isinstance(value, str) else json.dumps(value)
                    for one in ("r-", "h-", "g-", "c-", "before", "after", "an example"):
                        text = text.replace(f'"{one}', f'"{prefix}{one}') if prefix else text
                    connection.execute(
                        f"UPDATE {table} SET {column} = $text "  # noqa: S608
                        "WHERE integrated_account_id = $id",
                        {"text": prefix + text if isinstance(value, str) else text, "id": account},
                    ).fetchall()
    with stand.database.reading() as connection:
        assert read_texts(connection, [A]) == {
            "g-id", "g-name", "g-text", "g-org", "r-id", "r-name", "r-text", "r-org", "h-id",
            "h-name", "h-text", "h-org", "c-id", "c-name", "before-name", "after-name",
            "before-text", "before-org", "after-org", "an example",
        }  # fmt: skip


@pytest.mark.parametrize("table", [table.name for table in schema.TABLES])
def test_what_stands_in_any_row_that_stays_is_others_too(stand: Stand, table: str) -> None:
    fill_all(stand, A, B)
    column = "value" if table == "database_properties" else _text_column(table)
    text = '"as Ganymede Board"'
    stand.write(f"UPDATE {table} SET {column} = $text{_where(table, B)}", text=text)  # noqa: S608
    assert "Ganymede Board" in read_others(stand)
    if _where(table, A):
        stand.write(f"UPDATE {table} SET {column} = 'null'{_where(table, B)}")  # noqa: S608
        stand.write(f"UPDATE {table} SET {column} = $text{_where(table, A)}", text=text)  # noqa: S608
        assert "Ganymede Board" not in read_others(stand)


def read_others(stand: Stand) -> str:
    with stand.database.reading() as connection:
        return b"".join(iterate_other_texts(connection, [A])).decode()


def _text_column(table: str) -> str:
    (found,) = [one for one in schema.TABLES if one.name == table]
    texts = [column.name for column in found.columns if column.type == "VARCHAR"]
    ids = ("id", "integrated_account_id")
    return next((one for one in texts if one not in ids), "record")


def _where(table: str, account: str) -> str:
    if table == "database_properties":
        return f" WHERE name = 'looked_up:{account}'"
    if table == "integrated_accounts":
        return f" WHERE id = '{account}'"
    return f" WHERE integrated_account_id = '{account}'" if table in NAMES_AN_ACCOUNT else ""


def test_a_search_finds_a_text_in_any_table_in_any_form(stand: Stand) -> None:
    fill_all(stand, B)
    stand.write(
        """CREATE TABLE "a ""table"" of theirs" AS
           SELECT i AS n, CASE i % 2000 WHEN 7 THEN 'Quo"ted Board' ELSE '' END AS "odd name"
           FROM range(6000) AS t(i)"""
    )
    stand.write("""CREATE SCHEMA elsewhere""")
    stand.write("""CREATE TABLE elsewhere.j AS SELECT '{"x": "Quo\\"ted Board"}'::JSON AS j""")
    assert find(stand, ['Quo"ted Board']) == {'a "table" of theirs': 3, "j": 1}
    assert find(stand, ["nothing of it"]) == {}


def find(stand: Stand, texts: Collection[str]) -> dict[str, int]:
    with stand.database.reading() as connection:
        return dict(find_values(connection, Markers(texts)))


def test_accounts_that_are_not_known_any_more_are_those_that_left_rows(stand: Stand) -> None:
    fill_all(stand, B)
    removed = {"integration": ["okta", None], "tenant_id": ["acme", None]}
    with stand.database.writing() as connection:
        for account, table in (
            ("in-the-ledger", schema.ACCOUNT_SYNCS),
            ("in-what-changed", schema.GROUP_CHANGES),
            ("in-what-was-accepted", schema.ACCEPTED_BASELINES),
            ("in-what-was-reviewed", schema.PRIVILEGED_GROUP_CHANGES),
        ):
            row = {column.name: fill(column, account) for column in table.columns}
            write(connection, table.name, **row)
        connection.execute(
            "UPDATE group_changes SET changed_fields = $json "
            "WHERE integrated_account_id = 'in-what-changed'",
            {"json": json.dumps(removed)},
        ).fetchall()
    with stand.database.reading() as connection:
        found = {
            one.id: (one.integration, one.tenant_id) for one in read_removed_accounts(connection)
        }
    assert found == {
        "in-the-ledger": ("unknown", None),
        "in-what-changed": ("okta", "acme"),
        "in-what-was-accepted": ("unknown", None),
        "in-what-was-reviewed": (
            "integration of in-what-was-reviewed",
            "tenant_id of in-what-was-reviewed",
        ),
    }
