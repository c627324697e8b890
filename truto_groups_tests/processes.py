"""Other processes and other users, as tests need them. Real ones."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# DuckDB would import it to bind a parameter, which takes longer than all that these processes do.
_WITHOUT_PANDAS = "import sys; sys.modules['pandas'] = None\n"


def python(code: str, *arguments: object) -> list[str]:
    """The command that runs code in a process of its own."""
    return [sys.executable, "-c", _WITHOUT_PANDAS + code, *map(str, arguments)]


def find_free_port() -> int:
    """A port that nobody listens on.

    Below those that systems give to whoever connects, which could take it before it is listened on.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def other_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run code in a process of its own, from its first line of output on, to the block's end."""
    process = subprocess.Popen(
        python(code, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def as_another_user() -> Iterator[None]:
    """As nobody, where root runs the tests; from anybody else a file's mode takes rights away."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
