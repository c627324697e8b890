"""What the UI shows of a table, an account, a result: Dagster metadata out of plain values.

Never remote_data and never a token: metadata is stored in clear, for everyone who sees the UI.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from truto_groups.accounts.model import KnownAccount
from truto_groups.defs.dagster_internals import address_partition
from truto_groups.report.changes import ChangedGroup, say_change
from truto_groups.report.markdown import (
    Link,
    Markdown,
    draw_cell,
    draw_list,
    draw_table,
)
from truto_groups.report.needs import Need
from truto_groups.report.overview import render_needs_in_line
from truto_groups.schema import GROUP_CHANGES, GROUP_TYPE_BREAKDOWN, GROUPS, RAW_GROUPS, Table
from truto_groups.sync.publish import Replacement
from truto_groups.sync.settle import AccountResult
from truto_groups.text.visible import show
from truto_groups.text.words import cut_at_word, say_count, say_duration, shorten_words

MAX_ROWS = 100
_MAX_LABEL = 40
_LONGEST_WORD = 20

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


def describe_groups(
    result: AccountResult, *, is_private: bool, unmet: Sequence[str] = ()
) -> dict[str, Any]:
    """What an account's groups are and how they changed: that first, by name.

    Args:
        result: What became of the account.
        is_private: Whether nothing of its groups is told by name.
        unmet: Paths of its setting ``remote_data`` that lead to nothing.
    """
    replacement = result.replacement
    metadata: dict[str, Any] = {
        "what_changed": dg.MetadataValue.md(_say_changes(replacement, is_private=is_private)),
        **describe_account(result),
        "dagster/partition_row_count": result.attempt.group_count or 0,
        "outcome": result.attempt.outcome,
        "groups_added": replacement.added,
        "groups_removed": replacement.removed,
        "groups_changed": replacement.changed,
        "changed_in_remote_data_only": replacement.touched,
        "seconds": round(result.seconds or 0.0, 3),
    }
    if replacement.remote_changes:
        rows = [{"path": path, "groups": n} for path, n in replacement.remote_changes.items()]
        metadata["changed_in_remote_data"] = table_of(rows)
    if unmet:
        metadata["unmet_remote_data_paths"] = show(", ".join(unmet))
    if result.preview:
        # An id is one long word as a rule, and the asset's page grows as wide as its longest.
        rows = [
            {
                "group": shorten_words(show(row["name"] or row["id"]), _LONGEST_WORD),
                "group_type": _shown(row["group_type"]),
            }
            for row in result.preview
        ]
        left_out = (result.attempt.group_count or 0) - len(rows)
        if left_out > 0:
            rows.append({"group": f"and {left_out:,} more: the table `groups`"})
        metadata["preview"] = table_of(rows)
    return metadata


def _say_changes(replacement: Replacement, *, is_private: bool) -> str:
    """What a publication changed, in so few letters that the UI shows it without a click."""
    count = replacement.added + replacement.removed + replacement.changed
    if not count:
        return "Nothing."
    if is_private:
        return f"{say_count(count, 'group')}; their names are private."
    items = map(say_change, replacement.examples)
    return draw_list(items, count=count, see_all="the table `group_changes`")


def describe_needs(
    needs: Sequence[Need], *, now: datetime, see_all: str
) -> dg.MarkdownMetadataValue:
    """Who needs a person, in so few letters that the UI shows it without a click."""
    asset = dg.AssetKey(GROUPS.name)
    return dg.MetadataValue.md(
        render_needs_in_line(
            needs,
            to_account=lambda key: address_partition(asset, key),
            now=now,
            see_all=see_all,
        )
    )


def describe_changes(
    changes: Sequence[tuple[str, str, str | None, datetime, ChangedGroup]],
    *,
    private: Collection[str],
    most: int,
) -> dict[str, Any]:
    """The newest changes of all accounts, in words.

    Args:
        changes: Account's id, key, label, instant and change of each, the newest first.
        private: Accounts of whose groups nothing is told by name, by id.
        most: How many there are at most; where there are as many, it is said.
    """
    if not changes:
        return {"newest_changes": dg.MetadataValue.md("Nothing changed yet.")}
    told = [
        (changed_at, key, label, one.verb if account_id in private else say_change(one))
        for account_id, key, label, changed_at, one in changes
    ]
    latest = (f"{draw_cell(link_account(key, None))}: {what}" for _, key, _, what in told)
    table = draw_table(
        ("when", "account", "what"),
        ((when, link_account(key, label), Markdown(what)) for when, key, label, what in told),
        count=len(changes),
        most=most,
        see_all="",
    )
    if len(changes) == most:
        table += f"\n\nThese are the newest {most:,}; the table `group_changes` has all."
    return {
        "latest": dg.MetadataValue.md(
            draw_list(latest, count=len(changes), see_all="`newest_changes` below")
        ),
        "newest_changes": dg.MetadataValue.md(table),
    }


def link_account(key: str, label: str | None) -> Sequence[str | Link]:
    """An account as a cell: its key, which leads to its partition, and what its tenant calls it."""
    link = Link(key, address_partition(dg.AssetKey(GROUPS.name), key))
    if not label:
        return [link]
    return [link, f"({shorten_words(cut_at_word(label, _MAX_LABEL), _LONGEST_WORD)})"]


def describe_skipped(result: AccountResult) -> dict[str, Any]:
    """Why an answer was not published; what it held is not what the tables hold."""
    attempt = result.attempt
    return {
        **describe_account(result),
        "outcome": attempt.outcome,
        "reason": show(attempt.error or ""),
        "seconds": round(result.seconds or 0.0, 3),
    }


def describe_listing(
    accounts: Sequence[KnownAccount], needs: Sequence[Need], *, now: datetime
) -> dict[str, Any]:
    """Which accounts a listing left us with, those that need somebody first.

    Args:
        accounts: All known accounts.
        needs: Which of them need a person, the worst first.
        now: Aware UTC instant.
    """
    present = [account for account in accounts if account.gone_at is None]
    by_id = {need.account.id: need for need in needs}
    others = (account for account in accounts if account.id not in by_id)
    ordered = [need.account for need in needs] + sorted(others, key=lambda a: a.partition_key)
    table = draw_table(
        ("account", "status", "groups", "last confirmed", "needs you"),
        (
            (
                link_account(account.partition_key, account.label),
                account.status if account.gone_at is None else "gone",
                "no groups" if account.supports_groups is False else account.group_count,
                account.last_confirmed_at or "never",
                f"{by_id[account.id].state}: {by_id[account.id].what}"
                if account.id in by_id
                else None,
            )
            for account in ordered
        ),
        count=len(ordered),
        most=MAX_ROWS,
        see_all="`truto-groups status`, or the table `integrated_accounts`",
    )
    return {
        "needs_you": describe_needs(needs, now=now, see_all="`accounts` below"),
        "accounts": dg.MetadataValue.md(table),
        "dagster/row_count": len(accounts),
        "accounts_that_need_you": len(needs),
        "accounts_listed": len(present),
        "accounts_active": sum(account.is_active for account in present),
        "accounts_gone": len(accounts) - len(present),
    }


def table_of(rows: Iterable[Mapping[str, Any] | Any]) -> dg.TableMetadataValue:
    """A table out of mappings or dataclasses; a missing field is null.

    Of more than MAX_ROWS rows the last says how many are left out. Text in it is shown with its
    control characters made visible.
    """
    records = [_record(row) for row in rows]
    if len(records) > MAX_ROWS:
        first = next(iter(records[0]))
        left_out = f"and {len(records) - MAX_ROWS:,} more: `truto-groups status`"
        records[MAX_ROWS:] = [{first: left_out}]
    columns = list(dict.fromkeys(name for record in records for name in record)) or ["nothing"]
    shown = [dg.TableRecord({name: record.get(name) for name in columns}) for record in records]
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
