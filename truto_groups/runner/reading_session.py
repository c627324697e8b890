"""What a command works with that reads the database only: no token, no request, no Dagster.

Apart from what is read, because a probe, which reads one line, has no time to import the rest.
"""

import os
from pathlib import Path
from typing import NoReturn

from truto_groups.errors import SettingsError
from truto_groups.session import Session, read_clock
from truto_groups.settings import Environment, read_environment, read_settings, resolve_knobs
from truto_groups.warehouse.database import Database


def open_reading(cwd: Path) -> Session:
    """Open what a command works with that reads the database only.

    Raises:
        SettingsError: A variable or the settings file is wrong.
    """
    environment = read_environment(os.environ, cwd=cwd)
    return open_reading_session(environment, environment.settings_path)


def open_reading_session(environment: Environment, settings_path: Path | None) -> Session:
    """The same with a settings file of one's own.

    Raises:
        SettingsError: The settings file is wrong.
    """
    settings = read_settings(settings_path)
    knobs = resolve_knobs({}, section=settings.truto, base_url=environment.base_url)
    return Session(settings, knobs, Database.of(environment), _refuse_client, read_clock)


def _refuse_client() -> NoReturn:
    raise SettingsError("This command reads the database only.")
