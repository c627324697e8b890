"""What is known of accounts' earlier syncs, as far as judging a new one needs it.

Read before the turn to write, so that judging holds up nobody; an account's state tells later
whether another run has come between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from truto_groups.drift.permission import LostPermission
from truto_groups.drift.verdict import KnownShapes
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.contracts_table import read_declared_parameters
from truto_groups.warehouse.ledger_table import read_count_history
from truto_groups.warehouse.shapes_table import ShapeRow, decode_shapes, read_shape_rows
from truto_groups.warehouse.statements import statement

PastState = tuple[object, ...]
NO_STATE: PastState = ()
"""Of an account that was never confirmed nor audited."""


@dataclass(frozen=True)
class Past:
    """What is known of accounts.

    Attributes:
        counts: Groups at their latest confirmed syncs, oldest first, by account.
        declared: Query parameters that integrations declare, by integration.
        states: What would differ had another run audited or confirmed the account since.
        rows: What they looked like, as kept.
        refusals: What Truto was refused last, as it was last listed, by account; those of which
            nothing is told are missing.
    """

    counts: Mapping[str, Sequence[int]]
    declared: Mapping[str, Collection[str]]
    states: Mapping[str, PastState]
    rows: Mapping[str, Sequence[ShapeRow]]
    refusals: Mapping[str, LostPermission]

    def shapes_of(self, integrated_account_id: str) -> KnownShapes:
        """What an account looked like before."""
        return decode_shapes(self.rows.get(integrated_account_id, ()))


def read_past(connection: Connection, integrated_account_ids: Sequence[str]) -> Past:
    """Read what is known of accounts; decoding it is left to who judges."""
    return Past(
        read_count_history(connection, integrated_account_ids),
        read_declared_parameters(connection),
        read_states(connection, integrated_account_ids),
        read_shape_rows(connection, integrated_account_ids),
        _read_refusals(connection, integrated_account_ids),
    )


def read_states(
    connection: Connection, integrated_account_ids: Sequence[str]
) -> dict[str, PastState]:
    """Read what differs once an account was audited, accepted, confirmed or refused again."""
    rows = connection.execute(
        statement("shapes/read_states"), {"ids": list(integrated_account_ids)}
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def read_retyped(
    connection: Connection, integrated_account_ids: Sequence[str]
) -> dict[str, list[str | None]]:
    """Read the types, as received, of published groups that are there in what was landed, too."""
    if not integrated_account_ids:
        return {}
    rows = connection.execute(
        "SELECT integrated_account_id, list(DISTINCT g.group_type_as_received) FROM groups AS g "
        "JOIN staging.landed AS l USING (integrated_account_id, id) "
        "WHERE integrated_account_id IN (SELECT unnest($ids)) GROUP BY integrated_account_id",
        {"ids": list(integrated_account_ids)},
    ).fetchall()
    return dict(rows)


def _read_refusals(
    connection: Connection, integrated_account_ids: Sequence[str]
) -> dict[str, LostPermission]:
    rows = connection.execute(
        "SELECT integrated_account_id, coalesce(forbidden_call, 'a call') AS call, "
        "forbidden_scopes, forbidden_at FROM account_state "
        "WHERE integrated_account_id IN (SELECT unnest($ids)) AND forbidden_at IS NOT NULL",
        {"ids": list(integrated_account_ids)},
    ).fetchall()
    return {row[0]: LostPermission(*row[1:]) for row in rows}
