"""What Truto answers in a trial: each time other groups, so that every answer can be told apart.

The whole of one answer has one version, in the names of its groups and in their number; its pages
belong together by the cursor. As a program it serves accounts on loopback: ``COUNT PORT``.
"""

import json
import sys
import threading
import urllib.request
import uuid
from collections import Counter

from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups_tests.stand import GROUPS_PATH, Row, group

_FEWEST_GROUPS = 20
_PAGE_SIZE = 15
# Asked by the trial alone.
_LAST_WHOLE_PATH = "/of-the-trial/last-whole"


def count_groups(version: int) -> int:
    """How many groups the answer of a version has."""
    return _FEWEST_GROUPS + version % 5


def make_groups(version: int) -> list[Row]:
    """The groups of the answer of a version."""
    return [group(number, f"{number} as of {version}") for number in range(count_groups(version))]


class ChangingTruto:
    """Accounts whose groups are other ones in each answer.

    Args:
        count: How many accounts.

    Attributes:
        account_ids: Of all of them.
        last_whole: By account, the version of the last answer that was sent to its last page.
    """

    def __init__(self, count: int) -> None:
        self.account_ids = name_accounts(count)
        self.last_whole: dict[str, int] = {}
        self._begun: Counter[str] = Counter()
        self._lock = threading.Lock()

    def serve(self, port: int) -> None:
        """Serve on loopback until killed."""
        accounts = [make_account(one, integration="okta") for one in self.account_ids]
        with SandboxServer(port, accounts=accounts, intercept=self.answer):
            threading.Event().wait()

    def answer(self, request: Request) -> Response | None:
        """Answer a page of groups, or what was answered so far; None for every other request."""
        if request.path == _LAST_WHOLE_PATH:
            with self._lock:
                return Response.of_json(self.last_whole)
        if request.path != GROUPS_PATH:
            return None
        account_id = str(request.integrated_account_id)
        version, begin = self._find_place(account_id, request.query.get("next_cursor"))
        groups = make_groups(version)
        end = begin + _PAGE_SIZE
        is_last = end >= len(groups)
        if is_last:
            with self._lock:
                self.last_whole[account_id] = version
        cursor = None if is_last else f"{version}.{end}"
        return Response.of_json({"result": groups[begin:end], "next_cursor": cursor})

    def _find_place(self, account_id: str, cursor: str | None) -> tuple[int, int]:
        if cursor:
            version, _, begin = cursor.partition(".")
            return int(version), int(begin)
        with self._lock:
            self._begun[account_id] += 1
            return self._begun[account_id], 0


def name_accounts(count: int) -> list[str]:
    """The ids of that many accounts."""
    return [str(uuid.UUID(int=number << 96 | 1)) for number in range(1, count + 1)]


def read_last_whole(address: str) -> dict[str, int]:
    """Ask one that serves what it has answered last, by account."""
    with urllib.request.urlopen(f"{address}{_LAST_WHOLE_PATH}", timeout=30) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    ChangingTruto(int(sys.argv[1])).serve(int(sys.argv[2]))
