"""A mistake in what a user has set, and how several are told at once.

Only words: finding mistakes is the job of the modules that know what is right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from truto_groups.errors import SettingsError

KeyPath: TypeAlias = tuple[str | int, ...]

_MOST_TOLD = 20
_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Mistake:
    """Where something is wrong, what is wrong, and what would be right.

    Attributes:
        line: Line of the file, from 1; 0 where there is no file.
        path: The key path inside the document; empty for the document itself.
        what: What is wrong, the continuation of "<key path>: ".
        right: What would be right: a sentence without its full stop.
    """

    line: int
    path: KeyPath
    what: str
    right: str


def make_error(mistakes: Iterable[Mistake], *, source: str) -> SettingsError:
    """Make the one error that tells all mistakes, in line order.

    Args:
        mistakes: At least one.
        source: The file's path, or another name for where the values came from.
    """
    ordered = sorted(set(mistakes), key=lambda mistake: (mistake.line, spell_path(mistake.path)))
    if len(ordered) == 1:
        return SettingsError(f"{_place(ordered[0], source)}.", advice=_stop(ordered[0].right))
    told = [
        f"({number}) {_place(mistake, source)}. {_stop(mistake.right)}"
        for number, mistake in enumerate(ordered[:_MOST_TOLD], start=1)
    ]
    more = len(ordered) - _MOST_TOLD
    error = SettingsError(
        f"{len(ordered)} mistakes in the settings: {' '.join(told)}",
        advice=f"And {more} more, told once these are mended." if more > 0 else "",
    )
    error.mistakes = told
    return error


def spell_path(path: KeyPath) -> str:
    """Spell a key path as people do: ``accounts.abc.query.organization_id[0]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def shorten(text: str) -> str:
    """Shorten a value to what fits in a sentence."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _place(mistake: Mistake, source: str) -> str:
    line = f":{mistake.line}" if mistake.line else ""
    path = f" {shorten_path(mistake.path)}:" if mistake.path else ""
    return f"{source}{line}:{path} {mistake.what}"


def shorten_path(path: KeyPath) -> str:
    """Spell a key path, each key shortened."""
    return spell_path(tuple(shorten(key) if isinstance(key, str) else key for key in path))


def _stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."
