"""Values that look like a vendor's and come out the same every time.

Each is drawn from a digest of its seed, so that adding a group changes no other.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

HEX = "0123456789abcdef"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CAPITALS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_EPOCH = datetime(2023, 1, 9, 8, 0, tzinfo=UTC)


def draw_number(seed: str, low: int, high: int) -> int:
    """Draw an integer from ``low`` to ``high``, both included."""
    return low + int.from_bytes(_digest(seed)[:8]) % (high - low + 1)


def draw_text(seed: str, length: int, *, alphabet: str = BASE62) -> str:
    """Draw a token of up to 32 characters."""
    return "".join(alphabet[byte % len(alphabet)] for byte in _digest(seed)[:length])


def draw_uuid(seed: str) -> str:
    """Draw a UUID of version 4."""
    return str(uuid.UUID(bytes=_digest(seed)[:16], version=4))


def draw_choice(seed: str, choices: Sequence[str]) -> str:
    """Draw one of several."""
    return choices[draw_number(seed, 0, len(choices) - 1)]


def draw_instant(seed: str, *, days: int = 700) -> datetime:
    """Draw an instant within so many days after January 2023, in UTC, on a full second."""
    return _EPOCH + timedelta(seconds=draw_number(seed, 0, days * 86_400))


def format_iso(instant: datetime) -> str:
    """Write an instant as ISO 8601 with milliseconds, in UTC."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _digest(seed: str) -> bytes:
    return hashlib.sha256(seed.encode()).digest()
