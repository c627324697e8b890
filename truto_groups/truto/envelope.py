"""Take the body of an answer apart without parsing the groups in it.

Bytes in, values out; what is not the documented envelope raises MalformedError with the reason, and
what calls itself an error ToldError. Whoever asked adds for which account; nothing of a body is
ever in a reason.
"""

import json
import re
from dataclasses import dataclass
from typing import Final, TypeVar, cast

import msgspec
from msgspec import Raw

from truto_groups.truto.json_repair import UNREADABLE, has_half_a_character, mend

T = TypeVar("T")

_ABSENT: Final = b""
_NULL: Final = b"null"
_NOT_TRUE: Final = frozenset({_ABSENT, _NULL, b"false", b'"false"', b'""', b"0"})
_NOTHING: Final = _NOT_TRUE | {b"[]", b"{}"}
_LEAST_ERROR: Final = 400
_MOST_ERROR: Final = 599
_STATUS: Final = re.compile(rb'"?\s*([0-9]{3})(?![0-9])')


class MalformedError(Exception):
    """The body is not what was to be expected; the text says how."""


class CutOffError(MalformedError):
    """The body is the beginning of one, as far as it goes."""


class ToldError(Exception):
    """The body calls itself an error, whatever stands beside it.

    Attributes:
        status: The HTTP status of an error that it names; None where it names none.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


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


class _Told(msgspec.Struct, rename={"status_code": "statusCode"}):
    """What an error consists of; in whatever else it may come."""

    status_code: Raw = Raw()
    error: Raw = Raw()
    errors: Raw = Raw()


class _Body(_Told, rename={"status_in_snake_case": "status_code"}):
    status: Raw = Raw()
    status_in_snake_case: Raw = Raw()
    success: Raw = Raw()
    result: Raw = Raw()
    results: Raw = Raw()
    next_cursor: Raw = Raw()
    is_partial_response: Raw = Raw()
    debug: Raw = Raw()


class _Debug(msgspec.Struct):
    next_cursor: Raw = msgspec.field(default=Raw(), name="nextCursor")


class _Id(msgspec.Struct):
    id: Raw = Raw()


class _Group(_Told):
    id: Raw = Raw()
    result: Raw = Raw()
    debug: Raw = Raw()


_BODY: Final = msgspec.json.Decoder(_Body)
_DEBUG: Final = msgspec.json.Decoder(_Debug)
_KEYED: Final = msgspec.json.Decoder(dict[str, Raw])
_GROUP: Final = msgspec.json.Decoder(_Group)
_IDS: Final = msgspec.json.Decoder(list[_Id])
_TELLING: Final = frozenset(one.encode_name for one in msgspec.structs.fields(_Body))
_PAIRS: Final = json.JSONDecoder(
    object_pairs_hook=list, parse_int=str, parse_float=str, strict=False
)
_TEXT: Final = msgspec.json.Decoder(str)
_CUT_OFF: Final = "Input data was truncated"  # as msgspec words it
_TOLD: Final = msgspec.json.Decoder(_Told)
_OBJECT: Final = msgspec.json.Decoder(dict[str, object])


def read_envelope(body: bytes) -> Envelope:
    """Take a page apart.

    Args:
        body: The body of an answer to a list, after decompression.

    Returns:
        Its records, verbatim; the values of ``result`` where it is an object (``truto_key_by``).

    Raises:
        MalformedError: Not JSON, not the documented envelope, or without a list of records: that
            is not an empty page.
        ToldError: It calls itself an error.
    """
    page = _decode(_BODY, body)
    _refuse_errors(page)
    name, raw = "result", bytes(page.result)
    if raw == _ABSENT:
        name, raw = "results", bytes(page.results)
    elif bytes(page.results) != _ABSENT:
        raise MalformedError("it has a `result` and `results`")
    if raw == _ABSENT:
        raise MalformedError("it has no `result`")
    _refuse_doubles(body, raw)
    if not raw[1:-1].strip():
        _refuse_doubt(page)
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
        ToldError: It calls itself an error.
    """
    group = _decode(_GROUP, body)
    _refuse_errors(group)
    if bytes(group.id) == _ABSENT and bytes(group.debug) != _ABSENT:
        # The debug format alone wraps the object.
        body = bytes(group.result)
        group = _decode(_GROUP, body)
    group_id = _read_id(bytes(group.id))
    try:
        return group_id, body.decode().strip()
    except UnicodeDecodeError:
        raise MalformedError("it is not UTF-8") from None


