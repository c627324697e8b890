"""Whether a query can be sent to List Groups, and what would be right where it cannot.

Pure: no file, no HTTP. Truto drops a parameter that it does not know without a word, so a
misspelt filter would list everything: hence nothing unknown is let through.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

from truto_groups.errors import SettingsError
from truto_groups.settings.query_parameters import (
    OPERATORS,
    PARAMETERS,
    REFUSED_PARAMETERS,
    Parameter,
)

QueryValue: TypeAlias = str | int | float | bool | list["QueryValue"] | dict[str, "QueryValue"]
QueryKeyPath: TypeAlias = tuple[str | int, ...]
Written: TypeAlias = Callable[[QueryKeyPath, object], str]


@dataclass(frozen=True)
class QueryMistake:
    """Something in a query that cannot be sent: where, what is wrong, what would be right."""

    path: QueryKeyPath
    what: str
    right: str


def validate_query(query: Mapping[str, object]) -> dict[str, QueryValue]:
    """Check a query that did not come from the settings file.

    Returns:
        The same parameters, typed.

    Raises:
        SettingsError: Something in it cannot be sent; every mistake is named.
    """
    mistakes = find_query_mistakes(query)
    if mistakes:
        told = " ".join(f"query.{_spell(m.path)}: {m.what}; {m.right}." for m in mistakes)
        raise SettingsError(told, advice="Nothing was sent.")
    return cast(dict[str, QueryValue], dict(query))


def find_query_mistakes(
    query: Mapping[str, object], *, written: Written | None = None
) -> list[QueryMistake]:
    """Find what cannot be sent to List Groups.

    Args:
        query: Parameters by wire name; a list of values is listed once for each.
        written: Gives the value at a path as a person wrote it, so that ``0123`` is told as
            ``0123``. By default it is shown as JSON.

    Returns:
        One entry per mistake, in the order of the query; empty when all can be sent.
    """
    found: list[QueryMistake] = []
    for name, value in query.items():
        if name in REFUSED_PARAMETERS:
            what = "would break the sync"
            found.append(QueryMistake((name,), what, REFUSED_PARAMETERS[name]))
        elif name not in PARAMETERS:
            what = "is no documented parameter of List Groups"
            found.append(QueryMistake((name,), what, _advise_on_unknown(name)))
        else:
            check = _Check(PARAMETERS[name], written or _as_json)
            found.extend(check.find(value))
    return found


def _as_json(path: QueryKeyPath, value: object) -> str:
    return json.dumps(value, default=str)


def _advise_on_unknown(name: str) -> str:
    bracketed = re.fullmatch(r"([^\[\]]+)\[([^\[\]]*)\].*", name)
    if bracketed and bracketed[1] in PARAMETERS:
        outer, inner = bracketed[1], bracketed[2]
        return f"Write it nested: {outer}: {{{inner}: …}}" if inner else f"Write {outer}: [ … ]"
    close = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.7)
    if close:
        return f"Did you mean {close[0]}?"
    return (
        "Parameters that only the app itself knows, or whose name Truto does not document, go "
        f"under remote_query; the documented ones are {', '.join(PARAMETERS)}"
    )


def _spell(path: QueryKeyPath) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


@dataclass(frozen=True)
class _Check:
    """Finds the mistakes in the value of one parameter."""

    parameter: Parameter
    written: Written

    def find(self, value: object) -> Iterator[QueryMistake]:
        path: QueryKeyPath = (self.parameter.name,)
        if self.parameter.kind in {"array", "conditions"}:
            yield from self._find_in_array(path, value)
        elif self.parameter.kind == "object":
            yield from self._find_in_object(path, value)
        elif isinstance(value, list):
            yield from self._find_in_fan_out(path, cast(list[object], value))
        else:
            yield from self._find_in_value(path, value)

    def _find_in_fan_out(self, path: QueryKeyPath, values: list[object]) -> Iterator[QueryMistake]:
        if not self.parameter.can_fan_out:
            yield QueryMistake(path, "takes one value, not a list", "Write the one value")
        elif self.parameter.kind == "commas":
            yield QueryMistake(path, "is a list", 'Write one text with commas: "id,displayName"')
        else:
            yield from self._find_in_list(path, values, self._find_in_value)

    def _find_in_array(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        is_fields = self.parameter.kind == "array"
        if not isinstance(value, list):
            example = "[description]" if is_fields else "[{name: …}, {name: …}]"
            yield QueryMistake(path, "is not a list", f"Write a list: {path[0]}: {example}")
            return
        find = self._find_in_field_name if is_fields else self._find_in_object
        yield from self._find_in_list(path, cast(list[object], value), find)

    def _find_in_list(
        self,
        path: QueryKeyPath,
        values: list[object],
        find: Callable[[QueryKeyPath, object], Iterator[QueryMistake]],
    ) -> Iterator[QueryMistake]:
        if not values:
            yield QueryMistake(path, "is an empty list", "Give a value, or leave it out")
        for index, value in enumerate(values):
            yield from find((*path, index), value)
            if value in values[:index]:
                shown = self.written((*path, index), value)
                yield QueryMistake((*path, index), f"{shown} stands twice", "Give each value once")

    def _find_in_value(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        match self.parameter.kind:
            case "boolean":
                if not isinstance(value, bool):
                    shown = self.written(path, value)
                    yield QueryMistake(
                        path, f"{shown} is neither true nor false", "Write true or false"
                    )
            case "choice":
                yield from self._find_in_choice(path, value)
            case "instant":
                yield from self._find_in_instant(path, value)
            case "commas":
                yield from self._find_in_commas(path, value)
            case _:
                yield from self._find_in_text(path, value)

    def _find_in_text(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        shown = self.written(path, value)
        if isinstance(value, bool | int | float):
            what = f"{shown} is {'a boolean' if isinstance(value, bool) else 'a number'}, not text"
            quoted = f'"{shown}"' if isinstance(path[-1], int) else f'{path[-1]}: "{shown}"'
            yield QueryMistake(path, what, f"Write it in quotes: {quoted}")
        elif not isinstance(value, str):
            what = "is empty" if value is None else f"{shown} is not text"
            yield QueryMistake(path, what, "Write a text, or leave it out")
        elif not value.strip():
            yield QueryMistake(path, "is an empty text", "Write a text, or leave it out")

    def _find_in_choice(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        choices = self.parameter.choices
        if value not in choices:
            close = difflib.get_close_matches(str(value).lower(), choices, n=1)
            right = f"Did you mean {close[0]}? " if close else ""
            shown = self.written(path, value)
            yield QueryMistake(
                path, f"{shown} is no such value", f"{right}Write one of {', '.join(choices)}"
            )

    def _find_in_commas(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        yield from self._find_in_text(path, value)
        names = value.split(",") if isinstance(value, str) else []
        if path[0] == "excludedAttributes" and any(n.strip().lower() == "id" for n in names):
            yield QueryMistake(path, "leaves out id", "Keep id: it is the key of every group")

    def _find_in_field_name(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        yield from self._find_in_text(path, value)
        if not isinstance(value, str):
            return
        if "," in value:
            yield QueryMistake(path, "holds a comma", "Give each field as an entry of its own")
        if any(name.strip().lower() == "id" for name in value.split(",")):
            yield QueryMistake(path, "leaves out id", "Keep id: it is the key of every group")

    def _find_in_instant(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        if not isinstance(value, dict):
            yield from self._find_in_date(path, value)
            return
        conditions = cast(dict[object, object], value)
        right = f"Write one of {', '.join(OPERATORS)}, such as {path[0]}: {{gte: 2025-01-31}}"
        if not conditions:
            yield QueryMistake(path, "is an empty mapping", right)
        for operator, operand in conditions.items():
            inner = (*path, str(operator))
            if operator not in OPERATORS:
                yield QueryMistake(inner, "is no operator", right)
            elif operator == "like":
                yield from self._find_in_text(inner, operand)
            elif operator not in {"in", "nin"}:
                yield from self._find_in_date(inner, operand)
            elif isinstance(operand, list):
                yield from self._find_in_list(
                    inner, cast(list[object], operand), self._find_in_date
                )
            else:
                yield QueryMistake(
                    inner, "is not a list", f"Write a list: {operator}: [2025-01-31]"
                )

    def _find_in_date(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        try:
            datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            what = f"{self.written(path, value)} is not an ISO 8601 date or instant"
            yield QueryMistake(path, what, "Write it like 2025-01-31 or 2025-01-31T08:00:00Z")

    def _find_in_object(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        if not isinstance(value, dict):
            yield QueryMistake(path, "is not a mapping", "Write names and values below it")
            return
        yield from self._find_in_json(path, cast(dict[object, object], value))

    def _find_in_json(self, path: QueryKeyPath, value: object) -> Iterator[QueryMistake]:
        if isinstance(value, dict | list) and not value:
            yield QueryMistake(path, "is empty", "Give a value, or leave it out")
        elif isinstance(value, dict):
            for name, inner in cast(dict[object, object], value).items():
                if not isinstance(name, str) or not name or "[" in name or "]" in name:
                    what = "is no name of a parameter"
                    right = "Write plain names, nested instead of with brackets: a: {b: …}"
                    yield QueryMistake((*path, str(name)), what, right)
                else:
                    yield from self._find_in_json((*path, name), inner)
        elif isinstance(value, list):
            for index, inner in enumerate(cast(list[object], value)):
                yield from self._find_in_json((*path, index), inner)
        elif isinstance(value, float) and not math.isfinite(value):
            shown = self.written(path, value)
            yield QueryMistake(path, f"{shown} is no finite number", "Write a finite number")
        elif not isinstance(value, str | int | float):
            yield QueryMistake(path, "has no value", "Give a value, or leave it out")
