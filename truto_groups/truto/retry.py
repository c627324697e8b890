"""Decide what is tried again, and after how long.

Pure arithmetic over a status, headers and a budget; sleeping and sending are exchange.py's. What a
header says in another unit, or without sense, it does not say at all.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from truto_groups.coordination.seam import LONGEST_PAUSE_SECONDS

_OF_AN_EDGE: Final = frozenset({520, 521, 522, 523, 524, 529, 530})
HEALING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504}) | _OF_AN_EDGE
TOO_MANY_REQUESTS: Final = 429
FORBIDDEN: Final = 403
BLOCKED: Final = 503

_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 60.0
# Where a 429 does not say how long: Truto's own windows are 10 s long.
_UNSAID_THROTTLE_SECONDS: Final = 10.0
# Quotas are renewed by the month at the longest; larger numbers are milliseconds or an epoch.
_LONGEST_SENSE_SECONDS: Final = 31 * 86_400

_RETRY_AFTER: Final = "retry-after"
_RESETS: Final = frozenset({"ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"})
_REMAINDERS: Final = frozenset(
    {"ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"}
)
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Wish:
    """How long the server wants us to stay away.

    Attributes:
        seconds: From now on, an hour at most.
        header: The header that says so, with its value; empty where none does.
    """

    seconds: float
    header: str = ""


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
            # Never sooner than asked, and not all who were told the same at the same moment. Who
            # asks for no time at all would else have every attempt within a second.
            wait = max(asked_seconds, backoff) + min(wait, 1.0)
        return wait if elapsed_seconds + wait <= self.seconds else None


def read_wish(headers: Headers, *, is_throttled: bool, now: datetime) -> Wish | None:
    """Read how long the server wants us to stay away.

    Args:
        headers: The answer's headers, names in small letters; a name may come several times.
        is_throttled: Whether the answer says that there were too many requests.
        now: Aware UTC instant to count from where the answer has no date of its own.

    Returns:
        The longest that ``Retry-After`` (seconds or a date) says and, where throttled, the reset of
        the rate limit (seconds); some seconds where throttled and none says; else None.
    """
    headers = list(headers)
    sent_at = next((at for text in _find(headers, "date") if (at := _read_date(text))), now)
    wishes = [
        Wish(min(seconds, LONGEST_PAUSE_SECONDS), _write_header(name, text))
        for name, text in headers
        if (seconds := _read_seconds(name, text, sent_at=sent_at)) is not None
        and (is_throttled or name == _RETRY_AFTER)
    ]
    unsaid = Wish(_UNSAID_THROTTLE_SECONDS) if is_throttled else None
    return max(wishes, key=lambda wish: wish.seconds, default=unsaid)


def tell_of_rate_limit(headers: Headers, *, now: datetime) -> bool:
    """Whether the headers of a refusal say that it is only for now: no request is left."""
    headers = list(headers)
    remainders = (_read_numbers(text) for name, text in headers if name in _REMAINDERS)
    if any(0 in numbers for numbers in remainders):
        return True
    return read_wish(headers, is_throttled=False, now=now) is not None


def _write_header(name: str, text: str) -> str:
    name = "Retry-After" if name == _RETRY_AFTER else name
    return f"{name}: {text.strip()}"


def _find(headers: Headers, wanted: str) -> list[str]:
    return [text for name, text in headers if name == wanted]


def _read_seconds(name: str, text: str, *, sent_at: datetime) -> float | None:
    if name not in _RESETS and name != _RETRY_AFTER:
        return None
    at = _read_date(text) if name == _RETRY_AFTER else None
    told = _read_numbers(text) if at is None else [(at - sent_at).total_seconds()]
    wishes = [max(0.0, one) for one in told if abs(one) <= _LONGEST_SENSE_SECONDS]
    return max(wishes, default=None)


def _read_numbers(text: str) -> list[float]:
    """Whoever passes on what comes twice joins it with a comma; empty where a part is no number."""
    numbers = [_read_number(one) for one in text.split(",")]
    return [] if None in numbers else [one for one in numbers if one is not None]


def _read_number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _read_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at  # "-0000", which is UTC for HTTP
