"""What a piece of work needs of memory at most: each in a child of this program.

For programs of their own, which run nothing else. A child begins with all modules loaded.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """What came of it, and the most that was resident before it and at its end, in MB."""

    came: Any
    before: float
    peak: float


def measure(work: Callable[[], object]) -> Measured:
    """Do it in a child.

    Raises:
        RuntimeError: The child ended without a result; it has printed why.
    """
    reading, writing = os.pipe()
    if not (child := os.fork()):
        _work_as_child(work, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError("The child ended without a result.")
    return Measured(*json.loads(text))


def _work_as_child(work: Callable[[], object], writing: int) -> None:
    before = _read_peak_megabytes()
    try:
        found = Measured(work(), before, _read_peak_megabytes())
        os.write(writing, json.dumps(found).encode())
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's may go on here
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
    finally:
        os._exit(0)


def _read_peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
