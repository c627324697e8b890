"""Texts by which something of a person or a customer is recognized, found and taken out.

Bytes, texts and JSON in, the same out. Whose texts they are, and where to look, is the callers'.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from truto_groups.text.visible import show, show_in_cell, show_in_markdown

FORGOTTEN = "(forgotten)"
"""What stands in the place of a marker that was taken out."""

SHORTEST = 4
SHORTEST_IN_BYTES = 6
"""What is shorter stands in compressed bytes by chance: once in five of 200 MB for four bytes."""

_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_CHUNK = 1 << 22


class Markers:
    """Texts to look for, each in every form in which we or Dagster write it.

    Args:
        texts: The texts; what is shorter than ``SHORTEST`` is not looked for.
        spared: Names of others, in which a marker is no word of its own: ``okta.62f44730`` is none
            in ``acme.okta.62f44730``.

    Attributes:
        texts: What is looked for, sorted.
    """

    def __init__(self, texts: Iterable[str], *, spared: Collection[str] = ()) -> None:
        self.texts = tuple(sorted({text for text in texts if len(text.encode()) >= SHORTEST}))
        self._spared = Markers(spared) if spared else None
        self._text_of = {form: text for text in self.texts for form in _list_forms(text)}
        self._forms: dict[bytes, list[bytes]] = {}
        for form in sorted(self._text_of, key=len, reverse=True):
            self._forms.setdefault(form[:SHORTEST], []).append(form)

    @property
    def longest(self) -> int:
        """How many bytes the longest form has."""
        return max(map(len, self._text_of), default=0)

    def find(self, content: bytes, *, shortest: int = SHORTEST_IN_BYTES) -> Counter[str]:
        """Count the markers in bytes of any kind; those of fewer bytes are not looked for."""
        long_enough = (
            self._text_of[form] for _, form in self._iterate(content) if len(form) >= shortest
        )
        return Counter(long_enough)

    def find_in_chunks(self, chunks: Iterable[bytes]) -> Counter[str]:
        """Count the markers in what comes in pieces, also where two pieces meet."""
        found: Counter[str] = Counter()
        kept = b""
        for chunk in chunks:
            content = kept + chunk
            overlap = max(0, min(len(content), self.longest - 1))
            kept = content[len(content) - overlap :]
            # What lies wholly in the overlap is counted with the next piece.
            found += self.find(content) - self.find(kept)
        return found + self.find(kept)

    def find_in_file(self, path: Path) -> Counter[str]:
        """Count the markers in a file.

        Raises:
            OSError: It cannot be read.
        """
        with path.open("rb") as file:
            return self.find_in_chunks(iter(lambda: file.read(_CHUNK), b""))

    def find_words(self, text: str) -> set[str]:
        """The markers that stand in a text as words of their own."""
        content = text.encode(errors="surrogatepass")
        return {self._text_of[form] for _, form in self._iterate_words(content)}

    def replace(self, text: str) -> str:
        """Take the markers out of a text, where they are words of their own."""
        content = text.encode(errors="surrogatepass")
        parts: list[bytes] = []
        end = 0
        for place, form in self._iterate_words(content):
            if place >= end:
                parts += [content[end:place], FORGOTTEN.encode()]
                end = place + len(form)
        if not parts:
            return text
        return b"".join([*parts, content[end:]]).decode(errors="surrogatepass")

    def replace_in_json(self, text: str) -> str:
        """The same for JSON, in its texts alone, so that its structure stays; or for plain text."""
        try:
            value = json.loads(text)
        except ValueError:
            return self.replace(text)
        return json.dumps(self._replace_in(value))

    def mask_in_file(self, path: Path) -> None:
        """Write asterisks over the markers in a file of text, which somebody may be appending to.

        Raises:
            OSError: It cannot be read or written.
        """
        with path.open("r+b") as file:
            content = file.read()
            for place, form in self._iterate(content):
                if len(form) >= SHORTEST_IN_BYTES:
                    file.seek(place)
                    file.write(b"*" * len(form))

    def _replace_in(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.replace(value)
        if isinstance(value, list):
            return [self._replace_in(one) for one in cast(list[Any], value)]
        if isinstance(value, dict):
            mapping = cast(Mapping[str, Any], value)
            return {self.replace(key): self._replace_in(one) for key, one in mapping.items()}
        return value

    def _iterate_words(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        others: list[tuple[int, int]] | None = None
        for place, form in self._iterate(content):
            end = place + len(form)
            is_begun = place > 0 and content[place - 1] in _WORD and content[place] in _WORD
            goes_on = end < len(content) and content[end] in _WORD and content[end - 1] in _WORD
            if is_begun or goes_on:
                continue
            if others is None:
                others = self._find_spared(content)
            if not any(first <= place and end <= last for first, last in others):
                yield place, form

    def _find_spared(self, content: bytes) -> list[tuple[int, int]]:
        """Where names of others stand, as words of their own: from where to where."""
        if self._spared is None:
            return []
        return [(place, place + len(form)) for place, form in self._spared._iterate_words(content)]

    def _iterate(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Each place at which a form stands, with all forms that stand there, the longest first."""
        if not self._forms or len(content) < SHORTEST:
            return
        for place in self._find_candidates(content):
            for form in self._forms.get(content[place : place + SHORTEST], ()):
                if content.startswith(form, place):
                    yield place, form

    def _find_candidates(self, content: bytes) -> Iterator[int]:
        """The places at which the first four bytes of any form stand."""
        if len(content) < 1 << 12:
            yield from sorted(place for prefix in self._forms for place in _find(content, prefix))
            return
        import numpy as np  # takes 0.1 s, which no other command has to wait for

        prefixes = np.array([int.from_bytes(prefix, "little") for prefix in self._forms], "<u4")
        begins = np.zeros(1 << 16, bool)
        begins[prefixes & 0xFFFF] = True
        for first in range(0, len(content), _CHUNK):
            view = np.frombuffer(content[first : first + _CHUNK + SHORTEST - 1], "u1")
            if len(view) < SHORTEST:
                return
            pairs = view[:-1].astype("<u2") | view[1:].astype("<u2") << 8
            places = np.flatnonzero(begins[pairs[: len(view) - SHORTEST + 1]])
            fours = pairs[places].astype("<u4") | pairs[places + 2].astype("<u4") << 16
            yield from (places[np.isin(fours, prefixes)] + first).tolist()


def _find(content: bytes, prefix: bytes) -> Iterator[int]:
    place = content.find(prefix)
    while place >= 0:
        yield place
        place = content.find(prefix, place + 1)


def _list_forms(text: str) -> set[bytes]:
    """How a text stands in logs, Markdown, links, and in JSON that stands in JSON."""
    shown = {text, show(text), show_in_cell(text), show_in_markdown(text), quote(text, safe="")}
    in_json = {_escape(form, is_ascii) for form in shown for is_ascii in (True, False)}
    twice = {_escape(form, is_ascii) for form in in_json for is_ascii in (True, False)}
    forms = {form.encode(errors="surrogatepass") for form in shown | in_json | twice}
    return {form for form in forms if len(form) >= SHORTEST}


def _escape(text: str, is_ascii: bool) -> str:
    return json.dumps(text, ensure_ascii=is_ascii)[1:-1]
