"""Take pages apart into records without touching a letter of them.

A JSON parser that writes numbers anew makes ``1.50`` into ``1.5`` and rounds long ones, so what is
kept is cut out of the page as text. What the records mean is the warehouse's to say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from truto_groups.schema import UNIFIED_GROUP_FIELDS
from truto_groups.settings import RemoteData

_NOTHING = msgspec.Raw(b"")
_DEEPEST = 500
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([{}\[\]])')


class _UnifiedGroup(msgspec.Struct, forbid_unknown_fields=True):
    """A record with no field but those of the contract (UNIFIED_GROUP_FIELDS)."""

    id: msgspec.Raw = _NOTHING
    name: msgspec.Raw = _NOTHING
    group_type: msgspec.Raw = _NOTHING
    description: msgspec.Raw = _NOTHING
    organization: msgspec.Raw = _NOTHING
    created_at: msgspec.Raw = _NOTHING
    updated_at: msgspec.Raw = _NOTHING
    remote_data: msgspec.Raw = _NOTHING


_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_UNIFIED_GROUPS = msgspec.json.Decoder(list[_UnifiedGroup])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class SplitPage:
    """The records of a page, and beside them what is wanted of each as text; "" for nothing.

    Attributes:
        records: Each record as received.
        remote_data: Of each its ``remote_data``, as received or cut down as the settings say.
        other_fields: Of each an object of the fields that Truto does not document, compact.
    """

    records: list[str]
    remote_data: list[str]
    other_fields: list[str]


def split_records(records: str, *, keep: RemoteData = "all") -> SplitPage:
    """Split the JSON text of an array of unified groups.

    Args:
        records: The array, as received.
        keep: What of ``remote_data`` is wanted: everything, nothing, or paths in it.

    Raises:
        msgspec.MsgspecError, UnicodeError, RecursionError: It is not JSON, or nested too deep.
    """
    texts = [str(raw, "utf-8") for raw in _RECORDS.decode(records)]
    for text in texts:
        _guard_depth(text)
    try:
        groups = _UNIFIED_GROUPS.decode(records)
    except msgspec.ValidationError:
        # Some record has a field that is not documented, or is no object at all.
        pairs = [_split_record(text) for text in texts]
        remote_data = [pair[0] for pair in pairs]
        other_fields = [pair[1] for pair in pairs]
    else:
        remote_data = [str(group.remote_data, "utf-8") for group in groups]
        other_fields = [""] * len(texts)
    return SplitPage(texts, [_cut(text, keep=keep) for text in remote_data], other_fields)


def _guard_depth(record: str) -> None:
    """Refuse what is nested so deep that the database's recursive functions would break on it."""
    # Each level has two brackets; most records are too short to hold so many.
    if len(record) <= 2 * _DEEPEST or record.count("{") + record.count("[") <= _DEEPEST:
        return
    depth = 0
    for token in _BRACKETS.finditer(record):
        bracket = token[1]
        depth += 0 if bracket is None else 1 if bracket in "{[" else -1
        if depth > _DEEPEST:
            raise RecursionError(f"nested deeper than {_DEEPEST}")


def _split_record(record: str) -> tuple[str, str]:
    try:
        fields = _OBJECT.decode(record)
    except msgspec.ValidationError:
        return "", ""
    others = {name: raw for name, raw in fields.items() if name not in UNIFIED_GROUP_FIELDS}
    remote_data = fields.get("remote_data", _NOTHING)
    return str(remote_data, "utf-8"), _compact(_join(others)) if others else ""


def _cut(remote_data: str, *, keep: RemoteData) -> str:
    if remote_data in ("", "null") or keep == "nothing":
        return ""
    if keep == "all":
        return remote_data
    return _select(remote_data, keep)


def _select(text: str, paths: Sequence[Sequence[str]]) -> str:
    """Keep what the paths lead to; through an array they lead to each of its elements."""
    if any(not path for path in paths):
        return text
    if text.startswith("["):
        elements = [_select(str(raw, "utf-8"), paths) for raw in _ARRAY.decode(text)]
        return f"[{','.join(element or 'null' for element in elements)}]"
    if not text.startswith("{"):
        return ""
    selected: dict[str, str] = {}
    for name, raw in _OBJECT.decode(text).items():
        below = [path[1:] for path in paths if path[0] == name]
        found = _select(str(raw, "utf-8"), below) if below else ""
        if found:
            selected[name] = found
    return _join(selected) if selected else ""


def _join(fields: Mapping[str, msgspec.Raw | str]) -> str:
    pairs = (
        f"{msgspec.json.encode(name).decode()}:{raw if isinstance(raw, str) else str(raw, 'utf-8')}"
        for name, raw in fields.items()
    )
    return f"{{{','.join(pairs)}}}"


def _compact(text: str) -> str:
    return msgspec.json.format(text, indent=-1)
