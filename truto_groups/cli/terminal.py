"""Text for a terminal: tables, ages, paragraphs.

Plain strings out; what is told is the commands' business.
"""

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

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
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]
    rule = ["─" * one for one in widths]
    lines: list[str] = []
    for row in [table[0], rule, *table[1:]]:
        padded = [
            cell.rjust(one) if name in right else cell.ljust(one)
            for cell, one, name in zip(row, widths, header, strict=True)
        ]
        lines.append(cut(_GAP.join(padded).rstrip(), width))
    return lines


def cut(text: str, width: int) -> str:
    """Cut a line that is too long, with an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def show_age(instant: datetime | None, *, now: datetime) -> str | None:
    """An instant as people say it: ``just now``, ``12 min ago``, ``3 d ago``."""
    if instant is None:
        return None
    minutes = int((now - instant) / timedelta(minutes=1))
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} d ago"


def complain(text: str) -> None:
    """Say something on stderr, after all that was said before."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def _show(cell: object) -> str:
    if cell is None:
        return "—"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return " ".join(str(cell).split())
