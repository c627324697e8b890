"""Sync accounts again and again in processes at once, until they are told to stop or killed.

A program for the tests beside it: ``BASE_URL FOLDER SECONDS COUNT ACCOUNT…``. Prints of each of its
processes that it begins, with its PID, and one line per sync: how each account ended, or the error
that ended the run.
"""

import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from truto_groups.errors import TrutoGroupsError
from truto_groups_tests.stand import ServedElsewhere, Stand


def main() -> None:
    base_url, folder, seconds, count, *keys = sys.argv[1:]
    # Forked, because each would else take longer to load what it needs than to sync.
    for _ in range(int(count)):
        if not os.fork():
            sync_in_child(base_url, Path(folder), float(seconds), keys)
    for _ in range(int(count)):
        os.wait()


def sync_in_child(base_url: str, folder: Path, seconds: float, keys: list[str]) -> None:
    """Sync and end, without the libraries' own ending: it waits for threads of the parent's."""
    try:
        sync_again_and_again(base_url, folder, seconds, keys)
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's may go on here
        tell(f"Error that nobody foresaw: {error!r}")
    finally:
        os._exit(0)


def sync_again_and_again(base_url: str, folder: Path, seconds: float, keys: list[str]) -> None:
    server: Any = ServedElsewhere(base_url)
    stand = Stand(server, folder)
    name = f"p{os.getpid()}"
    tell(f"begins {os.getpid()}")
    deadline = time.monotonic() + seconds
    number = 0
    while number == 0 or time.monotonic() < deadline:
        number += 1
        stand.now = datetime.now(UTC)
        try:
            outcomes = stand.outcomes(*keys, run_id=f"{name} {number}")
        except TrutoGroupsError as error:
            tell(f"{type(error).__name__}: {error}")
        else:
            tell(str(dict(Counter(outcomes.values()))))


def tell(line: str) -> None:
    """Print a line whole, also beside others that print."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
