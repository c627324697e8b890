"""Draw stacked bars as SVG, to be shown where only Markdown is: plain text, no library.

Pure: numbers in, an image out. Each bar is as long as the next and shows shares, because one app
with thousands of groups would make the bars of all others unreadable; how many there are is
written beside it. The background is the image's own, so that it can be read in a dark
page too.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

# Dagster plots numbers over time, rich draws for terminals; matplotlib is much for one picture.
_WIDTH: Final = 760
_LABEL_WIDTH: Final = 170
_TOTAL_WIDTH: Final = 90
_ROW_HEIGHT: Final = 28
_BAR_HEIGHT: Final = 18
_LETTER_WIDTH: Final = 7.8
_MAX_LABEL: Final = 22


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
    """Draw stacked, horizontal bars of shares with a legend.

    Args:
        bars: From top to bottom.
        title: What is shown, for those who hear it.
        colours: The colour of each part, in the order in which they are stacked.

    Returns:
        An SVG document.
    """
    legend, top = _draw_legend(colours)
    rows = [
        _draw_bar(bar, top=top + n * _ROW_HEIGHT, colours=colours) for n, bar in enumerate(bars)
    ]
    height = top + len(bars) * _ROW_HEIGHT + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" '
        f'font-size="13" fill="#1f2328"><title>{escape(title)}</title>'
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#ffffff"/>'
        f"{legend}{''.join(rows)}</svg>"
    )


def to_data_uri(svg: str) -> str:
    """Return an SVG as an address that Markdown can show as an image."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


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


def _draw_bar(bar: Bar, *, top: int, colours: Mapping[str, str]) -> str:
    middle = top + _BAR_HEIGHT / 2 + 4.5
    label = bar.label if len(bar.label) <= _MAX_LABEL else f"{bar.label[: _MAX_LABEL - 1]}…"
    drawn = [f'<text x="{_LABEL_WIDTH - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>']
    left = float(_LABEL_WIDTH)
    scale = (_WIDTH - _LABEL_WIDTH - _TOTAL_WIDTH) / (bar.total or 1)
    for part, colour in colours.items():
        width = bar.parts.get(part, 0) * scale
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
