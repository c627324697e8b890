"""Text for a terminal: tables, paragraphs, and the only way out to it.

What is told is the commands' business. Nothing that somebody else wrote is obeyed by the terminal,
and nothing that it cannot write ends a command.
"""

import io
import shutil
import sys
from collections.abc import Sequence

from truto_groups.text.visible import cut, measure, pad, show_in_cell, show_lines

_GAP = "  "
_UNLIMITED = 10_000


def find_width() -> int:
    """The columns of the terminal; no limit where the output goes elsewhere."""
    if not sys.stdout.isatty():
        return _UNLIMITED
    return shutil.get_terminal_size().columns


def format_table(
    rows: Sequence[Sequence[object]],
    *,
    header: Sequence[str],
    right: Sequence[str] = (),
    width: int = _UNLIMITED,
) -> list[str]:
    """Lay out rows under a header.

    Args:
        rows: Cells; None is shown as a dash.
        header: The columns' names.
        right: The columns that are aligned to the right.
        width: Columns of the terminal; longer lines are cut.
    """
    cells = [[_show(cell) for cell in row] for row in rows]
    table = [list(header), *cells]
    widths = [max(measure(row[index]) for row in table) for index in range(len(header))]
    rule = ["─" * one for one in widths]
    lines: list[str] = []
    for row in [table[0], rule, *table[1:]]:
        padded = [
            pad(cell, one, is_right=name in right)
            for cell, one, name in zip(row, widths, header, strict=True)
        ]
        lines.append(cut(_GAP.join(padded).rstrip(), width))
    return lines


def write_anything() -> None:
    """Let both streams write every text: what their encoding lacks is escaped.

    Without a UTF-8 locale, as cron has it, Python would end the command at the first such letter.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Say something on stdout, at once."""
    print(show_lines(text), flush=True)


def complain(text: str) -> None:
    """Say something on stderr, after all that was said before."""
    sys.stdout.flush()
    print(show_lines(text), file=sys.stderr, flush=True)


def _show(cell: object) -> str:
    if cell is None:
        return "—"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return show_in_cell(str(cell))
