"""Our folders of temporary files: named after their process, so that what one left can be told."""

import os
import re
import tempfile
from pathlib import Path

FOLDER_PREFIX = "truto-groups-"
"""How they begin; those of other names hold the marks of the runs on a database."""

_OF_A_PROCESS = re.compile(rf"{FOLDER_PREFIX}(\d+)-\w+")


def make_temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Make one where TMPDIR says, readable for this user alone, and removed with its object.

    Raises:
        OSError: There is no place for temporary files.
    """
    return tempfile.TemporaryDirectory(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")


def is_left_behind(name: str) -> bool:
    """Whether a folder of that name is one of ours whose process is gone."""
    found = _OF_A_PROCESS.fullmatch(name)
    return found is not None and not Path(f"/proc/{found[1]}").exists()
