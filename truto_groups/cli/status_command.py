"""``truto-groups status``: every known account, read from the database alone."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from truto_groups.accounts.names import say_account
from truto_groups.accounts.selection import AccountFilter
from truto_groups.accounts.statuses import AccountStatus
from truto_groups.cli.terminal import (
    Block,
    Cell,
    Paragraph,
    Styled,
    TextTable,
    complain,
    is_interactive,
    redrawing,
    say_as_typed,
    show_blocks,
)
from truto_groups.errors import TrutoGroupsError
from truto_groups.runner.account_reports import StatusReport, read_status
from truto_groups.text.visible import show, show_in_cell
from truto_groups.text.words import say_age, say_count

_WIDE = ("integration", "tenant")
_HEADER = ("account", "status", "groups", "confirmed", "last sync")
_GROUPS = _HEADER.index("groups")
_SECONDS_BETWEEN_LOOKS = 5.0
_STYLES = {"failed": "red", "held_back": "yellow", "interrupted": "yellow"}


def run_status(wanted: AccountFilter, *, is_json: bool) -> int:
    """Print how accounts stand; 0 when the database can be read and each name is somebody's."""
    report = read_status(wanted, cwd=Path.cwd())
    for one in report.unknown:
        complain(f"truto-groups: {show(one.name)}: {one.what}; {one.hint}")
    if report.unknown:
        return 1
    if is_json:
        # In ASCII: whole in every encoding, and no terminal obeys what stands in it.
        say_as_typed(json.dumps([_to_json(one) for one in report.statuses], indent=2))
    else:
        show_blocks(list(describe_statuses(report)))
    return 0


def watch_status(wanted: AccountFilter) -> int:
    """Show how accounts stand, again and again until Ctrl-C."""
    report = read_status(wanted, cwd=Path.cwd())
    if report.unknown:
        return run_status(wanted, is_json=False)
    blocks = _date(report)
    try:
        with redrawing() as draw:
            while True:
                draw(blocks)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                blocks = _look(wanted)
    except KeyboardInterrupt:
        complain("Interrupted. `truto-groups status --watch` goes on with it.")
        return 130


def _look(wanted: AccountFilter) -> list[Block]:
    try:
        return _date(read_status(wanted, cwd=Path.cwd()))
    except TrutoGroupsError as error:
        # What cannot be read just now, as while a disk is full, may be readable in a moment.
        return [Paragraph(str(error)), Paragraph("")]


def _date(report: StatusReport) -> list[Block]:
    now = f"{report.now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return [Paragraph(f"As of {now}:"), Paragraph(""), *describe_statuses(report), Paragraph("")]


def describe_statuses(report: StatusReport) -> Iterator[Block]:
    """Lay out a table, then what to do, then a summary."""
    statuses = report.statuses
    if not statuses:
        yield Paragraph(
            "No account is all of that; `truto-groups status` shows all."
            if report.is_choice
            else "No account is known yet. Run `truto-groups sync`, or start Dagster."
        )
        return
    # A key tells both to a person; whoever reads a pipe by its columns wants them whole.
    wide = _WIDE if not is_interactive() else ()
    rows = [_row(one, now=report.now, wide=wide) for one in statuses]
    yield TextTable(rows, (_HEADER[0], *wide, *_HEADER[1:]), right=(_GROUPS + len(wide),))
    yield Paragraph("")
    waiting = [one for one in statuses if one.what_to_do]
    if waiting:
        yield Paragraph("What to do:")
        for one in waiting:
            who = show_in_cell(say_account(one.partition_key, one.label))
            yield Paragraph(f"{who}: {show_in_cell(one.what_to_do)}", indent=2)
        yield Paragraph("")
    yield Paragraph(_summarize(statuses))


def _summarize(statuses: Sequence[AccountStatus]) -> str:
    stale = sum(one.is_stale for one in statuses)
    failed = sum(one.outcome in ("failed", "held_back") for one in statuses)
    groups = sum(one.groups or 0 for one in statuses)
    return (
        f"{say_count(len(statuses), 'account')}, {say_count(groups, 'group')}; {stale:,} stale, "
        f"{failed:,} failed or held back at the last attempt."
    )


def _row(one: AccountStatus, *, now: datetime, wide: Sequence[str]) -> tuple[Cell, ...]:
    confirmed = say_age(one.last_confirmed_at, now=now)
    return (
        say_account(one.partition_key, one.label),
        *((one.integration, one.tenant_id) if wide else ()),
        "gone" if one.gone_at else one.status,
        one.groups,
        Styled(f"{confirmed or 'never'} (stale)", "yellow") if one.is_stale else confirmed,
        _tell_last_sync(one),
    )


def _tell_last_sync(one: AccountStatus) -> Cell:
    if one.not_synced_because is not None and not one.what_to_do:
        return f"none: {one.not_synced_because[0].lower()}{one.not_synced_because[1:].rstrip('.')}"
    if one.outcome is None:
        return None
    return Styled(one.outcome.replace("_", " "), _STYLES.get(one.outcome, ""))


def _to_json(one: AccountStatus) -> dict[str, object]:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }
