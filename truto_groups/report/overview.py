"""The picture over all accounts, as Markdown with a chart in it.

Pure: what the database says in, a text out. No group's name and no remote_data stands in it,
because whoever sees the UI sees it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from truto_groups.accounts.freshness import StaleAccount
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import say_account
from truto_groups.report.charts import Bar, draw_bars, to_data_uri
from truto_groups.text.visible import show, show_in_markdown

LATELY: Final = timedelta(days=7)
"""How far back changes are shown."""

# Okabe and Ito's palette, which people tell apart who do not see all colours.
_COLOURS: Final = {
    "team": "#0072b2",
    "department": "#e69f00",
    "group": "#009e73",
    "product": "#cc79a7",
    "unmapped": "#d55e00",
    "no type": "#8c8c8c",
}
_MAX_BARS: Final = 20
_MAX_ROWS: Final = 15
_MAX_CELL: Final = 200


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many groups of a type an integration has."""

    integration: str
    group_type: str
    group_count: int


@dataclass(frozen=True, slots=True)
class ChangedAccount:
    """What changed in an account lately."""

    integrated_account_id: str
    partition_key: str
    integration: str
    tenant_id: str | None
    added: int
    removed: int
    changed: int
    last_changed_at: datetime


@dataclass(frozen=True)
class Overview:
    """What the picture shows.

    Attributes:
        accounts: All known accounts.
        skipped: Those that the settings skip, by id.
        types: Groups by integration and type.
        changes: What changed lately, the latest first.
        stale: Accounts that are stale, the longest overdue first.
        now: When it was taken.
    """

    accounts: Sequence[KnownAccount]
    skipped: frozenset[str]
    types: Sequence[TypeCount]
    changes: Sequence[ChangedAccount]
    stale: Sequence[StaleAccount]
    now: datetime

    @property
    def group_count(self) -> int:
        """Groups of all accounts."""
        return sum(one.group_count for one in self.types)

    @property
    def held_back(self) -> list[KnownAccount]:
        """Accounts that are there and whose last sync waits for a person."""
        return [one for one in self.accounts if one.outcome == "held_back" and one.gone_at is None]

    @property
    def accounts_by_state(self) -> Mapping[str, int]:
        """How many accounts are in which state, the most frequent first."""
        found = Counter(self._stand(account) for account in self.accounts)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def _stand(self, account: KnownAccount) -> str:
        if account.gone_at is not None:
            return "gone"
        if account.id in self.skipped:
            return "skipped by the settings"
        if account.supports_groups is False:
            return "without groups"
        if not account.is_active:
            return f"not active ({account.status})"
        return (account.outcome or "never synced").replace("_", " ")


def render_overview(overview: Overview) -> str:
    """Render the picture as Markdown."""
    integrations = len({account.integration for account in overview.accounts})
    parts = [
        f"**{overview.group_count:,} groups** in {len(overview.accounts):,} integrated accounts "
        f"of {integrations:,} integrations, as of {_instant(overview.now)}.",
        "### Groups by integration and type",
        _render_types(overview.types),
        "### How the accounts stand",
        _table(("state", "accounts"), overview.accounts_by_state.items()),
        f"### Held back ({len(overview.held_back)})",
        _render_held_back(overview.held_back),
        f"### Stale ({len(overview.stale)})",
        _render_stale(overview.stale),
        "### Largest accounts",
        _render_largest(overview.accounts),
        f"### Changed in the last {LATELY.days} days",
        _render_changes(overview.changes),
    ]
    return "\n\n".join(parts)


def _render_types(types: Sequence[TypeCount]) -> str:
    if not types:
        return "No account has groups yet."
    counts: dict[str, dict[str, int]] = {}
    for one in types:
        counts.setdefault(one.integration, {})[one.group_type] = one.group_count
    bars = sorted(
        (Bar(show(integration), found) for integration, found in counts.items()),
        key=lambda bar: (-bar.total, bar.label),
    )
    present = {one.group_type for one in types}
    columns = {part: colour for part, colour in _COLOURS.items() if part in present}
    title = "Share of each type in the groups of an integration, and how many groups it has"
    svg = draw_bars(_fold(bars), title=title, colours=columns)
    rows = [(b.label, *(b.parts.get(part, 0) for part in columns), b.total) for b in bars]
    table = _table(("integration", *columns, "all"), rows, most=100)
    return f"![{title}]({to_data_uri(svg)})\n\n{table}"


def _fold(bars: Sequence[Bar]) -> list[Bar]:
    """Keep the longest bars and join the others to one, which a hundred of them would bury."""
    if len(bars) <= _MAX_BARS:
        return list(bars)
    joined: Counter[str] = Counter()
    for bar in bars[_MAX_BARS - 1 :]:
        joined.update(bar.parts)
    return [*bars[: _MAX_BARS - 1], Bar(f"{len(bars) - _MAX_BARS + 1} others", joined)]


def _render_held_back(accounts: Sequence[KnownAccount]) -> str:
    if not accounts:
        return "No sync waits for a person."
    rows = [
        (say_account(one.partition_key, one.label), one.attempted_at, one.error) for one in accounts
    ]
    return _table(("account", "since", "why"), rows)


def _render_stale(stale: Sequence[StaleAccount]) -> str:
    if not stale:
        return "Every account was confirmed recently enough."
    rows = [
        (
            say_account(one.account.partition_key, one.account.label),
            one.account.status,
            one.account.last_confirmed_at or "never",
            one.advice,
        )
        for one in stale
    ]
    columns = ("account", "status", "last confirmed", "what to do")
    return _table(columns, rows)


def _render_largest(accounts: Sequence[KnownAccount]) -> str:
    largest = sorted(
        (one for one in accounts if one.group_count), key=lambda one: -(one.group_count or 0)
    )
    if not largest:
        return "No account has groups yet."
    rows = [
        (say_account(one.partition_key, one.label), one.group_count, one.last_confirmed_at)
        for one in largest[:10]
    ]
    return _table(("account", "groups", "last confirmed"), rows)


def _render_changes(changes: Sequence[ChangedAccount]) -> str:
    if not changes:
        return "Nothing changed. (An account's first sync is a beginning and no change.)"
    rows = [
        (
            one.partition_key,
            one.added,
            one.removed,
            one.changed,
            one.last_changed_at,
        )
        for one in changes
    ]
    columns = ("account", "added", "removed", "changed", "last change")
    return _table(columns, rows)


# tabulate, which Dagster brings, escapes no | and breaks a row at a line break in a cell.
def _table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, most: int = _MAX_ROWS
) -> str:
    found = list(rows)
    is_number = [bool(found) and isinstance(value, int) for value in found[0]] if found else []
    rule = ["---:" if right else "---" for right in is_number] or ["---"] * len(columns)
    lines = [
        _line([_cell(column) for column in columns]),
        _line(rule),
        *(_line([_cell(value) for value in row]) for row in found[:most]),
    ]
    if len(found) > most:
        lines.append(f"\nand {len(found) - most:,} more.")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return _instant(value)
    text = str(value)
    return show_in_markdown(text if len(text) <= _MAX_CELL else f"{text[:_MAX_CELL]}…")


def _instant(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"
