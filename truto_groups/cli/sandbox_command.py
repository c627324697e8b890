"""``truto-groups sandbox``: serve the Truto double, alone or for as long as a command runs."""

import os
import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from truto_groups.cli.terminal import complain, say_as_typed
from truto_groups.runner.sandbox_place import (
    SandboxPlace,
    handling,
    prepare_place,
    run_command,
    serving,
)

_NOT_FOUND, _NOT_RUN = 127, 126


def run_sandbox(*, port: int, command: Sequence[str]) -> int:
    """Serve until a signal comes, or until the command ends, whose exit code is returned.

    Raises:
        SettingsError: The port is taken by something else, or the folders cannot be written.
    """
    place = prepare_place(port, cwd=Path.cwd())
    if place.project is None:
        complain(
            f"{Path.cwd()} is in no project: tables and history go to {place.database.parent} and "
            f"{place.home.parent}."
        )
    with serving(place) as is_ours:
        if command:
            origin = "" if is_ours else ", which another process serves"
            complain(f"Sandbox of Truto at {place.variables['TRUTO_BASE_URL']}{origin}.")
            return _run(command, environ={**os.environ, **place.variables})
        stopped = threading.Event()
        # Before a word is out: who reads that it serves may stop it at once.
        with handling(lambda number, frame: stopped.set()):
            for line in describe_place(place):
                say_as_typed(line)
            if not is_ours:
                complain("Another process serves this sandbox; the variables hold for it too.")
                return 0
            complain("Serving the sandbox of Truto. Stop it with Ctrl-C.")
            stopped.wait()
    return 0


def describe_place(place: SandboxPlace) -> list[str]:
    """The lines to paste into a shell."""
    return [f"export {name}={shlex.quote(value)}" for name, value in place.variables.items()]


def _run(command: Sequence[str], *, environ: Mapping[str, str]) -> int:
    try:
        return run_command(command, environ=environ)
    except OSError as error:
        complain(f"truto-groups: {command[0]} cannot be run: {error.strerror}.")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUN
