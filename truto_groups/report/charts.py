"""Draw bars and a line as SVG, to be shown where only Markdown is: plain text, no library.

Pure: numbers in, an image out. Bars are as long as the square root of what they show, by the axis
below them, so that one app with thousands of groups leaves the bars of others readable. The
background is the image's own, so that it can be read in a dark page too.
"""

import base64
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from typing import Final

# Dagster plots numbers over time, rich draws for terminals; matplotlib is much for two pictures.
_WIDTH: Final = 760
_LABEL_WIDTH: Final = 170
_TOTAL_WIDTH: Final = 90
_PLOT_WIDTH: Final = _WIDTH - _LABEL_WIDTH - _TOTAL_WIDTH
_ROW_HEIGHT: Final = 28
_BAR_HEIGHT: Final = 18
_AXIS_HEIGHT: Final = 26
_LETTER_WIDTH: Final = 7.8
_LABEL_LETTERS: Final = 22
_SMALL_LETTERS: Final = 26
_LINE_HEIGHT: Final = 150
_LINE_LEFT: Final = 80
_LINE_COLOUR: Final = "#0072b2"
_GRID: Final = "#d0d7de"
_FAINT: Final = "#59636e"
_LEAST_TICK_DISTANCE: Final = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is about, and how much of each part it has."""

    label: str
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How much it has of all parts."""
        return sum(self.parts.values())


def draw_bars(bars: Sequence[Bar], *, title: str, colours: Mapping[str, str]) -> str:
    """Draw stacked, horizontal bars on a square root scale, with a legend and an axis.

    A bar is as long as its total; inside of it, each part has its share.

    Args:
        bars: From top to bottom.
        title: What is shown, for those who hear it.
        colours: The colour of each part, in the order in which they are stacked.

    Returns:
        An SVG document.
    """
    legend, top = _draw_legend(colours)
    largest = max((bar.total for bar in bars), default=0) or 1
    bottom = top + len(bars) * _ROW_HEIGHT
    rows = [
        _draw_bar(bar, top=top + n * _ROW_HEIGHT, largest=largest, colours=colours)
        for n, bar in enumerate(bars)
    ]
    axis = _draw_axis(largest, top=top - 4, bottom=bottom)
    return _draw_page(f"{legend}{axis}{''.join(rows)}", title=title, height=bottom + _AXIS_HEIGHT)


def draw_line(points: Sequence[tuple[date, int]], *, title: str) -> str:
    """Draw a number over days, as steps, from 0 up.

    Args:
        points: Day and number, the earliest first; at least one.
        title: What is shown, for those who hear it.

    Returns:
        An SVG document.
    """
    height = _LINE_HEIGHT
    top, bottom = 20, height - 30
    if len(points) == 1:
        # A day has no length: begin it at zero, a day before.
        points = [(points[0][0] - timedelta(days=1), 0), *points]
    first, last = points[0][0], points[-1][0]
    days = (last - first).days
    most = max(number for _, number in points) or 1

    def place(day: date, number: int) -> str:
        left = _LINE_LEFT + (day - first).days / days * (_WIDTH - _LINE_LEFT - 20)
        return f"{left:.1f},{bottom - number / most * (bottom - top):.1f}"

    places = [place(*points[0])]
    for (_, before), (day, number) in pairwise(points):
        places += [place(day, before), place(day, number)]
    grid = "".join(
        f'<line x1="{_LINE_LEFT}" x2="{_WIDTH - 20}" y1="{y}" y2="{y}" stroke="{_GRID}"/>'
        f'<text x="{_LINE_LEFT - 8}" y="{y + 4}" text-anchor="end">{number:,}</text>'
        for y, number in ((top, most), (bottom, 0))
    )
    ends = (
        f'<text x="{_LINE_LEFT}" y="{height - 10}">{first:%Y-%m-%d}</text>'
        f'<text x="{_WIDTH - 20}" y="{height - 10}" text-anchor="end">{last:%Y-%m-%d}</text>'
    )
    line = (
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{_LINE_COLOUR}" '
        'stroke-width="2"/>'
    )
    return _draw_page(f"{grid}{ends}{line}", title=title, height=height)


