"""Durations as people write them: ``90s``, ``30m``, ``6h``, ``7d``.

Pure text to timedelta and back; which durations may be set, and where, is sections.py's.
"""

import re
from datetime import timedelta

# pydantic reads "7d" and ISO 8601 ("PT6H"), but neither "90s" nor "6h".
LONGEST = timedelta(days=3650)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12})([smhd])", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read a whole number and its unit: s, m, h or d.

    Raises:
        ValueError: It is written otherwise, is zero, or is longer than ten years; the message
            continues "<text> ".
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("is not a duration")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds == 0:
        raise ValueError("is no time at all")
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"is longer than {LONGEST.days}d")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that leaves a whole number; a single day as 24h."""
    seconds = int(duration.total_seconds())
    units = "smh" if seconds == _SECONDS["d"] else "smhd"
    unit = next(unit for unit in reversed(units) if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"
