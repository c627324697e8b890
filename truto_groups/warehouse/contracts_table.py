"""The table integration_contracts: what Truto's meta declares, with its history.

All functions work on a connection that Database.writing or .reading gave. What a change means is
contracts/declared.py's.
"""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from truto_groups.contracts.declared import Contract, Declared, KeptRow
from truto_groups.warehouse.connections import set_variables
from truto_groups.warehouse.statements import statement, statements


def write_contracts(
    connection: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], *, now: datetime
) -> None:
    """Keep what was declared: what changed ends and begins anew, what did not stays untouched.

    Args:
        connection: The database.
        contracts: By integration; those that are not here, and kinds of which an answer does not
            tell, stay as they are.
        now: Aware UTC instant.
    """
    rows = [(name, entry) for name, one in contracts.items() for entry in one.entries]
    connection.execute(
        statement("contracts/declared"),
        {
            "integration": [integration for integration, _ in rows],
            "kind": [entry.kind for _, entry in rows],
            "name": [entry.name for _, entry in rows],
            "json_type": [entry.json_type for _, entry in rows],
            "is_required": [entry.is_required for _, entry in rows],
        },
    ).fetchall()
    told = [(name, kind) for name, one in contracts.items() for kind in one.kinds]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE told AS SELECT unnest($integration::VARCHAR[]) AS "
        "integration, unnest($kind::VARCHAR[]) AS kind",
        {"integration": [name for name, _ in told], "kind": [kind for _, kind in told]},
    ).fetchall()
    set_variables(connection, now=now)
    for text in statements("contracts/write_contracts"):
        connection.execute(text).fetchall()


def read_contracts(connection: duckdb.DuckDBPyConnection) -> list[KeptRow]:
    """Read all rows, those that are gone too."""
    rows = connection.execute(
        "SELECT integration, kind, name, json_type, is_required, first_seen_at, gone_at "
        "FROM integration_contracts ORDER BY integration, kind, name, first_seen_at"
    ).fetchall()
    return [KeptRow(row[0], Declared(*row[1:5]), row[5], row[6]) for row in rows]


def read_contracted_integrations(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Read the integrations whose contract is known."""
    rows = connection.execute("SELECT DISTINCT integration FROM integration_contracts").fetchall()
    return {row[0] for row in rows}


def read_declared_parameters(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, frozenset[str]]:
    """Read the query parameters that each asked integration declares now, by slug."""
    rows = connection.execute(
        "SELECT integration, list(name) FILTER (kind = 'parameter') FROM integration_contracts "
        "WHERE gone_at IS NULL GROUP BY integration"
    ).fetchall()
    return {row[0]: frozenset(row[1] or ()) for row in rows}
