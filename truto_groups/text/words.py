"""Numbers, durations, ages and long texts as people say them, in shell, UI and messages alike.

How a duration is written in the settings file is settings/durations.py's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

# humanize writes "2 days" alone or "2 days and 3 hours" in full, and is one more to install.
_MINUTE = timedelta(minutes=1)


def say_count(number: int, noun: str) -> str:
    """A number with its noun: ``1 account``, ``2 accounts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def name_some(names: Sequence[str], *, most: int) -> str:
    """The first names, and how many more there are: ``one, two and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def say_duration(duration: timedelta) -> str:
    """A duration: ``2 d 3 h``, ``45 min``, ``98 s``; in seconds below two minutes."""
    if duration < 2 * _MINUTE:
        return f"{duration.total_seconds():.0f} s"
    days, minutes = divmod(duration // _MINUTE, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def say_age(instant: datetime | None, *, now: datetime) -> str | None:
    """How long ago an instant is: ``just now``, ``12 min ago``, ``3 d ago``; None without one."""
    if instant is None:
        return None
    minutes = (now - instant) // _MINUTE
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} d ago"


def cut_at_word(text: str, most: int) -> str:
    """Shorten a text to at most so many letters; it ends at a word, with ``…``.

    A single word that is longer is cut inside.
    """
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if not text[most - 1].isspace() and " " in kept:
        kept = kept.rpartition(" ")[0]
    return f"{kept.rstrip(' ,;:')}…"


def cut_in_middle(text: str, most: int) -> str:
    """Shorten a text to at most so many letters, so that its end stays: there an error helps."""
    if len(text) <= most:
        return text
    tail = text[len(text) - most * 3 // 5 :]
    tail = tail.partition(" ")[2] or tail
    return f"{cut_at_word(text, most - len(tail) - 1)} {tail}"


def shorten_words(text: str, most: int) -> str:
    """Take the middle out of words of more than so many letters, which no page could break."""
    return " ".join(_shorten_word(word, most) for word in text.split(" "))


def _shorten_word(word: str, most: int) -> str:
    if len(word) <= most:
        return word
    tail = most // 2
    return f"{word[: most - 1 - tail]}…{word[-tail:]}"
