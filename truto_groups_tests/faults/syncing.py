"""Sync accounts again and again in a process of its own, until it is told to stop or killed.

A program for the tests beside it: ``BASE_URL FOLDER NAME SECONDS ACCOUNT…``. Prints that it begins,
and one line per sync: how each account ended, or the error that ended the run.
"""

import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from truto_groups.errors import TrutoGroupsError
from truto_groups_tests.stand import Stand


class _Server:
    """What a stand needs to know of the sandbox, which runs in another process."""

    token = "sandbox-token"

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


def main() -> None:
    base_url, folder, name, seconds, *keys = sys.argv[1:]
    server: Any = _Server(base_url)
    stand = Stand(server, Path(folder))
    print("begins", flush=True)  # noqa: T201
    deadline = time.monotonic() + float(seconds)
    number = 0
    while number == 0 or time.monotonic() < deadline:
        number += 1
        stand.now = datetime.now(UTC)
        try:
            outcomes = stand.outcomes(*keys, run_id=f"{name} {number}")
        except TrutoGroupsError as error:
            print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201
        else:
            print(dict(Counter(outcomes.values())), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
