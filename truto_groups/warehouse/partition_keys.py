"""The keys of accounts, kept in integrated_accounts: made once, when an account is first there.

How a key is made is accounts/names.py's. On a connection that uses the database.
"""

from collections.abc import Mapping

import duckdb

from truto_groups.accounts.names import make_partition_key


def give_partition_keys(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the keys of the accounts that have none, those listed first before the others."""
    keyless = connection.execute(
        "SELECT id, integration, tenant_id FROM integrated_accounts WHERE partition_key IS NULL "
        "ORDER BY first_listed_at, id"
    ).fetchall()
    if not keyless:
        return
    taken = set(read_partition_keys(connection).values())
    made: dict[str, str] = {}
    for account_id, integration, tenant_id in keyless:
        made[account_id] = make_partition_key(
            account_id, integration=integration, tenant_id=tenant_id, taken=taken
        )
        taken.add(made[account_id])
    connection.execute(
        "UPDATE integrated_accounts AS k SET partition_key = m.partition_key "
        "FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($keys::VARCHAR[]) AS partition_key) "
        "AS m WHERE k.id = m.id",
        {"ids": list(made), "keys": list(made.values())},
    ).fetchall()


def read_partition_keys(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """Read the key of each known account by its id."""
    rows = connection.execute(
        "SELECT id, partition_key FROM integrated_accounts WHERE partition_key IS NOT NULL"
    ).fetchall()
    return dict(rows)
