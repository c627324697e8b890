"""Where to look for an example: the parameters of ``sql/profile/example_value.sql``."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from truto_groups.drift.findings import Finding
from truto_groups.drift.shape import ANY_KEY, ELEMENT, Path

# What DuckDB's json_type calls the types of JSON.
_DUCKDB_TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("VARCHAR",),
    "number": ("UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"),
    "boolean": ("BOOLEAN",),
    "object": ("OBJECT",),
    "array": ("ARRAY",),
}


@dataclass(frozen=True)
class ExamplePlace:
    """Where an example stands.

    Attributes:
        path: JSONPath of the record, with wildcards for elements and keys that are data.
        is_many: Whether the path has wildcards.
        types: DuckDB's JSON types of which an example is wanted; empty for any.
    """

    path: str
    is_many: bool
    types: tuple[str, ...]


def find_example_place(finding: Finding) -> ExamplePlace:
    """Tell where an example of a finding's value stands."""
    types = [name for kind in finding.new_types for name in _DUCKDB_TYPES.get(kind, ())]
    is_many = bool({ELEMENT, ANY_KEY} & set(finding.steps))
    return ExamplePlace(json_path(finding.steps), is_many, tuple(types))


def json_path(path: Path) -> str:
    """The path as DuckDB's JSON functions take it: ``$."remote_data"."members"[*]."email"``."""
    text = "$"
    for step in path:
        if step == ELEMENT:
            text += "[*]"
        elif step == ANY_KEY:
            text += ".*"
        else:
            text += f".{msgspec.json.encode(step).decode()}"
    return text
