"""Which groups are called privileged, and by which rule: admins, owners, root, break-glass.

Pure: a name and a type in, rules out. What happened to a group is the publication's to know; the
rules that a user adds come from settings/.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal

from truto_groups.settings import PrivilegedSettings
from truto_groups.settings.patterns import find_pattern
from truto_groups.text.lookalikes import fold, plain

DEFAULT_WORDS: Final = (
    "admin",
    "administrator",
    "superadmin",
    "sysadmin",
    "domain admin",
    "enterprise admin",
    "schema admin",
    "global admin",
    "tenant admin",
    "cloud admin",
    "org admin",
    "system admin",
    "security admin",
    "db admin",
    "local admin",
    "it admin",
    "netadmin",
    "owner",
    "root",
    "super user",
    "power user",
    "break glass",
    "emergency access",
    "privileged",
    "privileged access",
    "sudo",
    "sudoer",
    "dba",
    "domain controller",
    "account operator",
    "backup operator",
    "server operator",
    "god mode",
    "full access",
    "administrateur",
    "administrador",
    "administradores",
    "administratoren",
    "amministratore",
    "amministratori",
)
"""What is called privileged without a setting; a plural means the same."""

DEFAULT_IGNORED: Final = ("product owner", "process owner", "root cause")
"""What is no privilege, though it holds such a word."""

ChangeKind = Literal["created", "renamed", "retyped"]

_NO_WORD: Final = re.compile(r"[\W_]+")
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_DIGIT_WORD: Final = re.compile(r"\b(?=\w*[013])(?=\w*[^\W\d_])\w+")
_DISGUISES: Final = (str.maketrans("013", "oie"), str.maketrans("013", "ole"))
_OF_TYPE: Final = "type "
# "DB A" is no DBA.
_SHORTEST_TORN_APART: Final = 4


@dataclass(frozen=True)
class PrivilegedRules:
    """The rules by which a group is called privileged.

    Attributes:
        words: Words and phrases that say so, and their plurals.
        patterns: Regular expressions that say so.
        ignored: Words and phrases in which such a word says nothing.
    """

    words: tuple[str, ...] = DEFAULT_WORDS
    patterns: tuple[str, ...] = ()
    ignored: tuple[str, ...] = DEFAULT_IGNORED

    def find_matches(self, name: str | None, group_type: str | None = None) -> tuple[str, ...]:
        """Find the rules by which a group of this name and type (as received) is privileged.

        Returns:
            The rules as people wrote them, ``type …`` where the type says so; none when it is not.
        """
        found = [*self._match(name)] if name else []
        if group_type:
            found += [f"{_OF_TYPE}{rule}" for rule in self._match(group_type)]
        return tuple(found)

    @cached_property
    def _any_word(self) -> re.Pattern[str]:
        return _matching(*self.words)

    @cached_property
    def _any_ignored(self) -> re.Pattern[str]:
        return _matching(*self.ignored)

    @cached_property
    def _any_letters(self) -> re.Pattern[str]:
        squeezed = {one for word in self.words for one in _squeeze(word)}
        return re.compile("|".join(map(re.escape, sorted(squeezed))) or r"(?!)")

    def _match(self, text: str) -> Iterator[str]:
        # Most names hold no such letters in a row, which is ten times as fast to see.
        if any(self._any_letters.search(one) for one in _squeeze(text)):
            readings = self._any_ignored.sub(" ", "\n".join(_read(text)))
            if self._any_word.search(readings):
                yield from (word for word in self.words if _matching(word).search(readings))
        for pattern in self.patterns:
            if find_pattern(pattern, text) or find_pattern(pattern, fold(text)):
                yield pattern


@lru_cache(maxsize=1024)
def make_rules(settings: PrivilegedSettings) -> PrivilegedRules:
    """Make the rules of what the settings say, which add to the default or replace it."""
    if not settings.use_default_words:
        return PrivilegedRules(settings.words, settings.patterns, settings.ignore)
    return PrivilegedRules(
        _each_once(DEFAULT_WORDS, settings.words),
        settings.patterns,
        _each_once(DEFAULT_IGNORED, settings.ignore),
    )


def tell_change(
    *, is_added: bool, before: Iterable[str], after: Iterable[str]
) -> tuple[ChangeKind, tuple[str, ...]] | None:
    """Say how a group became what rules call privileged, and which of them.

    Args:
        is_added: Whether it is new.
        before: Rules by which it was privileged.
        after: Rules by which it is.

    Returns:
        None when no rule calls it so that did not before: an admin group that gets another name of
        an admin group was reviewed as such.
    """
    known = frozenset(before)
    new = tuple(rule for rule in after if rule not in known)
    if not new:
        return None
    if is_added:
        return "created", new
    return ("retyped" if all(rule.startswith(_OF_TYPE) for rule in new) else "renamed"), new


def _each_once(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in parts for word in part))


def _squeeze(text: str) -> tuple[str, ...]:
    """The letters and digits of a text without anything between, with digits as letters."""
    squeezed = _NO_WORD.sub("", fold(text))
    return tuple(dict.fromkeys(squeezed.translate(table) for table in _DISGUISES))


def _read(text: str) -> list[str]:
    """The ways to read a name: as written, by humps, with digits as letters."""
    spelled = plain(text)
    readings = [spelled, _HUMP.sub(" ", spelled), _DIGITS.sub(" ", _HUMP.sub(" ", spelled))]
    readings = [_NO_WORD.sub(" ", fold(one)).strip() for one in readings]
    disguised = {found[0] for one in readings[:2] for found in _DIGIT_WORD.finditer(one)}
    for table in _DISGUISES if disguised else ():
        readings += [
            _DIGIT_WORD.sub(lambda found, table=table: found[0].translate(table), one)
            for one in readings[:2]
        ]
    return list(dict.fromkeys(readings))


@lru_cache(maxsize=8192)
def _matching(*words: str) -> re.Pattern[str]:
    """What finds these words, each whole, in the plural too, however blanks stand in them."""
    folded = (_NO_WORD.sub(" ", fold(word)).strip() for word in words)
    spelled = [_spell(word) for word in folded if word]
    if not spelled:
        return re.compile(r"(?!)")
    return re.compile(rf"\b(?:{'|'.join(spelled)})(?:s|es)?\b")


def _spell(word: str) -> str:
    letters = [re.escape(letter) for letter in word.replace(" ", "")]
    if len(letters) < _SHORTEST_TORN_APART:
        return rf"{re.escape(word)}|{' '.join(letters)}"
    return " ?".join(letters)
