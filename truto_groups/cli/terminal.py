"""The only way out to the terminal: sentences, tables and what is drawn anew.

Rich lays out what a person looks at: it wraps, and colours where that is wanted. Where the output
goes elsewhere it is plain: one line for one thing, for grep and mails. Nothing that somebody else
wrote is obeyed by the terminal, and nothing that it cannot write ends a command.
"""

# Rich takes 0.15 s to import, which who prints into a pipe or wants help must not wait for.

import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from truto_groups.errors import ExportError
from truto_groups.text.visible import show_in_cell, show_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_GAP = "  "
# Laying out a row takes rich the better part of a millisecond.
_MOST_ROWS_TO_WRAP = 2000


@dataclass(frozen=True, slots=True)
class Styled:
    """A cell in a style of rich's, such as ``red``."""

    text: str
    style: str


Cell = str | int | Styled | None
"""What stands in a table: None as a dash, numbers with their thousands apart."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows under a header.

    Attributes:
        rows: Cells; all rows have as many.
        header: The columns' names; none are shown when it is empty.
        right: The indexes of columns that are aligned to the right.
        indent: Blanks before each line.
    """

    rows: Sequence[Sequence[Cell]]
    header: Sequence[str] = ()
    right: Sequence[int] = ()
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or more; in a terminal, its lines are all indented."""

    text: str
    indent: int = 0


Block = TextTable | Paragraph


def write_anything() -> None:
    """Let both streams write every text: what their encoding lacks is escaped.

    Without a UTF-8 locale, as cron has it, Python would end the command at the first such letter.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, indent: int = 0) -> None:
    """Say something on stdout, at once."""
    show_blocks([Paragraph(text, indent)])


def say_as_typed(text: str) -> None:
    """Say something that is to be pasted: the terminal alone breaks its lines."""
    with _writing():
        print(show_lines(text), flush=True)


def pour(path: Path) -> None:
    """Write a file to stdout as it is; into a terminal, with its control characters visible.

    Raises:
        ExportError: There is no stdout, or it takes no more.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - None when closed
        raise ExportError("There is no output to write to.", advice="Name a file with --out.")
    if sys.stdout.isatty():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                print(show_lines(line.removesuffix("\n")))
        sys.stdout.flush()
    else:
        with path.open("rb") as file, _writing():
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()


def complain(text: str) -> None:
    """Say something on stderr, after all that was said before."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None when closed
        sys.stdout.flush()
    _write([Paragraph(text)], sys.stderr)


class Complaints(logging.Handler):
    """Writes what is logged to stderr, whatever that is just then: above a bar that is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        print(show_lines(self.format(record)), file=sys.stderr, flush=True)


def show_table(
    rows: Sequence[Sequence[Cell]],
    *,
    header: Sequence[str] = (),
    right: Sequence[int] = (),
    indent: int = 0,
) -> None:
    """Show a table on stdout."""
    show_blocks([TextTable(rows, header, right, indent)])


def show_blocks(blocks: Sequence[Block]) -> None:
    """Show several things on stdout, one below the other."""
    with _writing():
        _write(blocks, sys.stdout)


@contextmanager
def _writing() -> Generator[None]:
    """Tell what stdout does not take as a file is told of; a pipe that is closed is the caller's.

    Raises:
        ExportError: It takes no more.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        raise ExportError(
            f"What is told cannot be written to the output: {error.strerror or error}.",
            advice="Leave room on the disk that it goes to, or let it go elsewhere.",
        ) from error


def leave_stdout() -> None:
    """Write no more to stdout: Python would try what is left at its exit, and complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_interactive() -> bool:
    """Whether stdout is a terminal in which something can be drawn anew."""
    console = find_console(sys.stdout)
    return console is not None and console.is_interactive


@contextmanager
def redrawing() -> Generator[Callable[[Sequence[Block]], None]]:
    """Give what shows blocks in the place of those before; below them where nobody draws anew.

    What does not fit into the terminal is left out, and how much that is stands in the last line.
    """
    console = find_console(sys.stdout)
    if console is None or not console.is_interactive:
        yield show_blocks
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda blocks: live.update(_fit(console, blocks), refresh=True)


def find_console(stream: TextIO | None) -> "Console | None":
    """Rich's console for a stream; None where it is no terminal."""
    if stream is None or not stream.isatty():
        return None
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def _write(blocks: Sequence[Block], stream: TextIO | None) -> None:
    console = find_console(stream)
    for block in blocks:
        if console is None or (
            isinstance(block, TextTable) and len(block.rows) > _MOST_ROWS_TO_WRAP
        ):
            for line in _format(block):
                print(line, file=stream)
        else:
            console.print(_render(block))
    if stream is not None:
        stream.flush()


def _format(block: Block) -> list[str]:
    """Lay out without a width, and without colours."""
    blanks = " " * block.indent
    if isinstance(block, Paragraph):
        return [f"{blanks}{line}" for line in show_lines(block.text).split("\n")]
    from rich.cells import cell_len

    cells = [[_show(cell) for cell in row] for row in block.rows]
    lines = [list(block.header), *cells] if block.header else cells
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if block.header:
        lines.insert(1, ["─" * width for width in widths])
    padded: list[str] = []
    for line in lines:
        parts: list[str] = []
        for index, (text, width) in enumerate(zip(line, widths, strict=True)):
            fill = " " * (width - cell_len(text))
            parts.append(f"{fill}{text}" if index in block.right else f"{text}{fill}")
        padded.append(f"{blanks}{_GAP.join(parts)}".rstrip())
    return padded


def _render(block: Block) -> "RenderableType":
    """Lay out for the width of a terminal."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    if isinstance(block, Paragraph):
        return Padding(Text(show_lines(block.text)), (0, 0, 0, block.indent), expand=False)
    table = RichTable(
        box=box.SIMPLE_HEAD if block.header else None,
        show_header=bool(block.header),
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0) if block.header else (0, 2, 0, 0),
    )
    for index in range(len(block.header or block.rows[0])):
        table.add_column(
            block.header[index] if block.header else "",
            justify="right" if index in block.right else "left",
            overflow="fold",
        )
    for row in block.rows:
        table.add_row(*map(_style, row))
    return Padding(table, (0, 0, 0, block.indent), expand=False)


def _fit(console: "Console", blocks: Sequence[Block]) -> "RenderableType":
    from rich.console import Group
    from rich.segment import Segment, Segments
    from rich.text import Text

    lines = console.render_lines(Group(*map(_render, blocks)), pad=False)
    room = max(1, console.height - 2)
    shown = lines if len(lines) <= room else lines[: room - 1]
    left_out = len(lines) - len(shown)
    told = [Text(f"… and {left_out:,} lines more than fit here.")] if left_out else []
    segments = [segment for line in shown for segment in (*line, Segment.line())]
    return Group(Segments(segments), *told)


def _style(cell: Cell) -> "Text":
    from rich.text import Text

    return Text(_show(cell), style=cell.style if isinstance(cell, Styled) else "")


def _show(cell: Cell) -> str:
    if cell is None:
        return "—"
    if isinstance(cell, int):
        return f"{cell:,}"
    return show_in_cell(cell.text if isinstance(cell, Styled) else cell)
