"""The Makefile, where no environment needs to be set up for it."""

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

ROOT = Path(__file__).parents[1]


def test_the_ui_is_refused_where_its_port_is_taken(tmp_path: Path) -> None:
    """Dagster would take the next port, and a second daemon would work on the same history."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    for name in ("dg", "truto-groups"):
        (programs / name).write_text('#!/bin/sh\necho started "$@"\n')
        (programs / name).chmod(0o755)
    stamp = tmp_path / "venv" / ".installed"
    stamp.write_text(str(ROOT))

    def make_ui(port: int) -> subprocess.CompletedProcess[str]:
        call = ["make", "--no-print-directory", "-o", str(stamp), "ui", f"UI_PORT={port}"]
        return subprocess.run(
            [*call, f"VENV={tmp_path / 'venv'}", "PORT=8799"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = make_ui(port)
    free = make_ui(port)

    assert taken.returncode == 2
    assert f"Port {port} is taken." in taken.stderr
    assert f"make ui UI_PORT={port + 1}" in taken.stderr
    assert "started" not in taken.stdout
    assert "Starting Dagster on the sandbox (no token set)" in free.stdout
    assert "-m truto_groups.cli.demo --week-only && " in free.stdout
    assert "Dagster is ready" not in free.stdout
    assert f"workspace.yaml --port {port} --log-level warning" in free.stdout


@pytest.mark.long
def test_the_ui_is_announced_once_it_answers() -> None:
    """The port is open from the start, as that of a webserver that still loads."""

    class Answers(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.send_response(503 if len(self.asked) == 1 else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        command = [sys.executable, "-m", "truto_groups.cli.ui_ready", str(port), str(os.getpid())]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        server.shutdown()

    assert f"Dagster is ready: http://127.0.0.1:{port} " in said.stdout
    assert Answers.asked == ["/server_info"] * 2
