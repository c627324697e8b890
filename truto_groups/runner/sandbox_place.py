"""Serve the Truto double, for as long as it is wanted or a command runs, with data of its own.

What is printed of it is cli/sandbox_command.py's.
"""

import contextlib
import errno
import http.client
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from truto_groups.errors import SettingsError
from truto_groups.sandbox import SETTINGS_PATH, SandboxServer
from truto_groups.sandbox.server import DEFAULT_TOKEN
from truto_groups.sandbox.sockets import IDENTITY
from truto_groups.settings import find_project

_LOOPBACK = "127.0.0.1"
_PING_SECONDS = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Where the project's instance keeps its history; the sandbox's keeps it in its own home.
_OF_THE_PROJECT_ONLY = ("storage", "compute_logs", "local_artifact_storage")
_DEFAULT_CONFIG = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}

SignalHandler = Callable[[int, FrameType | None], None]


@dataclass(frozen=True, slots=True)
class SandboxPlace:
    """Where the data of a sandbox lies: keyed by its port, so that a restart goes on.

    Attributes:
        port: The port it is served on.
        home: Dagster's home, and the sandbox's own state.
        database: The DuckDB file.
        project: The project around it, or None.
    """

    port: int
    home: Path
    database: Path
    project: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """What to set so that everything works on the sandbox."""
        return {
            "TRUTO_BASE_URL": f"http://{_LOOPBACK}:{self.port}",
            "TRUTO_API_TOKEN": DEFAULT_TOKEN,
            "TRUTO_GROUPS_DATABASE": str(self.database),
            "TRUTO_GROUPS_SETTINGS": str(SETTINGS_PATH),
            "DAGSTER_HOME": str(self.home),
        }


def prepare_place(port: int, *, cwd: Path) -> SandboxPlace:
    """Make the folders of a sandbox, in the project, or here outside of one.

    Raises:
        SettingsError: They cannot be written, or the project's dagster.yaml cannot be read.
    """
    project = find_project(cwd)
    folder = project or cwd.absolute()
    place = SandboxPlace(
        port=port,
        home=folder / ".dagster" / f"sandbox-{port}",
        database=folder / "data" / f"sandbox-{port}.duckdb",
        project=project,
    )
    try:
        place.home.mkdir(parents=True, exist_ok=True)
        place.database.parent.mkdir(parents=True, exist_ok=True)
        (place.home / "dagster.yaml").write_text(_derive_config(project), encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"The sandbox cannot keep its data in {folder}: {error.strerror or error}.",
            advice="Start it in a folder that you may write.",
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(
            f"The dagster.yaml of {folder} is no YAML: {error}", advice="Mend it."
        ) from error
    return place


def run_command(command: Sequence[str], *, environ: Mapping[str, str]) -> int:
    """Run a command, pass signals on to it, and return its exit code as a shell tells it.

    Raises:
        OSError: It cannot be run.
    """
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        # Ctrl-C in a terminal reaches the command as well: sent twice, it would cut short whatever
        # the command does to end well, and end a shell that only wanted to drop a line.
        if started and not (number == signal.SIGINT and _is_in_foreground()):
            started[0].send_signal(number)

    with handling(forward):
        started.append(subprocess.Popen(command, env=environ))  # noqa: S603
        code = started[0].wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def serving(place: SandboxPlace) -> Generator[bool]:
    """Serve for the length of the block; False when another process of ours does already."""
    try:
        server = SandboxServer(place.port, state_path=place.home / "sandbox.json")
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_our_sandbox(place.port):
            yield False
            return
        taken = "is taken by another program" if error.errno == errno.EADDRINUSE else "is refused"
        raise SettingsError(
            f"Port {place.port} {taken} ({error.strerror}).",
            advice="Name another one with --port, such as "
            f"--port {place.port + 1} (with make: PORT={place.port + 1}).",
        ) from error
    with server:
        yield True


def _is_our_sandbox(port: int) -> bool:
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=_PING_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().getheader(IDENTITY[0]) == IDENTITY[1]
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _derive_config(project: Path | None) -> str:
    """The project's dagster.yaml, but with all that is stored in the sandbox's own home."""
    path = project / "dagster.yaml" if project is not None else None
    config: dict[str, Any] = dict(_DEFAULT_CONFIG)
    if path is not None and path.is_file():
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    kept = {name: value for name, value in config.items() if name not in _OF_THE_PROJECT_ONLY}
    note = "# Written by `truto-groups sandbox` at each start; change the project's dagster.yaml.\n"
    return note + yaml.safe_dump(kept, sort_keys=False)


def _is_in_foreground() -> bool:
    """Whether a terminal sends its signals to this process and to what it started."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextlib.contextmanager
def handling(handler: SignalHandler) -> Generator[None]:
    """Handle what ends a process in this way, for the length of the block."""
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
