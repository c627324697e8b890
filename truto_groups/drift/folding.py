"""Which keys of an object are data rather than names of fields, and what becomes of them.

An object whose keys are ids, addresses or dates would make a path for each of them, and other
paths the next day. Such keys become the one step ``{}``.
"""

import re
from collections.abc import Iterable, Mapping

from truto_groups.drift.shape import ANY_KEY, ELEMENT, NULL, Path, Seen, Shape
from truto_groups.schema import UNIFIED_GROUP_FIELDS

MAX_DEPTH = 10
"""Steps of the longest path; deeper values are not looked into."""

MAX_PATHS = 300
"""Paths of the largest shape."""

_MANY_KEYS = 24
_FAR_TOO_MANY_KEYS = 250
_SPARSE = 0.3
_ALIKE = 0.9
_LONGEST_NAME = 100

_DATA_KEY = re.compile(
    r"""
      \d+ (?:[.,:_/-]\d+)*                                     # numbers, dates, versions
    | \d{4}-\d\d-\d\d [T\ ]? .*                                # instants
    | [^@\s]+ @ [^@\s]+ \. [^@\s]+                             # addresses
    | \{? [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} -[0-9a-fA-F]{12} \}?   # UUIDs
    | (?=[^\s]*\d) [0-9a-fA-F]{16,}                            # digests, object ids
    | (?:[a-z][a-z0-9+.-]*:)? // .+ | arn:.+ | \w+ = .+        # resources, distinguished names
    | (?=(?:[A-Z]*\d+(?!\d)){2}) [A-Z0-9]{8,}                        # U024BE7LH
    | (?=(?:[A-Za-z]*\d+(?!\d)){2}) \d [A-Za-z0-9]{11,}              # 00g1emaKYZTWRYYRRTSK
    | (?=(?:[A-Za-z]*\d+(?!\d)){3}) (?=[^A-Z]*[A-Z]) (?=[^a-z]*[a-z]) [A-Za-z0-9_-]{16,}
    | (?:\w+[-/\ ])? (?:19|20)\d\d (?:[-/\ ]?\w+)?               # Q4-2024, 2024W12
    | \[\] | \{\}                                                # our own steps
    | \s* | [\s\S]*\n[\s\S]*
    """,
    re.VERBOSE | re.DOTALL,
)
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


def is_data_key(key: str) -> bool:
    """Whether a key is data by its looks alone, so that the answer never depends on others."""
    if len(key) <= 24 and _LETTERS.issuperset(key):
        return not key
    if len(key) > _LONGEST_NAME:
        return True  # a text; the expression would look at each part of it with every other
    return _DATA_KEY.fullmatch(key) is not None


def is_name(path: Path) -> bool:
    """Whether the last step is never folded: an element, or a field of every unified group."""
    return path[-1] in (ANY_KEY, ELEMENT) or (len(path) == 1 and path[0] in UNIFIED_GROUP_FIELDS)


def is_free_form(children: Mapping[str, Mapping[str, int]], *, object_count: int) -> bool:
    """Whether an object's keys are data by their number.

    Args:
        children: Each key with how often it was seen, by JSON type.
        object_count: How many objects there were.

    Returns:
        True for many keys, of which each object has few, with values of one kind; or for too many
        in any case.
    """
    if len(children) <= _MANY_KEYS:
        return False
    if len(children) > _FAR_TOO_MANY_KEYS:
        return True
    entry_count = sum(sum(types.values()) for types in children.values())
    if entry_count >= _SPARSE * len(children) * object_count:
        return False
    kinds: dict[str, int] = {}
    for types in children.values():
        for name, count in types.items():
            if name != NULL:
                kinds[name] = kinds.get(name, 0) + count
    return not kinds or max(kinds.values()) >= _ALIKE * sum(kinds.values())


def fold_alike(shapes: Iterable[Shape]) -> list[Shape]:
    """Fold in each shape what is folded in any of them, so that they can be compared."""
    listed = list(shapes)
    while True:
        folded = {
            path[:-1] for shape in listed for path in shape.paths if path and path[-1] == ANY_KEY
        }
        # Keys beside `{}` are names of fields where `{}` only holds keys that look like data.
        wholly = {
            path for path in folded if any(_is_wholly_folded(shape, path) for shape in listed)
        }
        again = [fold_at(shape, wholly) for shape in listed]
        if all(old is new for old, new in zip(listed, again, strict=True)):
            return again
        listed = again


def _is_wholly_folded(shape: Shape, path: Path) -> bool:
    depth = len(path) + 1
    return (*path, ANY_KEY) in shape.paths and not any(
        len(other) == depth and other[:-1] == path and not is_name(other) for other in shape.paths
    )


def fold_at(shape: Shape, objects: Iterable[Path]) -> Shape:
    """Put all keys of the objects at these paths under ``{}``; the same shape without any."""
    wanted = set(objects)
    if not wanted:
        return shape
    counts: dict[Path, dict[str, int]] = {}
    changed = False
    for path, seen in shape.paths.items():
        target = tuple(
            ANY_KEY if path[:index] in wanted and not is_name(path[: index + 1]) else step
            for index, step in enumerate(path)
        )
        changed = changed or target != path
        merged = counts.setdefault(target, {})
        for name, count in seen.types.items():
            merged[name] = merged.get(name, 0) + count
    if not changed:
        return shape
    return Shape(shape.counts, shape.not_object_count, {p: Seen(t) for p, t in counts.items()})


def bound_paths(shape: Shape) -> Shape:
    """Fold the objects with the most keys until the shape is small enough.

    The unified group's own fields are never folded.
    """
    while len(shape.paths) > MAX_PATHS:
        sizes: dict[Path, int] = {}
        for path in shape.paths:
            if path and not is_name(path):
                sizes[path[:-1]] = sizes.get(path[:-1], 0) + 1
        largest = max(sizes.items(), key=lambda item: (item[1], item[0]), default=((), 0))
        if largest[1] < 2:  # nothing left to fold: keep the shortest
            kept = sorted(shape.paths.items(), key=lambda item: (len(item[0]), item[0]))
            return Shape(shape.counts, shape.not_object_count, dict(kept[:MAX_PATHS]))
        shape = fold_at(shape, [largest[0]])
    return shape
