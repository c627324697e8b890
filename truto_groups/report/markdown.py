"""Markdown that Dagster's UI renders: tables with links, none of which is cut in silence.

Pure. Text from outside goes through show_in_markdown; where a link leads to is the caller's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from truto_groups.text.visible import show_in_markdown
from truto_groups.text.words import cut_at_word

_MAX_CELL: Final = 400
# Of longer Markdown the UI shows a button instead.
_MAX_IN_LINE: Final = 999


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere; the address is our own and percent-encoded."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Markdown:
    """A text that is Markdown already, without a line break."""

    text: str


Cell = str | int | float | datetime | Link | Markdown | Sequence["str | Link"] | None
"""A value of a table; a sequence stands in one cell, part by part."""


# tabulate, which Dagster brings, escapes no | and breaks a row at a line break in a cell.
def draw_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    count: int,
    most: int,
    see_all: str,
) -> str:
    """Draw a table; where it has more rows than ``most``, a line below says how many and where.

    Args:
        columns: Their names.
        rows: A cell for each column; no more than ``most`` are taken.
        count: How many rows there are.
        most: How many are drawn.
        see_all: How to see the others, as Markdown.
    """
    drawn = list(islice(rows, most))
    # A column of numbers is read by its last digits.
    rule = [
        "---:" if drawn and all(_is_number(row[place]) for row in drawn) else "---"
        for place in range(len(columns))
    ]
    lines = [_line(columns), _line(rule), *(_line(map(draw_cell, row)) for row in drawn)]
    if count > most:
        lines.append(f"\nand {count - most:,} more: {see_all}")
    return "\n".join(lines)


def draw_list(items: Iterable[str], *, count: int, see_all: str) -> str:
    """Draw a list that the UI shows without a click; what finds no room is counted.

    Args:
        items: As Markdown, in order; no more are taken than there is room for.
        count: How many there are.
        see_all: How to see the others, as Markdown.
    """
    drawn: list[str] = []
    for item in items:
        rest = f"- and {count - len(drawn):,} more: {see_all}"
        if len("\n".join([*drawn, f"- {item}", rest])) > _MAX_IN_LINE:
            break
        drawn.append(f"- {item}")
    left = count - len(drawn)
    return "\n".join([*drawn, *([f"- and {left:,} more: {see_all}"] if left else [])])


def draw_cell(value: Cell) -> str:
    """Write a value as Markdown: long texts end at a word, instants are in UTC, to the minute."""
    if value is None:
        return ""
    if isinstance(value, Link):
        return f"[{show_in_markdown(value.text)}]({value.url})"
    if isinstance(value, Markdown):
        return value.text
    if isinstance(value, datetime):
        # With blanks that do not break: a narrow column would break a date at its hyphens.
        return f"{value.astimezone(UTC):%d\u00a0%b\u00a0%Y %H:%M\u00a0UTC}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, str):
        return show_in_markdown(cut_at_word(value, _MAX_CELL))
    return " ".join(map(draw_cell, value))


def say_instant(instant: datetime) -> str:
    """An instant to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _is_number(value: Cell) -> bool:
    return isinstance(value, int | float)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
