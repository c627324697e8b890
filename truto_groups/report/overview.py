"""The picture over all accounts, as Markdown: who needs a person, what is missing, what changed.

Pure: what the database says in, a text out. No remote_data stands in it and no name of a private
account's group, because whoever sees the UI sees it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from truto_groups.accounts.coverage import Coverage
from truto_groups.accounts.model import KnownAccount
from truto_groups.report.changes import ChangedAccount, say_changes, say_counts, sum_counts
from truto_groups.report.charts import Bar, draw_bars, draw_line, to_data_uri
from truto_groups.report.markdown import Cell, Link, draw_cell, draw_list, draw_table, say_instant
from truto_groups.report.needs import STATES, Need
from truto_groups.text.visible import show, show_in_markdown
from truto_groups.text.words import cut_in_middle, say_age, say_count, say_duration, shorten_words

TODAY: Final = timedelta(days=1)
"""How far back changes are told."""
LATELY: Final = timedelta(days=30)
"""How far back the pictures go."""
LONGEST_NOTICE: Final = timedelta(days=7)
"""What took longer was no change that could have been noticed before."""

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
_MAX_NEEDS: Final = 50
MAX_ROWS: Final = 25
"""Rows of a section."""
_MAX_EXAMPLES: Final = 5
_LONGEST_WORD: Final = 32
_SEE_STATUS: Final = "`truto-groups status`"


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many groups of a type an integration has."""

    integration: str
    group_type: str
    group_count: int


@dataclass(frozen=True, slots=True)
class DayTotal:
    """How many groups there were at the end of a day on which their number changed."""

    day: date
    group_count: int


@dataclass(frozen=True, slots=True)
class TimeToNotice:
    """How long changes took until they were noticed; of all integrations together where it is None.

    Attributes:
        integration: The app's kind.
        change_count: Changes of which that can be told.
        p50: Half of them were noticed within this.
        p95: 95 of 100 were.
    """

    integration: str | None
    change_count: int
    p50: timedelta
    p95: timedelta


@dataclass(frozen=True, slots=True)
class FailingCheck:
    """A check that is red (error) or yellow (a warning), and what it says."""

    name: str
    is_error: bool
    headline: str
    url: str


@dataclass(frozen=True, slots=True)
class Routes:
    """Where links of the picture lead to.

    Attributes:
        to_account: By partition key.
        to_run: By run id.
        to_accept: To where a person accepts what an account sends.
    """

    to_account: Callable[[str], str]
    to_run: Callable[[str], str]
    to_accept: Callable[[Need], str]


@dataclass(frozen=True)
class Overview:
    """What the picture shows.

    Attributes:
        accounts: All known accounts.
        skipped: Those that the settings skip, by id.
        private: Those of whose groups nothing is told by name, by id.
        needs: Who needs a person, the worst first.
        checks: Checks that are red or yellow.
        coverage: What is complete and fresh, and what is missing.
        types: Groups by integration and type.
        changes: What changed since yesterday, the latest first.
        totals: Groups by day, as far back as LATELY.
        notices: Times to notice, all together first.
        now: When it was taken.
    """

    accounts: Sequence[KnownAccount]
    skipped: frozenset[str]
    private: frozenset[str]
    needs: Sequence[Need]
    checks: Sequence[FailingCheck]
    coverage: Coverage
    types: Sequence[TypeCount]
    changes: Sequence[ChangedAccount]
    totals: Sequence[DayTotal]
    notices: Sequence[TimeToNotice]
    now: datetime

    @property
    def group_count(self) -> int:
        """Groups of all accounts."""
        return sum(one.group_count for one in self.types)

    @property
    def needs_by_state(self) -> Mapping[str, int]:
        """How many accounts need a person, by their worst trouble; 0 where none does."""
        found = Counter(one.state for one in self.needs)
        return {state: found[state] for state in STATES}

    @property
    def accounts_by_state(self) -> Mapping[str, int]:
        """How many accounts are in which state, the most frequent first."""
        found = Counter(self._stand(account) for account in self.accounts)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def counts_today(self) -> Mapping[str, int]:
        """How many groups changed how since yesterday."""
        return sum_counts(self.changes)

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


