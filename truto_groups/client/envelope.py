"""Take the body of an answer apart without parsing the groups in it.

Bytes in, values out; what is not the documented envelope raises MalformedError with the reason, and
whoever asked adds for which account. Nothing of a body is ever in a reason.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

_ABSENT: Final = b""
_NULL: Final = b"null"
_NOT_TRUE: Final = frozenset({_ABSENT, _NULL, b"false", b'"false"', b'""', b"0"})
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # half a pair: none
    rb"|\\."
)
_HALF_A_PAIR_LENGTH: Final = len(rb"\ud83d")


class MalformedError(Exception):
    """The body is not what was to be expected; the text says how."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One page of a list.

    Attributes:
        records: The JSON text of the array of records, as received.
        next_cursor: Leads to the next page; None at the end.
        is_partial: Truto says that the records are not whole.
    """

    records: str
    next_cursor: str | None
    is_partial: bool


class _Body(msgspec.Struct):
    result: Raw = Raw()
    results: Raw = Raw()
    next_cursor: Raw = Raw()
    is_partial_response: Raw = Raw()
    debug: Raw = Raw()


class _Debug(msgspec.Struct):
    next_cursor: Raw = msgspec.field(default=Raw(), name="nextCursor")


class _Id(msgspec.Struct):
    id: Raw = Raw()


class _Group(msgspec.Struct):
    id: Raw = Raw()
    result: Raw = Raw()
    debug: Raw = Raw()


_BODY: Final = msgspec.json.Decoder(_Body)
_DEBUG: Final = msgspec.json.Decoder(_Debug)
_KEYED: Final = msgspec.json.Decoder(dict[str, Raw])
_GROUP: Final = msgspec.json.Decoder(_Group)
_IDS: Final = msgspec.json.Decoder(list[_Id])


def read_envelope(body: bytes) -> Envelope:
    """Take a page apart.

    Args:
        body: The body of an answer to a list, after decompression.

    Returns:
        Its records, verbatim; the values of ``result`` where it is an object (``truto_key_by``).

    Raises:
        MalformedError: Not JSON, not the documented envelope, or without a list of records: that
            is not an empty page.
    """
    page = _decode(_BODY, body)
    name, raw = "result", bytes(page.result)
    if raw == _ABSENT:
        name, raw = "results", bytes(page.results)
    if raw == _ABSENT:
        raise MalformedError("it has no `result`")
    if raw[:1] == b"{":
        raw = b"[" + b",".join(_iter_keyed(raw)) + b"]"
    elif raw[:1] != b"[":
        raise MalformedError(f"its `{name}` is {_name_type(raw)}, not an array")
    try:
        records = raw.decode()
    except UnicodeDecodeError:
        raise MalformedError("it is not UTF-8") from None
    return Envelope(
        records=records,
        next_cursor=_read_cursor(page),
        is_partial=bytes(page.is_partial_response) not in _NOT_TRUE,
    )


def read_ids(records: str) -> list[str]:
    """Read the ids of the groups of a page, as text; an integer keeps its digits.

    Raises:
        MalformedError: A record is no object, or has no id that could be asked for.
    """
    return [_read_id(bytes(record.id)) for record in _decode(_IDS, records.encode())]


def read_group(body: bytes) -> tuple[str, str]:
    """Read the answer of Get Group.

    Returns:
        The group's id as text, and the JSON text of the group as received.

    Raises:
        MalformedError: Not JSON, not UTF-8, or not an object with an id.
    """
    group = _decode(_GROUP, body)
    if bytes(group.id) == _ABSENT and bytes(group.debug) != _ABSENT:
        # The debug format alone wraps the object.
        body = bytes(group.result)
        group = _decode(_GROUP, body)
    group_id = _read_id(bytes(group.id))
    try:
        return group_id, body.decode().strip()
    except UnicodeDecodeError:
        raise MalformedError("it is not UTF-8") from None


def read_object(body: bytes) -> dict[str, object]:
    """Read a small answer whole.

    Raises:
        MalformedError: Not JSON, or not an object.
    """
    return _decode(msgspec.json.Decoder(dict[str, object]), body)


def _iter_keyed(raw: bytes) -> list[bytes]:
    values = [bytes(value) for value in _decode(_KEYED, raw).values()]
    if any(value[:1] != b"{" for value in values):
        raise MalformedError("its `result` is an object that does not hold records")
    return values


def _read_cursor(page: _Body) -> str | None:
    raw = bytes(page.next_cursor)
    if raw == _ABSENT and bytes(page.debug)[:1] == b"{":
        # Where the debug format has its cursor is not documented: take it from either place.
        raw = bytes(_decode(_DEBUG, bytes(page.debug)).next_cursor)
    if raw in (_ABSENT, _NULL):
        return None
    if raw[:1] != b'"':
        raise MalformedError(f"its `next_cursor` is {_name_type(raw)}, not a string")
    return msgspec.json.decode(raw, type=str) or None


def _read_id(raw: bytes) -> str:
    if raw[:1] == b'"' and raw != b'""':
        return msgspec.json.decode(raw, type=str)
    if raw.lstrip(b"-").isdigit():
        return raw.decode()
    raise MalformedError("it has no usable `id`")


def _decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise MalformedError(f"it has another shape ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error)
    if any(len(escape) == _HALF_A_PAIR_LENGTH for escape in _ESCAPES.findall(body)):
        # An app that cut a name inside an emoji: to mend it would alter what was received.
        reason = r"a text holds half a character, a lone surrogate such as \ud83d"
    raise MalformedError(f"it is not JSON ({reason})")


def _name_type(raw: bytes) -> str:
    names = {b"n": "null", b"t": "true", b"f": "false", b'"': "a string", b"{": "an object"}
    names[b"["] = "an array"
    return names.get(raw[:1], "a number")
