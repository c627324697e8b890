"""How far a sync has come: a bar in a terminal, else a line at a human pace.

What is counted and how it is said is report/run_progress.py's.
"""

import os
import sys
from typing import TYPE_CHECKING, TextIO

from truto_groups.cli.terminal import find_console, is_interactive, say
from truto_groups.report.run_progress import HumanPace, RunProgress

if TYPE_CHECKING:
    from rich.progress import Progress

_REFRESHED_A_SECOND = 4


class ProgressBar:
    """Shows the progress of a sync; use it in a ``with``."""

    def __init__(self, *, is_plain: bool = False) -> None:
        """Prepare; a bar that others print into, as a verbose log does, is to be plain."""
        self._is_plain = is_plain
        self._tell_plainly = HumanPace(say)
        self._screen: TextIO | None = None
        self._bar: Progress | None = None

    def __enter__(self) -> "ProgressBar":
        """Begin; nothing is drawn yet."""
        if not self._is_plain and is_interactive():
            # While a step runs, Dagster has stdout go to its logs, and from there to the terminal.
            self._screen = os.fdopen(
                os.dup(sys.stdout.fileno()),
                "w",
                encoding=sys.stdout.encoding,
                errors="backslashreplace",
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        self.pause()
        if self._screen is not None:
            self._screen.close()

    def show(self, progress: RunProgress) -> None:
        """Show it as it is now."""
        if self._screen is None:
            self._tell_plainly(progress)
            return
        if self._bar is None:
            self._bar = _make_bar(progress, self._screen)
            self._bar.start()
        (task,) = self._bar.task_ids
        self._bar.update(task, completed=progress.ended, total=progress.account_count)

    def pause(self) -> None:
        """Take it away, because something is printed; the next ``show`` draws it again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _make_bar(progress: RunProgress, screen: TextIO) -> "Progress":
    from rich.console import RenderableType
    from rich.progress import BarColumn, Progress, TaskProgressColumn
    from rich.text import Text

    class Bar(Progress):
        """A bar with a line below it, which goes on while the sync waits."""

        def get_renderables(self) -> "list[RenderableType]":
            return [self.make_tasks_table(self.tasks), Text(progress.describe())]

    bar = Bar(
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        console=find_console(screen),
        refresh_per_second=_REFRESHED_A_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
        expand=True,
    )
    bar.add_task("", total=progress.account_count)
    return bar
