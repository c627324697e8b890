"""What the tables hold of accounts that are to be forgotten: counted, deleted, searched for.

Every table of schema.py that names an account is covered, and every other one is searched. What is
done beside the tables, and what a person is told, is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from truto_groups.schema import DATABASE_PROPERTIES, INTEGRATED_ACCOUNTS, TABLES
from truto_groups.warehouse.database import set_variables
from truto_groups.warehouse.statements import statement

_ACCOUNT = "integrated_account_id"
_ROWS_AT_ONCE = 2000
_OF_AN_ACCOUNT = "list_contains(getvariable('ids'), {column})"
_LOOKED_UP = "list_contains(list_transform(getvariable('ids'), lambda x: 'looked_up:' || x), name)"


@dataclass(frozen=True, slots=True)
class RemovedAccount:
    """An account that is no longer known, and of which something is kept.

    Attributes:
        id: Its UUID.
        integration: The app's kind; "unknown" where nothing tells it.
        tenant_id: Whose it was, or None where nothing tells it.
    """

    id: str
    integration: str
    tenant_id: str | None


def read_removed_accounts(connection: duckdb.DuckDBPyConnection) -> list[RemovedAccount]:
    """Read which accounts are no longer known, and leave rows in the ledger or in what changed."""
    rows = connection.execute(statement("forget/read_removed")).fetchall()
    return [RemovedAccount(*row) for row in rows]


def read_texts(connection: duckdb.DuckDBPyConnection, account_ids: Sequence[str]) -> set[str]:
    """Read the texts by which groups of accounts are recognized, common ones included."""
    set_variables(connection, ids=list(account_ids))
    return {row[0] for row in connection.execute(statement("forget/read_texts")).fetchall()}


def iterate_other_texts(
    connection: duckdb.DuckDBPyConnection, account_ids: Sequence[str]
) -> Iterator[bytes]:
    """Go through what is kept of all other accounts, many rows at once."""
    set_variables(connection, ids=list(account_ids))
    cursor = connection.execute(statement("forget/read_other_texts"))
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield "\n".join(row[0] for row in rows).encode(errors="surrogatepass")


def count_rows(
    connection: duckdb.DuckDBPyConnection, account_ids: Sequence[str]
) -> Mapping[str, int]:
    """Count the rows of accounts, by table."""
    set_variables(connection, ids=list(account_ids))
    counts: dict[str, int] = {}
    for table, condition in _find_conditions().items():
        sql = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608 - names of ours
        ((counts[table],),) = connection.execute(sql).fetchall()
    return counts


def delete_rows(connection: duckdb.DuckDBPyConnection, account_ids: Sequence[str]) -> None:
    """Delete all rows of accounts; nothing tells that they were there."""
    set_variables(connection, ids=list(account_ids))
    for table, condition in _find_conditions().items():
        connection.execute(
            f"DELETE FROM {table} WHERE {condition}"  # noqa: S608 - names of ours
        ).fetchall()


def find_values(connection: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> Mapping[str, int]:
    """Count the rows in which one of these texts stands, by table, in all tables that are there."""
    columns = connection.execute(
        "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns() "
        "JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name = current_database() GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found: dict[str, int] = {}
    for schema, table, names in columns:
        values = ", ".join(f"{_quote(name)}::VARCHAR" for name in names)
        ((count,),) = connection.execute(
            f"SELECT count(*) FROM {_quote(schema)}.{_quote(table)} "  # noqa: S608 - quoted
            "WHERE len(list_filter($texts::VARCHAR[], lambda x: "
            f"contains(concat_ws(chr(10), {values}), x))) > 0",
            {"texts": list(texts)},
        ).fetchall()
        if count:
            found[table] = count
    return found


def is_ours(table: str) -> bool:
    """Whether a table is one of schema.py's."""
    return any(table == one.name for one in TABLES)


def _find_conditions() -> dict[str, str]:
    """By table, which rows are an account's."""
    found = {INTEGRATED_ACCOUNTS.name: _OF_AN_ACCOUNT.format(column="id")}
    for table in TABLES:
        if _ACCOUNT in table.column_names:
            found[table.name] = _OF_AN_ACCOUNT.format(column=_ACCOUNT)
    return {**found, DATABASE_PROPERTIES.name: _LOOKED_UP}


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
