"""What Truto answers in a trial: each time other groups, so that every answer can be told apart.

The whole of one answer has one version, in the names of its groups and in their number; its pages
belong together by the cursor.
"""

import threading
import uuid
from collections import Counter

from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups_tests.stand import GROUPS_PATH, Row, group

_FEWEST_GROUPS = 20
_PAGE_SIZE = 15


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
        self.account_ids = [str(uuid.UUID(int=number << 96 | 1)) for number in range(1, count + 1)]
        self.last_whole: dict[str, int] = {}
        self._begun: Counter[str] = Counter()
        self._lock = threading.Lock()

    def serve(self) -> SandboxServer:
        """Serve on loopback, from now on; to be closed by the caller."""
        accounts = [make_account(one, integration="okta") for one in self.account_ids]
        return SandboxServer(accounts=accounts, intercept=self.answer)

    def answer(self, request: Request) -> Response | None:
        """Answer a page of groups; None for every other request."""
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
