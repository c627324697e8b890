"""Let a project's ``.env`` say what no variable says.

For our own commands and for notebooks; Dagster reads the same file by itself.
"""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from truto_groups.errors import SettingsError
from truto_groups.settings.environment import find_project

DOTENV = ".env"


def read_variables(environ: Mapping[str, str], *, cwd: Path) -> dict[str, str]:
    """Read the variables, those of the project's ``.env`` included.

    Args:
        environ: The variables that are set; these win, unless they are empty.
        cwd: Where to look for the project; outside of one no file is read.

    Raises:
        SettingsError: The file cannot be read, or holds what no variable can.
    """
    project = find_project(cwd)
    path = project / DOTENV if project is not None else None
    written = _read_file(path) if path is not None and path.is_file() else {}
    filled = {name: value for name, value in written.items() if value and not environ.get(name)}
    return {**environ, **filled}


def _read_file(path: Path) -> dict[str, str | None]:
    try:
        written = dotenv_values(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(
            f"{path} cannot be read: {reason}.", advice="Mend it, or remove it."
        ) from None
    for name, value in written.items():
        if "\0" in f"{name}{value}" or "=" in name:
            raise SettingsError(
                f"{path} gives a variable that no program can have.",
                advice="Write NAME=value, one in a line, without control characters.",
            )
    return written