def to_data_uri(svg: str) -> str:
    """Return an SVG as an address that Markdown can show as an image."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _draw_page(drawn: str, *, title: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" '
        f'font-size="13" fill="#1f2328"><title>{escape(title)}</title>'
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#ffffff"/>{drawn}</svg>'
    )


def _draw_legend(colours: Mapping[str, str]) -> tuple[str, int]:
    """Draw the legend; and where the bars begin below it."""
    drawn: list[str] = []
    left, top = float(_LABEL_WIDTH), 14
    for part, colour in colours.items():
        width = 34 + _LETTER_WIDTH * len(part)
        if left + width > _WIDTH:
            left, top = float(_LABEL_WIDTH), top + 20
        drawn.append(
            f'<rect x="{left:.0f}" y="{top}" width="12" height="12" rx="2" fill="{colour}"/>'
            f'<text x="{left + 18:.0f}" y="{top + 11}">{escape(part)}</text>'
        )
        left += width
    return "".join(drawn), top + 26


def _draw_axis(largest: int, *, top: int, bottom: int) -> str:
    """Draw numbers with lines up through the bars, as far apart as they can be read."""
    drawn: list[str] = []
    before = -math.inf
    for number in _find_ticks(largest):
        left = _LABEL_WIDTH + _scale(number, largest)
        if left - before < _LEAST_TICK_DISTANCE:
            continue
        before = left
        drawn.append(
            f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{top}" y2="{bottom}" stroke="{_GRID}"/>'
            f'<text x="{left:.1f}" y="{bottom + 16}" text-anchor="middle" font-size="11" '
            f'fill="{_FAINT}">{number:,}</text>'
        )
    return "".join(drawn)


def _find_ticks(largest: int) -> list[int]:
    powers = [10**n for n in range(len(str(largest)))]
    return [0, *(factor * one for one in powers for factor in (1, 2, 5) if factor * one <= largest)]


def _scale(number: int, largest: int) -> float:
    return math.sqrt(number / largest) * _PLOT_WIDTH


def _draw_bar(bar: Bar, *, top: int, largest: int, colours: Mapping[str, str]) -> str:
    middle = top + _BAR_HEIGHT / 2 + 4.5
    drawn = [_draw_label(bar.label, middle=middle)]
    left = float(_LABEL_WIDTH)
    length = _scale(bar.total, largest)
    for part, colour in colours.items():
        width = length * bar.parts.get(part, 0) / (bar.total or 1)
        if width:
            # A hair of white between the parts: they are told apart without their colours too.
            drawn.append(
                f'<rect x="{left:.1f}" y="{top}" width="{max(width - 1, 1):.1f}" '
                f'height="{_BAR_HEIGHT}" fill="{colour}">'
                f"<title>{escape(bar.label)}, {escape(part)}: {bar.parts[part]:,}</title></rect>"
            )
            left += width
    drawn.append(f'<text x="{left + 8:.1f}" y="{middle}">{bar.total:,}</text>')
    return "".join(drawn)


def _draw_label(label: str, *, middle: float) -> str:
    """Draw a label right before the bars, in two smaller lines where one is too short for it."""
    right = _LABEL_WIDTH - 10
    if len(label) <= _LABEL_LETTERS:
        return f'<text x="{right}" y="{middle}" text-anchor="end">{escape(label)}</text>'
    lines = textwrap.wrap(label, _SMALL_LETTERS, max_lines=2, placeholder="…")
    drawn = "".join(
        f'<tspan x="{right}" y="{middle - 6 + 11 * n}">{escape(line)}</tspan>'
        for n, line in enumerate(lines)
    )
    return f'<text text-anchor="end" font-size="10">{drawn}</text>'
