"""What the UI shows of a table, an account, a result: Dagster metadata out of plain values.

Never remote_data and never a token: metadata is stored in clear, for everyone who sees the UI.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import say_account
from truto_groups.schema import GROUP_CHANGES, GROUP_TYPE_BREAKDOWN, GROUPS, RAW_GROUPS, Table
from truto_groups.sync.settle import AccountResult
from truto_groups.text.visible import show
from truto_groups.text.words import say_duration

MAX_ROWS = 100

_LINEAGE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    RAW_GROUPS.name: {},
    GROUPS.name: {
        **{
            name: (RAW_GROUPS.name, "record")
            for name in GROUPS.column_names
            if name not in ("integrated_account_id", "integration", "tenant_id")
        },
        "id": (RAW_GROUPS.name, "id"),
        "integrated_account_id": (RAW_GROUPS.name, "integrated_account_id"),
        "integration": ("integrated_accounts", "integration"),
        "tenant_id": ("integrated_accounts", "tenant_id"),
    },
    GROUP_TYPE_BREAKDOWN.name: {
        "integrated_account_id": (GROUPS.name, "integrated_account_id"),
        "integration": (GROUPS.name, "integration"),
        "tenant_id": (GROUPS.name, "tenant_id"),
        "group_type": (GROUPS.name, "group_type"),
        "group_count": (GROUPS.name, "id"),
        "share": (GROUPS.name, "id"),
    },
    GROUP_CHANGES.name: {
        "integrated_account_id": (GROUPS.name, "integrated_account_id"),
        "id": (GROUPS.name, "id"),
        "name": (GROUPS.name, "name"),
    },
}


def describe_table(table: Table) -> dict[str, Any]:
    """The metadata of an asset's definition: its table, columns and where they come from."""
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.is_required),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(table.key)}"]),
    )
    metadata: dict[str, Any] = {
        "dagster/table_name": table.name,
        "dagster/column_schema": schema,
    }
    lineage = _LINEAGE.get(table.name)
    if lineage:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=source)]
                for column, (asset, source) in lineage.items()
            }
        )
    return metadata


def describe_account(result: AccountResult) -> dict[str, Any]:
    """Who an account is: part of the metadata of each of its materializations."""
    account = result.account
    if account is None:
        return {}
    return {
        "integration": show(account.integration),
        "tenant_id": show(account.tenant_id or "(none)"),
    }


def describe_fetch(result: AccountResult) -> dict[str, Any]:
    """What fetching an account cost and brought."""
    attempt = result.attempt
    return {
        **describe_account(result),
        "dagster/partition_row_count": attempt.group_count or 0,
        "outcome": attempt.outcome,
        "pages": attempt.page_count or 0,
        "requests": attempt.request_count or 0,
        "retries": attempt.retry_count or 0,
        "throttled_seconds": attempt.throttled_seconds or 0.0,
        "bytes": attempt.byte_count or 0,
        "seconds": round(result.seconds or 0.0, 3),
        "digest": attempt.digest or "",
    }


def describe_groups(result: AccountResult, *, unmet: Sequence[str] = ()) -> dict[str, Any]:
    """What an account's groups are and how they changed.

    Args:
        result: What became of the account.
        unmet: Paths of its setting ``remote_data`` that lead to nothing.
    """
    replacement = result.replacement
    metadata: dict[str, Any] = {
        **describe_account(result),
        "dagster/partition_row_count": result.attempt.group_count or 0,
        "outcome": result.attempt.outcome,
        "groups_added": replacement.added,
        "groups_removed": replacement.removed,
        "groups_changed": replacement.changed,
        "groups_changed_in_remote_data_only": replacement.touched,
        "seconds": round(result.seconds or 0.0, 3),
    }
    if replacement.remote_changes:
        rows = [{"path": path, "groups": n} for path, n in replacement.remote_changes.items()]
        metadata["changed_in_remote_data"] = table_of(rows)
    if unmet:
        metadata["remote_data_paths_that_met_nothing"] = show(", ".join(unmet))
    if result.preview:
        columns = ("id", "name", "group_type")
        rows = [{name: _shown(row[name]) for name in columns} for row in result.preview]
        metadata["preview"] = table_of(rows)
    return metadata


def describe_skipped(result: AccountResult) -> dict[str, Any]:
    """Why an answer was not published; what it held is not what the tables hold."""
    attempt = result.attempt
    return {
        **describe_account(result),
        "outcome": attempt.outcome,
        "reason": show(attempt.error or ""),
        "seconds": round(result.seconds or 0.0, 3),
    }


def describe_listing(accounts: Sequence[KnownAccount]) -> dict[str, Any]:
    """Which accounts a listing left us with."""
    present = [account for account in accounts if account.gone_at is None]
    return {
        "dagster/row_count": len(accounts),
        "accounts_listed": len(present),
        "accounts_active": sum(account.is_active for account in present),
        "accounts_gone": len(accounts) - len(present),
        "accounts": table_of(
            {
                "account": say_account(account.partition_key, account.label),
                "status": account.status if account.gone_at is None else "gone",
                "supports_groups": account.supports_groups,
                "last_confirmed_at": account.last_confirmed_at,
            }
            for account in accounts
        ),
    }


def table_of(rows: Iterable[Mapping[str, Any] | Any]) -> dg.TableMetadataValue:
    """A table out of mappings or dataclasses, cut after MAX_ROWS; a missing field is null.

    Text in it is shown with its control characters made visible.
    """
    records = [_record(row) for row in rows]
    columns = list(dict.fromkeys(name for record in records for name in record)) or ["nothing"]
    shown = [
        dg.TableRecord({name: record.get(name) for name in columns})
        for record in records[:MAX_ROWS]
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(shown, schema)


def _record(row: Mapping[str, Any] | Any) -> dict[str, Any]:
    if is_dataclass(row):
        return {field.name: _shown(getattr(row, field.name)) for field in fields(row)}
    return {name: _shown(value) for name, value in row.items()}


def _shown(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        return show(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return say_duration(value)
    if isinstance(value, Sequence):
        return show(", ".join(str(item) for item in value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return show(str(value))
