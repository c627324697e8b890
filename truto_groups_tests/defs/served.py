"""Dagster's own programs on a home of their own, and what its UI asks of them by GraphQL."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECONDS = 300


def wait_for(what: str, is_so: Callable[[], bool], *processes: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, as long as some programs live."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert all(process.poll() is None for process in processes), f"died before: {what}"
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.5)


@contextmanager
def running(
    *command: str, folder: Path, cwd: Path = ROOT, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose signals are those of a terminal's, killed at the end with all it started."""
    log = (folder / f"{Path(command[0]).name}.log").open("ab")
    # A background job of a shell inherits SIGINT ignored, and Dagster maps SIGTERM to it. Not set
    # behind the fork: code of Python there may wait for ever for a lock that a thread had here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        log.close()
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        # Also what it has started, which lives on for a while when it has ended by itself.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(port: int, query: str, **variables: object) -> Any:
    """Ask a webserver by GraphQL."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        body = json.load(answer)
    assert "errors" not in body, body
    return body["data"]


def wait_for_webserver(port: int, web: subprocess.Popen[bytes]) -> None:
    """Wait until a webserver answers."""

    def is_up() -> bool:
        try:
            return bool(ask(port, "{ version }"))
        except OSError:
            return False

    wait_for("the webserver answers", is_up, web)


def write_home(folder: Path) -> Path:
    """A Dagster home with the project's own dagster.yaml, as anybody copies it."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    return home
