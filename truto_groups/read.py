"""The tables for people and notebooks: as DataFrames, DuckDB relations, Arrow or Polars.

    from truto_groups import read

    read.groups()                                  # every group of every account
    read.groups(tenant="acme", type="team")        # account, tenant, integration, type
    read.groups(integration=["okta", "slack"]).pl()
    read.groups_as_of("2026-03-01").arrow()        # as they were
    with read.connect() as connection:             # or ask with SQL
        connection.sql("FROM groups WHERE group_type = 'team'").show()

What a function returns behaves like its pandas DataFrame, and hands the rows over in other forms:
``.df()``, ``.pl()``, ``.arrow()``, and ``.relation`` to ask further with DuckDB. Rows are read when
they are wanted first; those of a connection that was handed in at once, so that their DataFrame
outlives it.

Each call looks at the database as it was last committed, at a file through a copy: it waits for no
run that writes, keeps none waiting, and needs no more than the right to read the file. The copy is
taken anew only when something was written since; a lake needs none. A connection that is handed in
is one look for several questions. Nothing here writes, and nothing here needs a token or Dagster.

Every filter takes one value or several; of several filters, a row must pass all. An account is
named by its partition key, its id, or a beginning of either that no other shares. A name that is
nobody's raises UnknownNameError, which says what may have been meant.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from truto_groups.accounts.selection import (
    AccountFilter,
    Unknown,
    explain_unknown,
    find_unknown_integrations,
    find_unknown_types,
    select_accounts,
)
from truto_groups.errors import UnknownNameError
from truto_groups.settings import read_environment, read_object_store
from truto_groups.settings.dotenv import read_variables
from truto_groups.text.instants import read_instant
from truto_groups.text.visible import show
from truto_groups.warehouse import readable
from truto_groups.warehouse.accounts_table import read_accounts_as_of, read_known_accounts
from truto_groups.warehouse.contracts_table import read_contracted_integrations
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.duckdb_errors import hiding_secrets
from truto_groups.warehouse.rows import Rows
from truto_groups.warehouse.snapshot import open_snapshot

if TYPE_CHECKING:
    from truto_groups.warehouse.connections import Connection

Names = str | Iterable[str] | None
"""One name or several; None: whatever it is."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which rows are wanted; None: whatever it is."""

    accounts: frozenset[str] | None
    tenants: frozenset[str] | None
    integrations: frozenset[str] | None
    types: frozenset[str] | None

    @classmethod
    def of(
        cls, account: Names, tenant: Names, integration: Names, group_type: Names = None
    ) -> "_Wanted":
        return cls(*map(_gather, (account, tenant, integration, group_type)))


def connect(database: str | None = None) -> "Connection":
    """Open a read-only DuckDB connection to the tables as they are now.

    Close it, or use it in a ``with`` block. The latest copy of a file takes its room in the folder
    for temporary files (``TMPDIR``) until the process ends.

    Args:
        database: A file, ``md:…`` or ``ducklake:…``; what TRUTO_GROUPS_DATABASE names, else the
            project's, when not given.

    Raises:
        SettingsError: No database is named, and there is no project to hold one.
        DatabaseError: It does not exist yet or cannot be read.
    """
    cwd = Path.cwd()
    if database is None:
        environment = read_environment(read_variables(os.environ, cwd=cwd), cwd=cwd)
        return open_snapshot(Database.of(environment))
    is_lake = database.lower().startswith("ducklake:")
    object_store = read_object_store(read_variables(os.environ, cwd=cwd)) if is_lake else None
    return open_snapshot(Database(database, object_store=object_store))


def groups(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
    type: Names = None,
) -> Rows:
    """Every group: one row per integrated account and id."""
    return _select(readable.GROUPS, connection, _Wanted.of(account, tenant, integration, type))


def groups_as_of(
    instant: datetime | date | str,
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
    type: Names = None,
) -> Rows:
    """Every group as it was published at an instant, ``remote_data`` apart.

    Args:
        instant: Aware, or taken as UTC; a date is its beginning.
        connection: Where to read; a look of its own when not given.
        account: Of these accounts, by key, id, or a beginning of either.
        tenant: Of these tenants.
        integration: Of these integrations.
        type: Of these types: team, department, group, product or unmapped.

    Raises:
        ValueError: A text is no instant in ISO 8601.
        UnknownNameError: A name is nobody's; it was not known then.
    """
    as_of = _as_utc(instant)
    wanted = _Wanted.of(account, tenant, integration, type)
    return _select(readable.GROUPS, connection, wanted, as_of=as_of)


