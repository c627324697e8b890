"""What the groups of one sync looked like: every path, its JSON types, and how often.

Plain values that go to and from JSON. How they are counted is profile.py's, what a difference
means is audit.py's.
"""

import hashlib
import re
from collections.abc import Mapping

import msgspec

ELEMENT = "[]"
"""The step of a path that stands for all elements of an array."""

ANY_KEY = "{}"
"""The step of a path that stands for all keys of an object that are data."""

NULL = "null"
MIXED = "mixed"
"""Several JSON types in one array, or an empty object in it: DuckDB does not tell which."""

Path = tuple[str, ...]

_PLAIN_KEY = re.compile(r"[\w$:/+@-]+")


class LandedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the values of one sync's records add to their structures.

    Attributes:
        record_count: Records received, copies of an id included.
        missing_id_count: Records without an id that identifies: null, missing, empty, no text or
            integer.
        unreadable_instants: Field to records whose value is no instant.
        group_types: Value of ``group_type`` as received to records.
        id_forms: Form of an id (see ``sql/profile/values.sql``) to records.
        duplicate_id_count: Ids that came more than once.
        differing_id_count: Ids of these that came with different contents.
        unmapped_count: Records whose ``group_type`` is none of the documented ones.
    """

    record_count: int
    missing_id_count: int = 0
    unreadable_instants: Mapping[str, int] = {}
    group_types: Mapping[str, int] = {}
    id_forms: Mapping[str, int] = {}
    duplicate_id_count: int = 0
    differing_id_count: int = 0
    unmapped_count: int = 0


class Seen(msgspec.Struct, frozen=True):
    """How often a path was seen, by JSON type; ``null`` is one of them.

    Inside of arrays, records are counted, not elements.
    """

    types: Mapping[str, int]

    @property
    def present_count(self) -> int:
        """How many had the key at all."""
        return sum(self.types.values())

    @property
    def null_count(self) -> int:
        """How many had the key with null."""
        return self.types.get(NULL, 0)

    @property
    def value_count(self) -> int:
        """How many had a value."""
        return self.present_count - self.null_count

    @property
    def value_types(self) -> frozenset[str]:
        """The JSON types of the values, null aside."""
        return frozenset(name for name in self.types if name != NULL)


NOT_SEEN = Seen({})


class Shape(msgspec.Struct, frozen=True):
    """What the groups of one sync looked like.

    Attributes:
        counts: What the values add.
        not_object_count: Records that are no JSON objects.
        paths: Each path with what was seen there. The empty path is the record itself.
    """

    counts: LandedCounts
    not_object_count: int
    paths: Mapping[Path, Seen]

    @property
    def record_count(self) -> int:
        """Records received."""
        return self.counts.record_count

    @property
    def digest(self) -> str:
        """Digest of paths, JSON types, group types and forms of ids; counts do not matter."""
        parts = [
            sorted((list(path), sorted(seen.value_types)) for path, seen in self.paths.items()),
            sorted(self.counts.id_forms),
            sorted(value.lower() for value in self.counts.group_types),
            sorted(name for name, count in self.counts.unreadable_instants.items() if count),
        ]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]

    def seen(self, path: Path) -> Seen:
        """What was seen at a path; nothing when it is not there."""
        return self.paths.get(path, NOT_SEEN)

    def container_count(self, path: Path) -> int:
        """How many could have had the path: the objects (or arrays) around it."""
        around = self.seen(path[:-1]).types
        return around.get("array" if path[-1] == ELEMENT else "object", 0)

    def to_json(self) -> str:
        """The shape as JSON text."""
        rows = [[list(path), dict(seen.types)] for path, seen in sorted(self.paths.items())]
        stored = {
            "counts": self.counts,
            "not_object_count": self.not_object_count,
            "paths": rows,
        }
        return msgspec.json.encode(stored).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Shape":
        """Read what ``to_json`` wrote."""
        stored = msgspec.json.decode(text, type=_Stored)
        return cls(
            counts=stored.counts,
            not_object_count=stored.not_object_count,
            paths={tuple(steps): Seen(types) for steps, types in stored.paths},
        )


class _Stored(msgspec.Struct):
    counts: LandedCounts
    not_object_count: int
    paths: list[tuple[list[str], dict[str, int]]]


def path_text(path: Path) -> str:
    """The path as people read it: ``remote_data.members[].email``."""
    text = ""
    for step in path:
        if step == ELEMENT:
            text += step
        elif step == ANY_KEY or _PLAIN_KEY.fullmatch(step):
            text += f".{step}"
        else:
            text += f".{msgspec.json.encode(step).decode()}"
    return text.removeprefix(".")