def render_overview(overview: Overview, routes: Routes) -> str:
    """Render the picture as Markdown."""
    parts = [
        f"### Needs you ({len(overview.needs)})",
        _render_needs(overview, routes),
        *_render_checks(overview.checks),
        "### What is complete",
        _render_coverage(overview, routes),
        "### Changed since yesterday",
        _render_changes(overview, routes),
        "### Groups by integration and type",
        _render_types(overview),
        "### Groups over time",
        _render_totals(overview),
        "### Time to notice a change",
        _render_notices(overview.notices),
        "### How the accounts stand",
        _draw(("state", "accounts"), list(overview.accounts_by_state.items())),
        "### Largest accounts",
        _render_largest(overview, routes),
    ]
    return "\n\n".join(parts)


def render_needs_in_line(
    needs: Sequence[Need], *, to_account: Callable[[str], str], now: datetime, see_all: str
) -> str:
    """Who needs a person in so few letters that the UI shows it without a click.

    Args:
        needs: The worst first.
        to_account: Where the link of a partition key leads to.
        now: Aware UTC instant.
        see_all: Where the others are, as Markdown.
    """
    if not needs:
        return "Nobody. Every account is as it should be."
    items = (
        f"{draw_cell(Link(one.account.partition_key, to_account(one.account.partition_key)))}: "
        f"{one.state}, {say_age(one.since, now=now)}"
        for one in needs
    )
    return draw_list(items, count=len(needs), see_all=see_all)


def _render_needs(overview: Overview, routes: Routes) -> str:
    if not overview.needs:
        return "Nobody needs you. Every account is as it should be."
    return draw_table(
        ("account", "what", "since", "what to do"),
        (
            (
                _link(need.account, routes),
                f"{need.state.capitalize()}: {_narrow(need.what)}"
                + (f" Also {' and '.join(need.also)}." if need.also else ""),
                need.since,
                [_narrow(need.what_to_do), *_link_ways(need, routes)],
            )
            for need in overview.needs
        ),
        count=len(overview.needs),
        most=_MAX_NEEDS,
        see_all=_SEE_STATUS,
    )


def _link_ways(need: Need, routes: Routes) -> Sequence[str | Link]:
    ways: list[str | Link] = []
    if need.acceptable is not None:
        ways += ["If it is right:", Link("accept", routes.to_accept(need))]
    if need.run_id is not None:
        ways += ["See its", Link("run", routes.to_run(need.run_id))]
    return ways


def _render_checks(checks: Sequence[FailingCheck]) -> list[str]:
    if not checks:
        return ["Every check is green."]
    rows = [
        (Link(one.name, one.url), "red" if one.is_error else "yellow", _narrow(one.headline))
        for one in checks
    ]
    return [_draw(("check", "colour", "says"), rows)]


def _render_coverage(overview: Overview, routes: Routes) -> str:
    coverage = overview.coverage
    told = f"**{show_in_markdown(coverage.say())}**"
    if not coverage.missing:
        return told
    table = draw_table(
        ("account", "since", "why", "what to do"),
        (
            (_link(one.account, routes), one.since, _narrow(one.why), _narrow(one.what_to_do))
            for one in coverage.missing
        ),
        count=len(coverage.missing),
        most=MAX_ROWS,
        see_all="`truto-groups status --state stale`, and `--state never_synced`",
    )
    return f"{told}\n\n{table}"


def _render_changes(overview: Overview, routes: Routes) -> str:
    if not overview.changes:
        return "Nothing changed. (An account's first sync is a beginning and no change.)"
    told = f"**{say_counts(overview.counts_today)}**, in "
    lines = [f"{told}{say_count(len(overview.changes), 'account')}:\n"]
    for one in overview.changes[:MAX_ROWS]:
        link = Link(one.partition_key, routes.to_account(one.partition_key))
        is_private = one.integrated_account_id in overview.private
        changes = say_changes(one.counts, one.examples, most=_MAX_EXAMPLES, is_private=is_private)
        lines.append(f"- {draw_cell(link)}, {say_instant(one.last_changed_at)}: {changes}")
    more = len(overview.changes) - MAX_ROWS
    if more > 0:
        lines.append(f"- and {say_count(more, 'more account')}: the table `group_changes`")
    return "\n".join(lines)


