"""Decide what is tried again, and after how long.

Pure arithmetic over a status, headers and a budget; sleeping and sending are exchange.py's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

HEALING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
TOO_MANY_REQUESTS: Final = 429

_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 60.0
# Where a 429 does not say how long: Truto's own windows are 10 s long.
_UNSAID_THROTTLE_SECONDS: Final = 10.0
_EARLIEST_EPOCH: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """One budget for one request.

    Attributes:
        attempts: How many may be made, the first included.
        seconds: After the first has started, the time in which the last may start.
        jitter: Draws from 0 to 1, so that those who failed together do not come back together.
    """

    attempts: int
    seconds: float
    jitter: Callable[[], float]

    def find_wait(
        self, *, attempt: int, elapsed_seconds: float, asked_seconds: float | None
    ) -> float | None:
        """Say how long to wait before the next attempt.

        Args:
            attempt: How many attempts were made, from 1.
            elapsed_seconds: Since the first of them started.
            asked_seconds: What the server asked for, if it did.

        Returns:
            Seconds; None when the budget does not reach that far.
        """
        if attempt >= self.attempts:
            return None
        backoff = min(_FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1), _LONGEST_BACKOFF_SECONDS)
        wait = backoff * self.jitter()
        if asked_seconds is not None:
            # Never sooner than asked, and not all who were told the same at the same moment.
            wait = asked_seconds + min(wait, 1.0)
        return wait if elapsed_seconds + wait <= self.seconds else None


def read_asked_seconds(status: int, headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read how long the server wants us to stay away.

    Args:
        status: The HTTP status.
        headers: The answer's headers, found whatever their case.
        now: Aware UTC instant to count from.

    Returns:
        The longer of ``Retry-After`` (seconds or a date) and, with a 429, ``ratelimit-reset``;
        None when neither says.
    """
    asked = [_read_retry_after(headers.get("retry-after", ""), now=now)]
    if status == TOO_MANY_REQUESTS:
        asked.append(_read_seconds(headers.get("ratelimit-reset", ""), now=now))
        asked.append(None if any(one is not None for one in asked) else _UNSAID_THROTTLE_SECONDS)
    return max((one for one in asked if one is not None), default=None)


def _read_retry_after(text: str, *, now: datetime) -> float | None:
    seconds = _read_seconds(text, now=now)
    if seconds is not None or not text:
        return seconds
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:  # "-0000", which is UTC for HTTP
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _read_seconds(text: str, *, now: datetime) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    if seconds >= _EARLIEST_EPOCH:  # an app's own epoch that came through unconverted
        seconds -= now.timestamp()
    return max(0.0, seconds) if seconds < float("inf") else None
