"""``truto-groups plan``: what the coming day asks of Truto, and what other settings would alter."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from pathlib import Path

from truto_groups.accounts.names import say_account
from truto_groups.accounts.outlook import Load, SettingsEffect
from truto_groups.cli.terminal import (
    Block,
    Paragraph,
    TextTable,
    complain,
    say_as_typed,
    show_blocks,
)
from truto_groups.runner.planned_day import OtherSettings, Outlook, read_outlook
from truto_groups.settings import format_duration
from truto_groups.text.visible import show_in_cell
from truto_groups.text.words import say_count, say_duration

_HEADER = ("accounts", "syncs", "requests", "at least")
_NUMBERS = (1, 2, 3, 4)
_MOST_ACCOUNTS = 50


def run_plan(settings_path: Path | None, *, is_json: bool) -> int:
    """Print the outlook; 1 when the changed settings are wrong for an account."""
    outlook = read_outlook(settings_path, cwd=Path.cwd())
    if is_json:
        say_as_typed(json.dumps(_to_json(outlook), indent=2))
    else:
        show_blocks(list(_describe(outlook)))
    mistakes = outlook.other.mistakes if outlook.other else ()
    for mistake in mistakes:
        complain(f"truto-groups: {mistake}")
    return 1 if mistakes else 0


def _describe(outlook: Outlook) -> Iterator[Block]:
    if not outlook.account_count:
        yield Paragraph("No account is known yet. Run `truto-groups sync`, or start Dagster.")
        return
    day = outlook.day
    yield Paragraph(
        f"Within 24 hours from {outlook.now:%Y-%m-%d %H:%M} UTC, if each sync goes well: "
        f"{say_count(day.syncs, 'sync')} of {say_count(day.accounts, 'account')} (of "
        f"{outlook.account_count:,} known), {say_count(day.requests, 'request')}, at least "
        f"{say_duration(day.at_least)} under the ceilings"
        f"{f' ({outlook.ceiling:,} in 10 s of the token)' if outlook.ceiling else ''}."
    )
    if day.estimated:
        yield Paragraph(
            f"The requests of {say_count(day.estimated, 'account')} that "
            f"{'was' if day.estimated == 1 else 'were'} never synced are estimated: by the median "
            "of the integration."
        )
    if outlook.slowest is not None and outlook.slowest.sync_time > timedelta(minutes=1):
        slowest = outlook.slowest
        account = slowest.account
        yield Paragraph(
            f"The longest sync is that of "
            f"{say_account(account.partition_key, account.label)}: "
            f"{say_count(slowest.requests, 'request')}, which take "
            f"{say_duration(slowest.sync_time)} at its own ceiling."
        )
    for title, loads in (("UTC", outlook.hours), ("integration", outlook.integrations)):
        if loads:
            yield Paragraph("")
            yield TextTable([_row(load) for load in loads], (title, *_HEADER), right=_NUMBERS)
    if outlook.other is not None:
        yield Paragraph("")
        yield from _describe_other(outlook.day, outlook.other)


def _describe_other(day: Load, other: OtherSettings) -> Iterator[Block]:
    then = other.day_then
    yield Paragraph(f"With {show_in_cell(str(other.path))}:")
    yield Paragraph(
        f"Within 24 hours {say_count(then.requests, 'request')} instead of {day.requests:,}, in "
        f"{say_count(then.syncs, 'sync')} instead of {day.syncs:,}, at least "
        f"{say_duration(then.at_least)} instead of {say_duration(day.at_least)}.",
        indent=2,
    )
    now, changed = other.ceiling
    if now != changed:
        yield Paragraph(
            f"The token's ceiling: {_say_value(changed)} in 10 s instead of {_say_value(now)}.",
            indent=2,
        )
    for name, (value, value_then) in other.general.items():
        text = f"{name}: {_say_value(value_then)} instead of {_say_value(value)}."
        yield Paragraph(show_in_cell(text), indent=2)
    if not other.effects:
        yield Paragraph("Nothing else would hold for any account.", indent=2)
    at_once = [effect for effect in other.effects if effect.is_synced_at_once]
    stale = [effect for effect in other.effects if effect.is_stale_then]
    if at_once:
        yield Paragraph(f"Synced anew at once: {_name(at_once)}.", indent=2)
    if stale:
        yield Paragraph(f"Stale at once: {_name(stale)}.", indent=2)
    if other.effects:
        rows = [_row_of_effect(effect) for effect in other.effects[:_MOST_ACCOUNTS]]
        yield Paragraph("")
        header = ("account", "what changes", "requests a day", "then")
        yield TextTable(rows, header, right=(2, 3), indent=2)
        if len(other.effects) > _MOST_ACCOUNTS:
            more = len(other.effects) - _MOST_ACCOUNTS
            yield Paragraph(f"And {say_count(more, 'account')} more; --json names all.", indent=2)
    for text in other.unused:
        yield Paragraph(show_in_cell(text), indent=2)


def _row(load: Load) -> tuple[str, int, int, int, str]:
    name = show_in_cell(load.name)
    return name, load.accounts, load.syncs, load.requests, say_duration(load.at_least)


def _row_of_effect(effect: SettingsEffect) -> tuple[str, str, int, int]:
    account = effect.account
    changes = "; ".join(
        f"{name}: {_say_value(now)} → {_say_value(then)}"
        for name, (now, then) in effect.changes.items()
    )
    name = say_account(account.partition_key, account.label)
    return (
        show_in_cell(name),
        show_in_cell(changes),
        effect.requests_a_day,
        effect.requests_a_day_then,
    )


def _name(effects: Sequence[SettingsEffect]) -> str:
    named = [
        say_account(one.account.partition_key, one.account.label)
        for one in effects[:_MOST_ACCOUNTS]
    ]
    more = len(effects) - len(named)
    return f"{show_in_cell(', '.join(named))}{f' and {more:,} more' if more else ''}"


def _say_value(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    return value if isinstance(value, str) else json.dumps(value, default=_to_plain)


def _to_json(outlook: Outlook) -> dict[str, object]:
    other = outlook.other
    slowest = outlook.slowest
    return {
        "from": outlook.now.isoformat(),
        "accounts": outlook.account_count,
        "requests_per_10_seconds": outlook.ceiling,
        "day": _load_to_json(outlook.day),
        "hours": [_load_to_json(load) for load in outlook.hours],
        "integrations": [_load_to_json(load) for load in outlook.integrations],
        "slowest": slowest
        and {
            "partition_key": slowest.account.partition_key,
            "integrated_account_id": slowest.account.id,
            "requests": slowest.requests,
            "minutes": _to_minutes(slowest.sync_time),
        },
        "with": other
        and {
            "settings": str(other.path),
            "requests_per_10_seconds": list(other.ceiling),
            "general": _changes_to_json(other.general),
            "day": _load_to_json(other.day_then),
            "accounts": [_effect_to_json(effect) for effect in other.effects],
            "mistakes": list(other.mistakes),
            "unused": list(other.unused),
        },
    }


def _load_to_json(load: Load) -> dict[str, object]:
    content = {name: value for name, value in asdict(load).items() if name != "at_least"}
    return {**content, "minutes": _to_minutes(load.at_least)}


def _effect_to_json(effect: SettingsEffect) -> dict[str, object]:
    return {
        "partition_key": effect.account.partition_key,
        "integrated_account_id": effect.account.id,
        "integration": effect.account.integration,
        "changes": _changes_to_json(effect.changes),
        "requests_a_day": [effect.requests_a_day, effect.requests_a_day_then],
        "is_synced_at_once": effect.is_synced_at_once,
        "is_stale_then": effect.is_stale_then,
    }


def _changes_to_json(changes: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    return {
        name: [json.loads(json.dumps(value, default=_to_plain)) for value in both]
        for name, both in changes.items()
    }


def _to_minutes(duration: timedelta) -> float:
    return round(duration.total_seconds() / 60, 2)


def _to_plain(value: object) -> object:
    if isinstance(value, timedelta):
        return format_duration(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
