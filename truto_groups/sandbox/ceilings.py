"""Truto's own limits: requests in any ten seconds, by token and by integrated account.

Off unless a server is given a ``Ceilings``. The vendor's limits are headers only; see
group_routes.py.
"""

import threading
from collections import defaultdict, deque
from dataclasses import dataclass

from truto_groups.sandbox.error_bodies import rate_limited_by_truto
from truto_groups.sandbox.wire import Response


@dataclass(frozen=True)
class Ceilings:
    """How many requests are answered in any window; Truto documents 500 and 50 in 10 seconds."""

    token: int = 500
    account: int = 50
    window_seconds: float = 10.0
    retry_after_seconds: int = 10


class CeilingGuard:
    """Refuses what goes beyond the ceilings; a refused request does not count."""

    def __init__(self, ceilings: Ceilings) -> None:
        """Start with nothing counted."""
        self._ceilings = ceilings
        self._lock = threading.Lock()
        self._answered: defaultdict[str | None, deque[float]] = defaultdict(deque)

    def refuse(self, integrated_account_id: str | None, *, at: float) -> Response | None:
        """Count a request, or answer it with a 429.

        Args:
            integrated_account_id: The account that it is about; None counts for the token alone.
            at: When it came in, in seconds of ``time.monotonic``.
        """
        keys: list[tuple[str | None, int, str]] = [(None, self._ceilings.token, "API token")]
        if integrated_account_id is not None:
            account = (integrated_account_id, self._ceilings.account, "integrated account")
            keys.append(account)
        with self._lock:
            for key, ceiling, subject in keys:
                answered = self._answered[key]
                while answered and answered[0] <= at - self._ceilings.window_seconds:
                    answered.popleft()
                if len(answered) >= ceiling:
                    seconds = self._ceilings.retry_after_seconds
                    return rate_limited_by_truto(subject, retry_after_seconds=seconds)
            for key, _, _ in keys:
                self._answered[key].append(at)
        return None
