"""The demo: sync the sandbox's accounts through Dagster and show what that gives.

``make demo`` runs it inside of ``truto-groups sandbox``, which sets the variables; it shows and
says, and what it shows is made by the same code as everywhere.
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from truto_groups import read
from truto_groups.cli.progress_bar import ProgressBar
from truto_groups.cli.sync_command import describe_census, describe_troubles, summarize
from truto_groups.cli.terminal import (
    Cell,
    Styled,
    complain,
    say,
    say_as_typed,
    show_table,
    write_anything,
)
from truto_groups.errors import TrutoGroupsError
from truto_groups.runner.catch_up import catch_up
from truto_groups.runner.sync_report import Census, Listener, SyncReport, SyncRequest
from truto_groups.text.words import say_count
from truto_groups.warehouse.database import Connection

_WARNINGS_ARE_MEANT = (
    "The sandbox means these warnings: an app with types that nobody mapped and, from its second "
    "sync on, one that drifts."
)

_UNPUBLISHED = """
    FROM integrated_accounts
    SELECT count(*)
    WHERE status = 'active' AND supports_groups IS NOT FALSE AND gone_at IS NULL
        AND last_confirmed_at IS NULL
"""
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
    LIMIT 12
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


def main() -> int:
    """Discover, sync, show; 0 when every active account was published."""
    write_anything()
    try:
        with ProgressBar() as bar:
            listener = Listener(
                discovered=_tell_discovery,
                begun=_tell_begin,
                progressed=bar.show,
                settled=lambda outcomes: bar.pause(),
            )
            report = catch_up(SyncRequest(is_all=True), listener=listener, cwd=Path.cwd())
        say(summarize(report))
        with read.connect() as connection:
            (missing,) = connection.execute(_UNPUBLISHED).fetchone() or (0,)
            show_tables(connection, report)
    except TrutoGroupsError as error:
        complain(f"The demo could not be run. {error}")
        return 2
    show_verdicts(report)
    for text in describe_troubles(report):
        complain(text)
    if missing:
        complain(
            f"{say_count(missing, 'active account')} not published yet. Is `make ui` just syncing? "
            "Run the demo again in a moment."
        )
    code = report.exit_code or int(missing > 0)
    if code == 0:
        _tell_next(report)
    return code


def show_tables(connection: Connection, report: SyncReport) -> None:
    """Print excerpts of the tables."""
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
        _show(
            f"group_changes: {say_count(made, 'change')} since the last time, some of them",
            [(*row[:3], describe_change(row[1], row[4], hint=row[3])) for row in changes],
            header=("integration", "change", "name", "what"),
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


def _tell_discovery(census: Census) -> None:
    integrations = len({account.integration for account in census.found.accounts})
    say(
        f"The sandbox lists {say_count(census.found.listed_count, 'connected app')} of "
        f"{say_count(integrations, 'integration')}: {describe_census(census)}."
    )


def _tell_begin(account_count: int) -> None:
    say(f"Syncing {say_count(account_count, 'account')} through Dagster …")


def _tell_next(report: SyncReport) -> None:
    database = _say_path(Path(os.environ["TRUTO_GROUPS_DATABASE"]))
    home = _say_path(Path(os.environ["DAGSTER_HOME"]))
    programs = _say_path(Path(sys.executable).parent)
    is_first = any(one.is_first for one in report.outcomes)
    again = (
        "time passes in the sandbox: see what changes"
        if is_first
        else "nothing more happens in the sandbox; it begins anew after\n"
        f"                      rm -r {home} {database}*"
    )
    say_as_typed(
        f"\nThe tables are in {database}. In pandas:\n\n"
        f"  TRUTO_GROUPS_DATABASE={database} {programs}/python -c \\\n"
        "    'from truto_groups import read; print(read.groups())'\n"
        "\nWhat next\n\n"
        f"  make demo           {again}\n"
        "  make ui             the same tables, partitions and checks in Dagster\n"
        f"  TRUTO_API_TOKEN=… {programs}/truto-groups sync\n"
        "                      the groups of your own connected apps, in data/truto_groups.duckdb\n"
        "  TRUTO_API_TOKEN=… make ui\n"
        "                      the same, kept fresh"
    )


def _say_path(path: Path) -> str:
    """A path as one would type it here."""
    cwd = Path.cwd()
    return shlex.quote(str(path.relative_to(cwd) if path.is_relative_to(cwd) else path))


if __name__ == "__main__":
    sys.exit(main())
