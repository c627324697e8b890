"""The command in a terminal of its own: a real pseudo-terminal of a given size."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Terminal:
    """A process whose input and output is a terminal; what it wrote is collected."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        columns: int = 80,
        lines: int = 40,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "truto_groups.cli"),
    ) -> None:
        """Start the command, or another program of Python's."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
        }
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=cwd,
            env=inherited
            | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
            | dict(environ or {}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.written = ""

    def read_until(self, text: str, *, times: int = 1) -> None:
        """Read on until a text was written so many times."""
        while self.written.count(text) < times:
            assert self._read(), f"ended without {text!r}: {self.written}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            chunk = os.read(self._master, 1 << 16)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.written += chunk.decode(errors="replace").replace("\r\n", "\n")
        return bool(chunk)