def raw_groups(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """Every unified group exactly as Truto sent it: JSON text in ``record``."""
    return _select(readable.RAW_GROUPS, connection, _Wanted.of(account, tenant, integration))


def group_type_breakdown(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
    type: Names = None,
) -> Rows:
    """How many groups of which type an account has: one row per account and type."""
    return _select(
        readable.GROUP_TYPE_BREAKDOWN, connection, _Wanted.of(account, tenant, integration, type)
    )


def group_changes(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """What was added, removed and changed between published syncs, the latest first."""
    return _select(readable.GROUP_CHANGES, connection, _Wanted.of(account, tenant, integration))


def privileged_group_changes(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """Which groups became privileged, and who reviewed that, the latest first."""
    wanted = _Wanted.of(account, tenant, integration)
    return _select(readable.PRIVILEGED_GROUP_CHANGES, connection, wanted)


def integrated_accounts(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """Every integrated account as Truto last listed it."""
    return _select(
        readable.INTEGRATED_ACCOUNTS, connection, _Wanted.of(account, tenant, integration)
    )


def integration_contracts(
    connection: "Connection | None" = None, *, integration: Names = None
) -> Rows:
    """What Truto declares of each integration: one row per field or query parameter."""
    wanted = _Wanted.of(None, None, integration)
    return _select(readable.INTEGRATION_CONTRACTS, connection, wanted)


def account_syncs(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """The ledger: every attempt to sync an account, the latest first."""
    return _select(readable.ACCOUNT_SYNCS, connection, _Wanted.of(account, tenant, integration))


def held_back(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """The raw records of the syncs that wait for a person: JSON text in ``record``."""
    return _select(readable.HELD_BACK_GROUPS, connection, _Wanted.of(account, tenant, integration))


def drift(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """What stands against accounts, of every severity: one row per finding."""
    return _select(readable.ACCOUNT_DRIFT, connection, _Wanted.of(account, tenant, integration))


def accepted(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """What persons accepted, when, who and why, the latest first."""
    return _select(
        readable.ACCEPTED_BASELINES, connection, _Wanted.of(account, tenant, integration)
    )


def overview(
    connection: "Connection | None" = None,
    *,
    account: Names = None,
    tenant: Names = None,
    integration: Names = None,
) -> Rows:
    """How accounts stand: one row per account, with its groups, its freshness and what waits."""
    return _select(readable.OVERVIEW, connection, _Wanted.of(account, tenant, integration))


def _select(
    source: readable.Readable,
    connection: "Connection | None",
    wanted: _Wanted,
    *,
    as_of: datetime | None = None,
) -> Rows:
    is_given = connection is not None
    connection = connection if connection is not None else connect()
    is_of_accounts = bool(source.account_column)
    with hiding_secrets():
        relation = readable.select_rows(
            connection,
            source,
            account_ids=_find_ids(connection, wanted, as_of=as_of) if is_of_accounts else None,
            integrations=None if is_of_accounts else _find_integrations(connection, wanted),
            group_types=_find_types(wanted.types),
            as_of=as_of,
        )
    rows = Rows(relation)
    if is_given:
        # Their frame may be wanted when that connection is closed.
        rows.df()
    return rows


def _find_ids(
    connection: "Connection", wanted: _Wanted, *, as_of: datetime | None
) -> list[str] | None:
    """The ids of the accounts that are wanted; None for all.

    Raises:
        UnknownNameError: A name is nobody's.
    """
    named = (wanted.accounts, wanted.tenants, wanted.integrations)
    if all(names is None for names in named):
        return None
    if any(names is not None and not names for names in named):
        return []
    names, tenants, integrations = (sorted(one or ()) for one in named)
    known = (
        read_known_accounts(connection) if as_of is None else read_accounts_as_of(connection, as_of)
    )
    selection = select_accounts(known, AccountFilter(names, tenants, integrations))
    unknown = selection.unknown
    if unknown and as_of is not None:
        unknown = explain_unknown(unknown, read_known_accounts(connection), instant=as_of)
    _refuse(unknown)
    return [account.id for account in selection.accounts]


def _find_integrations(connection: "Connection", wanted: _Wanted) -> frozenset[str] | None:
    """The integrations that are wanted, of rows that are of no account; None for all.

    Raises:
        UnknownNameError: A name is nobody's.
    """
    if wanted.integrations:
        known = {account.integration for account in read_known_accounts(connection)}
        known |= read_contracted_integrations(connection)
        _refuse(find_unknown_integrations(sorted(wanted.integrations), known))
    return wanted.integrations


def _find_types(types: frozenset[str] | None) -> list[str] | None:
    if types is None:
        return None
    _refuse(find_unknown_types(types))
    return [one.lower() for one in types]


def _refuse(unknown: Sequence[Unknown]) -> None:
    if unknown:
        told = "; ".join(f"{show(one.name)}: {one.what}" for one in unknown)
        hints = dict.fromkeys(one.hint for one in unknown)
        raise UnknownNameError(told, advice=" ".join(hints))


def _gather(names: Names) -> frozenset[str] | None:
    return None if names is None else frozenset([names] if isinstance(names, str) else names)


def _as_utc(instant: datetime | date | str) -> datetime:
    """Take an instant as aware, in UTC."""
    if isinstance(instant, str):
        return read_instant(instant)
    if not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
