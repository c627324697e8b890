"""All that processes of one machine agree on, through files beside one database.

Only puts the parts together, each with its file.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from truto_groups.coordination.files import presence
from truto_groups.coordination.files.counter import advance_count
from truto_groups.coordination.files.start_log import FileStartLog, forget_keys
from truto_groups.coordination.files.turns import FileTurn, turn


class FileCoordination:
    """Coordination through files whose names begin as ``companion`` does."""

    def __init__(self, companion: Path) -> None:
        self._companion = companion

    def turn(
        self, *, is_alone: bool, within_seconds: float | None = None
    ) -> AbstractContextManager[FileTurn]:
        """Wait for a turn, and have it until the block ends. See the seam."""
        return turn(self._companion, is_alone=is_alone, within_seconds=within_seconds)

    def mark_alive(self, run_id: str) -> AbstractContextManager[None]:
        """Be present as a run. See the seam."""
        return presence.mark_alive(self._beside(".runs"), run_id)

    def is_alive(self, run_id: str) -> bool:
        """Whether a process is present as the run. See the seam."""
        return presence.is_held(self._beside(".runs"), run_id) is True

    def is_abandoned(self, run_id: str) -> bool:
        """Whether a process was present as the run and was killed. See the seam."""
        return presence.is_held(self._beside(".runs"), run_id) is False

    def advance_count(self, *, at_least: int, after_loss: Callable[[], int]) -> int:
        """Return a number larger than every one before. See the seam."""
        return advance_count(self._beside(".order"), at_least=at_least, after_loss=after_loss)

    def open_start_log(self) -> FileStartLog:
        """Prepare the log of requests' starts. See the seam."""
        return FileStartLog(self._beside(".limits"))

    def forget_starts(self, part: str) -> None:
        """Forget all keys in which a text stands. See the seam."""
        forget_keys(self._beside(".limits"), part)

    def _beside(self, suffix: str) -> Path:
        return self._companion.with_name(self._companion.name + suffix)
