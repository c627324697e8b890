"""Make JSON readable that one record in it has spoiled, at the cost of that record alone.

Bytes in, bytes out, in time that grows with their number and nothing else. For what is only read:
the groups of an account are handed on as received, or not at all.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

# What msgspec raises for what it cannot read; the second for the name of a member.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_DEEPEST: Final = 100

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF_A_PAIR: Final = re.compile(
    rb"(?P<whole>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
# A text that never ends is one token too, so that nothing is looked at twice.
_TOKEN: Final = re.compile(
    rb'(?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))'
    rb"|(?P<opening>[\[{])|(?P<closing>[\]}])|(?P<number>-?(?:NaN|Infinity))",
    re.DOTALL,
)
# JSON knows these as white space only outside of texts, and not at all the others below a space.
_CONTROLS: Final = bytes.maketrans(bytes(range(32)), b" " * 32)


def has_half_a_character(body: bytes) -> bool:
    """Whether a text holds an escaped surrogate without its other half."""
    return _SURROGATE.search(body) is not None and any(
        found.lastgroup == "half" for found in _HALF_A_PAIR.finditer(body)
    )


def mend(body: bytes) -> bytes:
    """Replace what keeps a parser from reading on.

    Half a character becomes U+FFFD, a control character a space, a number that is none becomes
    null, and so does whatever is nested deeper than a hundred levels.
    """
    body = body.decode("utf-8", "replace").encode().removeprefix(b"\xef\xbb\xbf")
    body = body.translate(_CONTROLS)
    if has_half_a_character(body):
        body = _HALF_A_PAIR.sub(lambda m: rb"\ufffd" if m["half"] else m[0], body)
    return b"".join(_iter_shallow(body))


def _iter_shallow(body: bytes) -> Iterator[bytes]:
    depth = kept_until = 0
    for token in _TOKEN.finditer(body):
        if token.lastgroup == "opening":
            depth += 1
            if depth == _DEEPEST + 1:
                yield body[kept_until : token.start()]
                yield b"null"
        elif token.lastgroup == "closing":
            depth -= 1
            if depth == _DEEPEST:
                kept_until = token.end()
        elif token.lastgroup == "number" and depth <= _DEEPEST:
            yield body[kept_until : token.start()]
            yield b"null"
            kept_until = token.end()
    if depth <= _DEEPEST:
        yield body[kept_until:]
