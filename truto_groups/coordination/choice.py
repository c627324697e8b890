"""Which way of coordination a database gets: the one that all who can write it can reach."""

from pathlib import Path

from truto_groups.coordination.files.file_coordination import FileCoordination
from truto_groups.coordination.seam import Coordination


def choose_coordination(companion: Path) -> Coordination:
    """Return what coordinates the processes that share a database.

    Args:
        companion: A path to which suffixes are added for files beside the database.
    """
    return FileCoordination(companion)