def read_spoiled_envelope(body: bytes) -> Envelope:
    """Take a page apart of which one record may have spoiled the rest, which is then mended.

    For records that are only read, never kept.

    Raises:
        MalformedError: Not even then is it the documented envelope.
        ToldError: It calls itself an error.
    """
    try:
        return read_envelope(body)
    except MalformedError:
        return read_envelope(mend(body))


def read_object(body: bytes) -> dict[str, object]:
    """Read a small answer whole; what is nested deeper than a hundred levels is null in it.

    Raises:
        MalformedError: Not JSON, or not an object.
        ToldError: It calls itself an error.
    """
    body = mend(body)
    refuse_errors(body)
    return _decode(_OBJECT, body)


def refuse_errors(body: bytes) -> None:
    """Refuse a small answer that calls itself an error.

    Raises:
        MalformedError: Not JSON, or not an object.
        ToldError: It calls itself an error.
    """
    _refuse_errors(_decode(_TOLD, body))


def _refuse_doubles(body: bytes, records: bytes) -> None:
    """Refuse a page that says something twice, of which the decoder takes what comes last."""
    at = body.find(records[:100])
    if not body.startswith(records, at):
        at = body.rfind(records)
    rest = body[:at] + b"0" + body[at + len(records) :]
    try:
        # As pairs, and as forgiving as the decoder was of what it has not looked into.
        pairs = _PAIRS.decode(rest.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"it is not JSON ({error})") from None
    names = [name for name, _ in pairs]
    for name in _TELLING:
        if names.count(name) > 1:
            raise MalformedError(f"its `{name}` is there twice")


def _refuse_errors(told: _Told) -> None:
    status = _read_status(bytes(told.status_code))
    if status >= _LEAST_ERROR or _holds_something(told.error) or _holds_something(told.errors):
        raise ToldError(int(status) if _LEAST_ERROR <= status <= _MOST_ERROR else None)


def _refuse_doubt(page: _Body) -> None:
    """Refuse an empty page that hints at an error, in words that mean nothing beside groups."""
    status = max(_read_status(bytes(one)) for one in (page.status, page.status_in_snake_case))
    is_failure = bytes(page.success) in (b"false", b'"false"')
    # An exception of JavaScript, written as JSON, is an empty object.
    is_exception = bytes(page.error)[:1] == b"{"
    if status >= _LEAST_ERROR or is_failure or is_exception:
        raise ToldError(int(status) if _LEAST_ERROR <= status <= _MOST_ERROR else None)


def _read_status(raw: bytes) -> float:
    """The number that is meant, also as a text or in front of one; 0 for none."""
    found = _STATUS.match(raw)
    try:
        return float(raw.strip(b'"')) if found is None else float(found[1])
    except ValueError:
        return 0


def _holds_something(raw: Raw) -> bool:
    if bytes(raw) in _NOTHING:
        return False
    try:
        return _is_something(msgspec.json.decode(raw))
    except UNREADABLE:
        return True


def _is_something(value: object) -> bool:
    if isinstance(value, list):
        # An exception of JavaScript: see above.
        return any(one == {} or _is_something(one) for one in cast("list[object]", value))
    if isinstance(value, dict):
        return any(_is_something(one) for one in cast("dict[str, object]", value).values())
    return bool(value.strip() if isinstance(value, str) else value)


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
    return _decode(_TEXT, raw) or None


def _read_id(raw: bytes) -> str:
    if raw[:1] == b'"' and raw != b'""':
        return _decode(_TEXT, raw)
    if raw.lstrip(b"-").isdigit():
        return raw.decode()
    raise MalformedError("it has no usable `id`")


def _decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise MalformedError(f"it has another shape ({error})") from None
    except UNREADABLE as error:
        reason = str(error)
    if has_half_a_character(body):
        # An app that cut a name inside an emoji: to mend it would alter what was received.
        reason = r"a text holds half a character, a lone surrogate such as \ud83d"
    malformed = CutOffError if reason == _CUT_OFF else MalformedError
    raise malformed(f"it is not JSON ({reason})")


def _name_type(raw: bytes) -> str:
    names = {b"n": "null", b"t": "true", b"f": "false", b'"': "a string", b"{": "an object"}
    names[b"["] = "an array"
    return names.get(raw[:1], "a number")
