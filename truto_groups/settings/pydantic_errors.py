"""Pydantic's errors as mistakes that help: the line, what is wrong, what would be right.

One table gives the words for each type of error; bounds and choices are read from the model.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from pydantic import ValidationError

from truto_groups.settings.mistakes import KeyPath, Mistake, shorten
from truto_groups.settings.validators import Section
from truto_groups.text.nearest import find_nearest

Words: TypeAlias = tuple[str, str]
"""What is wrong, and what would be right."""


@dataclass(frozen=True)
class Origin:
    """Where the values came from.

    Attributes:
        data: What was validated.
        find_model: Gives the model of the mapping at a path; None when its keys are free.
        lines: Line of each key path; nothing where there is no file.
        written: Scalars as they stand in the file, by key path.
        homes: Where a known key belongs, for keys that stand in the wrong section.
    """

    data: Mapping[str, object]
    find_model: Callable[[KeyPath], type[Section] | None]
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    written: Mapping[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    homes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class _Found:
    """One error at its place: the value as it was given, and the schema that it does not fit."""

    path: KeyPath
    value: object
    context: Mapping[str, Any]
    origin: Origin

    @property
    def key(self) -> str:
        """The key whose value, or an item of it, is meant."""
        return str(self.path[self._depth])

    @property
    def model(self) -> type[Section] | None:
        """The model that has that key, or should."""
        return self.origin.find_model(self.path[: self._depth])

    @property
    def schema(self) -> dict[str, Any]:
        return find_schema(self.model, self.key) if self.model else {}

    @property
    def spelled(self) -> str:
        written = self.origin.written.get(self.path)
        return shorten(written or json.dumps(self.value, default=str))

    @property
    def shown(self) -> str:
        """The value as it was written, and how YAML read it where that surprises."""
        is_odd = isinstance(self.value, bool) and self.spelled.lower() not in {"true", "false"}
        reading = f" (which YAML reads as {str(self.value).lower()})" if is_odd else ""
        return f"{self.spelled}{reading}"

    @property
    def _depth(self) -> int:
        return max(n for n, key in enumerate(self.path) if isinstance(key, str))


def find_mistakes(error: ValidationError, origin: Origin) -> list[Mistake]:
    """Say each of pydantic's errors in words that help."""
    mistakes: list[Mistake] = []
    for found in error.errors(include_url=False):
        path, value = _locate(found["loc"], origin.data)
        tell = _TOLD.get(found["type"], _tell_otherwise)
        context = {"message": found["msg"], **found.get("ctx", {})}
        what, right = tell(_Found(path, value, context, origin))
        mistakes.append(Mistake(origin.lines.get(path, 0), path, what, right))
    return mistakes


@cache
def _find_schemas(model: type[Section]) -> dict[str, Any]:
    return model.model_json_schema()["properties"]


def find_schema(model: type[Section], key: str) -> dict[str, Any]:
    """Find the JSON schema of one key of a model."""
    return _find_schemas(model).get(key, {})


def list_choices(schema: Mapping[str, Any]) -> list[str]:
    """List in words what a value may be, or each value of a list: ``auto``, ``a number …``."""
    match schema:
        case {"anyOf": parts} | {"oneOf": parts}:
            return list(dict.fromkeys(choice for part in parts for choice in list_choices(part)))
        case {"type": "array", "items": items}:
            return list_choices(items)
        case {"const": word}:
            return [word]
        case {"enum": words}:
            return list(words)
        case {"type": "boolean"}:
            return ["true", "false"]
        case {"type": "integer", "minimum": low, "maximum": high}:
            return [f"a whole number from {low:,} to {high:,}"]
        case {"type": "number", "minimum": low, "maximum": high}:
            return [f"a number from {low:,.9g} to {high:,.9g}"]
        case _:
            return []


def _locate(loc: tuple[str | int, ...], data: Any) -> tuple[KeyPath, object]:
    """Find which of the data is meant; what else stands in ``loc`` are pydantic's own marks."""
    path: KeyPath = ()
    for key in loc:
        with suppress(LookupError, TypeError):
            data, path = data[key], (*path, key)
    return path, data


def _tell_choices(found: _Found) -> Words:
    choices = list_choices(found.schema)
    if len(choices) == 1:
        return f"{found.shown} is not {choices[0]}", f"Write {choices[0]}"
    close = find_nearest(str(found.value), choices, most=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    if len(choices) == 2:
        one, other = choices
        return f"{found.shown} is neither {one} nor {other}", f"{hint}Write {one} or {other}"
    return f"{found.shown} is no such value", f"{hint}Write one of {', '.join(choices)}"


def _tell_text(found: _Found) -> Words:
    if isinstance(found.value, bool | int | float):
        kind = "a boolean" if isinstance(found.value, bool) else "a number"
        key = "" if isinstance(found.path[-1], int) else f"{found.key}: "
        right = f'Write it in quotes: {key}"{found.spelled}"'
        return f"{found.spelled} is {kind}, not text", right
    what = "is empty" if found.value is None else f"{found.spelled} is not text"
    return what, "Write a text, or leave it out"


def _tell_list(found: _Found) -> Words:
    examples = found.schema.get("examples", ["[…]"])
    return "is not a list", f"Write a list: {found.key}: {examples[0]}"


def _tell_unknown(found: _Found) -> Words:
    model, key = found.model, found.key
    known = model.list_keys() if model else []
    told = model.tell_unknown(key) if model else None
    if told:
        return told
    close = find_nearest(key.replace("-", "_"), known, most=1, cutoff=0.75)
    if close:
        return "is not known", f"Did you mean {close[0]}?"
    if key in found.origin.homes:
        return "is not known", f"It belongs under {found.origin.homes[key]}"
    return "is not known", f"The keys here are {', '.join(known)}"


def _tell_refusal(found: _Found) -> Words:
    return found.context["what"].replace("{value}", found.shown), found.context["right"]


def _tell_otherwise(found: _Found) -> Words:
    return f"{found.shown} does not fit", found.context["message"]


_NO_MAPPING = "is not a mapping", "Write keys with their values below it"

_TOLD: Mapping[str, Callable[[_Found], Words]] = {
    "refused": _tell_refusal,
    "extra_forbidden": _tell_unknown,
    "model_type": lambda found: _NO_MAPPING,
    "dict_type": lambda found: _NO_MAPPING,
    "list_type": _tell_list,
    "too_short": lambda found: ("is an empty list", "Give a value, or leave it out"),
    "string_type": _tell_text,
    "bool_type": _tell_choices,
    "int_type": _tell_choices,
    "float_type": _tell_choices,
    "greater_than_equal": _tell_choices,
    "less_than_equal": _tell_choices,
    "literal_error": _tell_choices,
}
"""The words for each of pydantic's types of error."""
