"""What a value in a query of List Groups may be, and what would be right where it is not.

Pure: no file, no HTTP. Which parameters there are is query_parameters.py's.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar, cast

from pydantic import AfterValidator, BeforeValidator, Field

from truto_groups.settings.validators import EachOnce, OneOrList, Refusal, refuse, refuse_each

QueryValue: TypeAlias = str | int | float | bool | list["QueryValue"] | dict[str, "QueryValue"]

T = TypeVar("T")

_KEEP_ID = "leaves out id", "Keep id: it is the key of every group"


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise refuse("is an empty text", "Write a text, or leave it out")
    return text


def _check_date(value: object) -> object:
    try:
        datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        right = "Write it like 2025-01-31 or 2025-01-31T08:00:00Z"
        raise refuse("{value} is not an ISO 8601 date or instant", right) from None
    return value


def _refuse_list(value: object) -> object:
    if isinstance(value, list):
        raise refuse("takes one value, not a list", "Write the one value")
    return value


def _refuse_list_of_names(value: object) -> object:
    if isinstance(value, list):
        raise refuse("is a list", 'Write one text with commas: "id,displayName"')
    return value


def _keep_id(names: str) -> str:
    if _names_id(names):
        raise refuse(*_KEEP_ID)
    return names


def _check_field_name(name: str) -> str:
    def find() -> Iterator[Refusal]:
        if "," in name:
            yield (), "holds a comma", "Give each field as an entry of its own"
        if _names_id(name):
            yield (), *_KEEP_ID

    refuse_each(find())
    return name


def _names_id(names: str) -> bool:
    return any(name.strip().lower() == "id" for name in names.split(","))


def _check_object(value: object) -> object:
    if not isinstance(value, dict):
        raise refuse("is not a mapping", "Write names and values below it")
    refuse_each(_find_in_json((), cast(object, value)))
    return cast(object, value)


def _find_in_json(path: tuple[str | int, ...], value: object) -> Iterator[Refusal]:
    if isinstance(value, dict | list) and not value:
        yield path, "is empty", "Give a value, or leave it out"
    elif isinstance(value, dict):
        for name, inner in cast(dict[object, object], value).items():
            if not isinstance(name, str) or not name or "[" in name or "]" in name:
                right = "Write plain names, nested instead of with brackets: a: {b: …}"
                yield (*path, str(name)), "is no name of a parameter", right
            else:
                yield from _find_in_json((*path, name), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(cast(list[object], value)):
            yield from _find_in_json((*path, index), inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "{value} is no finite number", "Write a finite number"
    elif not isinstance(value, str | int | float):
        yield path, "has no value", "Give a value, or leave it out"


Values = Annotated[EachOnce[T], Field(min_length=1)]
"""A list of values, each once."""

FanOut = OneOrList[T, Values[T]]
"""A value, or a list of values that is listed once for each, united."""

Single = Annotated[T, BeforeValidator(_refuse_list)]
"""One value: listing twice, in two orders say, would unite to the same groups."""

Text = Annotated[str, AfterValidator(_check_not_blank)]

Date = Annotated[str, BeforeValidator(_check_date)]
"""A date or an instant, which stays as it is written."""

Commas = Annotated[Text, BeforeValidator(_refuse_list_of_names)]
"""Names of fields with commas between them."""

CommasWithoutId = Annotated[Commas, AfterValidator(_keep_id)]
"""The same, to be left out."""

FieldName = Annotated[Text, AfterValidator(_check_field_name)]
"""The name of a field to be left out."""

JsonObject = Annotated[dict[str, object], BeforeValidator(_check_object)]
"""Names with values of any depth, without null."""