def _render_types(overview: Overview) -> str:
    if not overview.types:
        return "No account has groups yet."
    counts: dict[str, dict[str, int]] = {}
    for one in overview.types:
        counts.setdefault(one.integration, {})[one.group_type] = one.group_count
    bars = sorted(
        (Bar(show(integration), found) for integration, found in counts.items()),
        key=lambda bar: (-bar.total, bar.label),
    )
    present = {one.group_type for one in overview.types}
    columns = {part: colour for part, colour in _COLOURS.items() if part in present}
    title = "Groups by integration, and how many of them are of which type"
    svg = draw_bars(_fold(bars), title=title, colours=columns)
    rows = [(b.label, *(b.parts.get(part, 0) for part in columns), b.total) for b in bars]
    table = _draw(("integration", *columns, "all"), rows)
    integrations = len({account.integration for account in overview.accounts})
    told = (
        f"**{overview.group_count:,} groups** in {len(overview.accounts):,} integrated accounts "
        f"of {integrations:,} integrations, as of {say_instant(overview.now)}. A bar of twice the "
        "length is four times as many."
    )
    return f"{told}\n\n![{title}]({to_data_uri(svg)})\n\n{table}"


def _fold(bars: Sequence[Bar]) -> list[Bar]:
    """Keep the longest bars and join the others to one, which a hundred of them would bury."""
    if len(bars) <= _MAX_BARS:
        return list(bars)
    joined: Counter[str] = Counter()
    for bar in bars[_MAX_BARS - 1 :]:
        joined.update(bar.parts)
    return [*bars[: _MAX_BARS - 1], Bar(f"{len(bars) - _MAX_BARS + 1} others", joined)]


def _render_totals(overview: Overview) -> str:
    if not overview.totals:
        return "No account was published yet."
    title = f"Groups of all known accounts, day by day, in the last {LATELY.days} days"
    points = [(one.day, one.group_count) for one in overview.totals]
    today = overview.now.date()
    if points[-1][0] < today:
        points.append((today, points[-1][1]))
    return f"![{title}]({to_data_uri(draw_line(points, title=title))})"


def _render_notices(notices: Sequence[TimeToNotice]) -> str:
    if not notices:
        return (
            f"No change of the last {LATELY.days} days has an instant at which the vendor says it "
            "was made."
        )
    rows = [
        (one.integration or "all", one.change_count, say_duration(one.p50), say_duration(one.p95))
        for one in notices
    ]
    told = (
        "From the instant that the vendor gives for a change to its row in `group_changes`, in the "
        f"last {LATELY.days} days."
    )
    table = _draw(("integration", "changes", "half within", "95 of 100 within"), rows)
    return f"{told}\n\n{table}"


def _render_largest(overview: Overview, routes: Routes) -> str:
    largest = sorted(
        (one for one in overview.accounts if one.group_count),
        key=lambda one: -(one.group_count or 0),
    )[:10]
    if not largest:
        return "No account has groups yet."
    rows = [(_link(one, routes), one.group_count, one.last_confirmed_at) for one in largest]
    return _draw(("account", "groups", "last confirmed"), rows)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Draw a table that has all its rows."""
    return draw_table(columns, rows, count=len(rows), most=len(rows), see_all="")


def _link(account: KnownAccount, routes: Routes) -> Sequence[str | Link]:
    link = Link(account.partition_key, routes.to_account(account.partition_key))
    return [link, f"({_narrow(account.label)})"] if account.label else [link]


def _narrow(text: str) -> str:
    return shorten_words(cut_in_middle(text, 400), _LONGEST_WORD)
