"""Structures that the database counted become the shape of a sync.

The database tells each distinct structure of a record (keys and JSON types) and how many records
have it. Here these are taken apart level by level, equal parts once, so that an account whose
records all differ in one place costs no more than that place.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from truto_groups.drift.folding import MAX_DEPTH, bound_paths, is_data_key, is_free_form, is_name
from truto_groups.drift.shape import ANY_KEY, ELEMENT, MIXED, NULL, LandedCounts, Path, Seen, Shape

# What DuckDB's json_structure calls the types of JSON; all numbers are one type.
_TYPES: Mapping[bytes, str] = {
    b'"VARCHAR"': "string",
    b'"UBIGINT"': "number",
    b'"BIGINT"': "number",
    b'"HUGEINT"': "number",
    b'"UHUGEINT"': "number",
    b'"DOUBLE"': "number",
    b'"BOOLEAN"': "boolean",
    b'"NULL"': NULL,
    b'"JSON"': MIXED,
}
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])

_Counts: TypeAlias = dict[bytes, int]


def shape_of(structures: Iterable[tuple[str, int]], counts: LandedCounts) -> Shape:
    """Count every path of one account's sync.

    Args:
        structures: Distinct results of ``json_structure(record)`` with how many records have it.
        counts: What the values add.

    Returns:
        The shape; of at most ``MAX_PATHS`` paths of at most ``MAX_DEPTH`` steps.
    """
    wholes: _Counts = {}
    for text, count in structures:
        whole = text.encode()
        wholes[whole] = wholes.get(whole, 0) + count
    paths: dict[Path, Seen] = {}
    _take_apart((), wholes, paths)
    root = paths.setdefault((), Seen({}))
    not_objects = sum(count for name, count in root.types.items() if name != "object")
    return bound_paths(Shape(counts, not_objects, paths))


def _take_apart(path: Path, values: _Counts, paths: dict[Path, Seen]) -> None:
    types: dict[str, int] = {}
    children: dict[str, _Counts] = {}
    elements: _Counts = {}
    for value, count in values.items():
        name = _TYPES.get(value)
        if name == MIXED and ELEMENT not in path:
            name = "object"  # outside of arrays nothing is merged: an empty object
        elif name is None:
            name = "object" if value[:1] == b"{" else "array"
            if name == "object":
                for key, raw in _OBJECT.decode(value).items():
                    _add(children.setdefault(key, {}), bytes(raw), count)
            else:
                for raw in _ARRAY.decode(value):
                    _add(elements, bytes(raw), count)
        types[name] = types.get(name, 0) + count
    paths[path] = Seen(types)
    if len(path) >= MAX_DEPTH:
        return
    # An array that is empty, or holds only nulls, says nothing about its elements.
    elements.pop(b'"NULL"', None)
    if elements:
        _take_apart((*path, ELEMENT), elements, paths)
    for key, child in _fold(path, children, object_count=types.get("object", 0)).items():
        _take_apart((*path, key), child, paths)


def _fold(path: Path, children: dict[str, _Counts], *, object_count: int) -> Mapping[str, _Counts]:
    named: dict[str, _Counts] = {}
    folded: _Counts = {}
    unified: dict[str, _Counts] = {}
    for key, child in children.items():
        if not path and is_name((key,)):
            unified[key] = child
        elif is_data_key(key):
            _merge(folded, child)
        else:
            named[key] = child
    if is_free_form(
        {key: _types_of(child) for key, child in named.items()}, object_count=object_count
    ):
        for child in named.values():
            _merge(folded, child)
        named = {}
    named |= unified
    if folded:
        named[ANY_KEY] = folded
    return named


def _types_of(values: _Counts) -> dict[str, int]:
    types: dict[str, int] = {}
    for value, count in values.items():
        name = _TYPES.get(value) or ("object" if value[:1] == b"{" else "array")
        types[name] = types.get(name, 0) + count
    return types


def _merge(into: _Counts, values: _Counts) -> None:
    for value, count in values.items():
        _add(into, value, count)


def _add(into: _Counts, value: bytes, count: int) -> None:
    into[value] = into.get(value, 0) + count
