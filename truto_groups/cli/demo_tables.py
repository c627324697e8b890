"""What the demo shows of the tables: excerpts, the week as they tell it, and the checks."""

import json
from collections.abc import Sequence
from typing import Any

from truto_groups.cli.terminal import Cell, Styled, say, show_table
from truto_groups.runner.sync_report import SyncReport
from truto_groups.text.words import say_count
from truto_groups.warehouse.connections import Connection

_WARNINGS_ARE_MEANT = "The sandbox means these warnings; below stands what to look at next."

_EXCERPT = """
    WITH ranked AS (
        FROM groups
        SELECT *, row_number() OVER (PARTITION BY integration ORDER BY description IS NULL, id) AS n
        WHERE group_type IS NOT NULL
    )
    FROM ranked
    SELECT integration, tenant_id, left(id, 12) || if(length(id) > 12, '…', ''), name, group_type,
        strftime(changed_at, '%Y-%m-%d %H:%M')
    WHERE n = 1
    ORDER BY integration
"""
_BREAKDOWN = """
    FROM group_type_breakdown
    SELECT coalesce(group_type, '(none came)'), sum(group_count)::BIGINT AS groups,
        count(DISTINCT integrated_account_id),
        string_agg(DISTINCT integration, ', ' ORDER BY integration)
    GROUP BY ALL
    ORDER BY groups DESC
"""
_CHANGES = """
    FROM group_changes AS c
    JOIN integrated_accounts AS a ON a.id = c.integrated_account_id
    SELECT a.integration, c.change, c.name, c.hint, c.changed_fields
    WHERE c.run_id IN (SELECT unnest($run_ids))
    QUALIFY row_number() OVER (PARTITION BY a.integration, c.change ORDER BY c.id) <= 2
    ORDER BY a.integration, c.change, c.name
    LIMIT 12
"""
_HAPPENED = """
    WITH happened AS (
        FROM group_changes
        SELECT max(changed_at) AS moment, integrated_account_id AS id,
            concat_ws(
                ', ',
                nullif(count(*) FILTER (change = 'added') || ' added', '0 added'),
                nullif(count(*) FILTER (change = 'removed') || ' removed', '0 removed'),
                nullif(count(*) FILTER (change = 'changed') || ' changed', '0 changed')
            ) || coalesce(
                ' (' || min(
                    (changed_fields ->> '$.name[0]') || ' → ' || (changed_fields ->> '$.name[1]')
                ) FILTER (hint = 'renamed') || ')',
                ''
            ) AS what,
            'group_changes' AS place
        GROUP BY integrated_account_id, run_id
        UNION ALL
        FROM account_syncs
        SELECT started_at, integrated_account_id, 'held back with ' || group_count || ' groups',
            'account_syncs'
        WHERE outcome = 'held_back'
        UNION ALL
        FROM account_drift
        SELECT max(since), integrated_account_id,
            if(attributed_to = 'permission_lost', 'a lost permission hides: ', 'drifts: ')
                || string_agg(path, ', ' ORDER BY path),
            'account_drift'
        WHERE severity <> 'information'
        GROUP BY integrated_account_id, attributed_to
        UNION ALL
        FROM accepted_baselines
        SELECT accepted_at, integrated_account_id, 'accepted by ' || accepted_by || ': ' || reason,
            'accepted_baselines'
        UNION ALL
        FROM integrated_accounts
        SELECT first_listed_at, id, 'connected', 'integrated_accounts'
        WHERE first_listed_at > (SELECT min(first_listed_at) FROM integrated_accounts)
        UNION ALL
        FROM integrated_accounts
        SELECT gone_at, id, 'listed no longer', 'integrated_accounts'
        WHERE gone_at IS NOT NULL
        UNION ALL
        FROM integrated_accounts
        SELECT last_confirmed_at, id, 'not confirmed since: ' || status,
            'integrated_accounts'
        WHERE status <> 'active' AND last_confirmed_at IS NOT NULL AND gone_at IS NULL
    )
    FROM happened JOIN integrated_accounts AS a USING (id)
    SELECT strftime(moment, '%a %d %b'), a.partition_key, what, place
    WHERE moment > now() - INTERVAL 8 DAY
    ORDER BY moment, a.partition_key
"""


def show_tables(connection: Connection, report: SyncReport) -> None:
    """Print excerpts of the tables, and what they tell of the week."""
    (total,) = connection.execute("SELECT count(*) FROM groups").fetchone() or (0,)
    _show(
        f"groups: {total:,} rows, one of each integration",
        connection.execute(_EXCERPT).fetchall(),
        header=("integration", "tenant_id", "id", "name", "group_type", "changed_at"),
    )
    _show(
        "group_type_breakdown, over all accounts",
        connection.execute(_BREAKDOWN).fetchall(),
        header=("group_type", "groups", "accounts", "integrations"),
        right=(1, 2),
    )
    run_ids = list(report.run_ids)
    changes = connection.execute(_CHANGES, {"run_ids": run_ids}).fetchall()
    if changes:
        made = sum(one.added + one.removed + one.changed for one in report.outcomes)
        some = ", some of them" if len(changes) < made else ""
        _show(
            f"group_changes: {say_count(made, 'change')} today{some}",
            [(*row[:3], describe_change(row[1], row[4], hint=row[3])) for row in changes],
            header=("integration", "change", "name", "what"),
        )
    _show(
        "What happened this week",
        connection.execute(_HAPPENED).fetchall(),
        header=("day", "account", "what", "where it stands"),
    )


def show_verdicts(report: SyncReport) -> None:
    """Print what the checks said."""
    rows = [
        (
            Styled("passed", "green")
            if one.is_passed
            else Styled("FAILED", "red")
            if one.is_error
            else Styled("warns", "yellow"),
            one.name,
            one.description,
        )
        for one in report.verdicts
    ]
    _show("checks", rows, header=("verdict", "check", "in words"))
    if any(not one.is_passed for one in report.verdicts):
        say("")
        say(_WARNINGS_ARE_MEANT, indent=2)


def describe_change(change: str, changed_fields: str, *, hint: str | None) -> str:
    """Say in a few words what changed in a group; nothing more of one that came or went."""
    if change != "changed":
        return ""
    fields: dict[str, Any] = json.loads(changed_fields)
    if hint == "renamed":
        return f"renamed from {fields['name'][0]!r}"
    told = [f"{name}: {before!r} → {after!r}" for name, (before, after) in fields.items()]
    return "; ".join(told) if len(told) <= 2 else ", ".join(fields)


def _show(
    title: str,
    rows: Sequence[Sequence[Cell]],
    *,
    header: Sequence[str],
    right: Sequence[int] = (),
) -> None:
    say(f"\n{title}\n")
    show_table(rows, header=header, right=right, indent=2)
