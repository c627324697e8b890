"""What people read and export: which rows of a table are wanted, and in which order.

Rows are read only when somebody asks for them. Works on a connection that open_snapshot gave.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import duckdb

from truto_groups import schema
from truto_groups.warehouse.statements import statement

Relation = duckdb.DuckDBPyRelation

_GROUPS_AS_OF = "groups_as_of"
_OVERVIEW = "overview"


@dataclass(frozen=True, slots=True)
class Readable:
    """Something that can be read.

    Attributes:
        name: Of the table, the view or the question.
        order: By what its rows are sorted, as SQL.
        account_column: Where the integrated account's id stands; "" where it has none.
    """

    name: str
    order: str
    account_column: str = "integrated_account_id"


GROUPS = Readable(schema.GROUPS.name, "integration, integrated_account_id, id")
RAW_GROUPS = Readable(schema.RAW_GROUPS.name, "integrated_account_id, id")
GROUP_TYPE_BREAKDOWN = Readable(
    schema.GROUP_TYPE_BREAKDOWN.name, "integration, integrated_account_id, group_type"
)
GROUP_CHANGES = Readable(schema.GROUP_CHANGES.name, "changed_at DESC, integrated_account_id, id")
PRIVILEGED_GROUP_CHANGES = Readable(
    schema.PRIVILEGED_GROUP_CHANGES.name, "changed_at DESC, integrated_account_id, id"
)
INTEGRATED_ACCOUNTS = Readable(
    schema.INTEGRATED_ACCOUNTS.name, "integration, tenant_id, id", account_column="id"
)
INTEGRATION_CONTRACTS = Readable(
    schema.INTEGRATION_CONTRACTS.name, "integration, kind, name", account_column=""
)
ACCOUNT_SYNCS = Readable(schema.ACCOUNT_SYNCS.name, "started_at DESC, integrated_account_id")
ACCOUNT_DRIFT = Readable(
    schema.ACCOUNT_DRIFT.name, "partition_key, severity, path NULLS FIRST, kind, now"
)
HELD_BACK_GROUPS = Readable(schema.HELD_BACK_GROUPS.name, "integrated_account_id, position")
ACCEPTED_BASELINES = Readable(
    schema.ACCEPTED_BASELINES.name, "accepted_at DESC, integrated_account_id"
)
OVERVIEW = Readable(_OVERVIEW, "integration, partition_key")

EXPORTED = {
    one.name: one
    for one in (
        GROUPS,
        RAW_GROUPS,
        GROUP_TYPE_BREAKDOWN,
        GROUP_CHANGES,
        PRIVILEGED_GROUP_CHANGES,
        INTEGRATED_ACCOUNTS,
        ACCOUNT_SYNCS,
        ACCOUNT_DRIFT,
        HELD_BACK_GROUPS,
        ACCEPTED_BASELINES,
    )
}
"""What can be exported, by name."""

EXPORTED_AS_OF = {one.name: one for one in (GROUPS, GROUP_TYPE_BREAKDOWN)}
"""What can be exported as it was at an instant, by name."""


def select_rows(
    connection: duckdb.DuckDBPyConnection,
    readable: Readable,
    *,
    account_ids: Collection[str] | None = None,
    integrations: Collection[str] | None = None,
    group_types: Collection[str] | None = None,
    as_of: datetime | None = None,
) -> Relation:
    """Select rows, to be read later.

    Args:
        connection: A snapshot.
        readable: Of what.
        account_ids: Of these integrated accounts; of all without.
        integrations: Of these integrations, where rows are of no account; of all without.
        group_types: Of these types, in the spelling of ``groups``; of all without.
        as_of: Of what is in EXPORTED_AS_OF, the rows that there were at an aware instant.
    """
    if as_of is not None and readable is GROUP_TYPE_BREAKDOWN:
        relation = connection.sql(statement("views/breakdown_as_of"), params={"as_of": as_of})
    elif as_of is not None:
        relation = connection.table_function(_GROUPS_AS_OF, [as_of])
    elif readable is OVERVIEW:
        relation = connection.sql(statement("views/account_overview"))
    else:
        relation = connection.table(readable.name)
    for column, values in (
        (readable.account_column, account_ids),
        ("integration", integrations),
        ("group_type", group_types),
    ):
        if values is not None:
            relation = relation.filter(_is_among(column, values))
    return relation.order(readable.order)


def _is_among(column: str, values: Collection[str]) -> duckdb.Expression:
    if not values:
        return duckdb.ConstantExpression(False)
    wanted = [duckdb.ConstantExpression(value) for value in values]
    return duckdb.ColumnExpression(column).isin(*wanted)
