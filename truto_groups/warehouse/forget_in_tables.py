"""What the tables hold of accounts that are to be forgotten: counted, deleted, searched for.

Every table of schema.py that names an account is covered, and every other one is searched. What is
done beside the tables, and what a person is told, is not known here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from truto_groups.schema import DATABASE_PROPERTIES, INTEGRATED_ACCOUNTS, TABLES
from truto_groups.text.markers import SHORTEST, Markers
from truto_groups.warehouse.connections import set_variables
from truto_groups.warehouse.statements import statement

_ACCOUNT = "integrated_account_id"
_ROWS_AT_ONCE = 2000
_BETWEEN_ROWS = b"\x1e"
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
    """Go through all rows that stay when those of accounts are deleted, many at once."""
    set_variables(connection, ids=list(account_ids))
    conditions = _find_conditions()
    for table in TABLES:
        stays = f"NOT ({conditions[table.name]})" if table.name in conditions else "true"
        yield from _iterate_rows(connection, table.name, table.column_names, where=stays)


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


def find_values(connection: duckdb.DuckDBPyConnection, markers: Markers) -> Mapping[str, int]:
    """Count the rows in which a marker stands, by table, in all tables that are there."""
    columns = connection.execute(
        "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns() "
        "JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name = current_database() GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found: Counter[str] = Counter()
    for schema, table, names in columns:
        name = f"{_quote(schema)}.{_quote(table)}"
        for rows in _iterate_rows(connection, name, names):
            # Nearly always there is nothing: one look at all of them is cheaper than one at each.
            if markers.find(rows, shortest=SHORTEST):
                found[table] += sum(
                    bool(markers.find(row, shortest=SHORTEST)) for row in rows.split(_BETWEEN_ROWS)
                )
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


def _iterate_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    *,
    where: str = "true",
) -> Iterator[bytes]:
    """Go through the rows of a table as text, many at once."""
    values = ", ".join(f"{_quote(column)}::VARCHAR" for column in columns)
    cursor = connection.execute(
        f"SELECT concat_ws(chr(10), {values}) FROM {table} WHERE {where}"  # noqa: S608 - quoted
    )
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield _BETWEEN_ROWS.join(row[0].encode(errors="surrogatepass") for row in rows)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
