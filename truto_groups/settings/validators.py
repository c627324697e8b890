"""What a single value may be, and how pydantic's findings become mistakes that help.

Each validator says in its own words what is wrong and what would be right. Where in the file the
value stands is known to the reader of the file.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import cast

from pydantic import BaseModel, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from truto_groups.settings.addresses import normalize_base_url
from truto_groups.settings.durations import parse_duration
from truto_groups.settings.mistakes import KeyPath, Mistake, shorten

_REMOTE_DATA_SEGMENT = re.compile(r"[^\x00-\x1f\x7f\s\"\\*\[\]]([^\x00-\x1f\x7f\"\\*\[\]]*\S)?")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)


def whole_number(low: int, high: int) -> PlainValidator:
    """An integer within bounds; a boolean is none."""
    expected = f"a whole number from {low:,} to {high:,}"

    def validate(value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise _refuse(f"is not {expected}", f"Write {expected}")

    return PlainValidator(validate)


def number(low: float, high: float) -> PlainValidator:
    """A finite number within bounds; a boolean is none."""
    expected = f"a number from {low:,g} to {high:,g}"

    def validate(value: object) -> float:
        if type(value) in {int, float} and low <= cast(float, value) <= high:
            return float(cast(float, value))
        raise _refuse(f"is not {expected}", f"Write {expected}")

    return PlainValidator(validate)


def number_or_auto(low: float, high: float) -> PlainValidator:
    """A number within bounds, or the word ``auto``."""
    expected = f"a number from {low:,g} to {high:,g}"

    def validate(value: object) -> object:
        if value == "auto":
            return value
        if type(value) in {int, float} and low <= cast(float, value) <= high:
            return float(cast(float, value))
        raise _refuse(f"is neither auto nor {expected}", f"Write auto, or {expected}")

    return PlainValidator(validate)


def flag() -> PlainValidator:
    """True or false."""

    def validate(value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise _refuse("is neither true nor false", "Write true or false")

    return PlainValidator(validate)


def one_of(*choices: str) -> PlainValidator:
    """One of a few words."""

    def validate(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        close = difflib.get_close_matches(str(value).lower(), choices, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise _refuse("is no such value", f"{hint}Write one of {', '.join(choices)}")

    return PlainValidator(validate)


def duration() -> PlainValidator:
    """A duration with its unit, or one that is typed already."""

    def validate(value: object) -> timedelta:
        if isinstance(value, timedelta):
            return value
        right = "Write a whole number and its unit, such as 90s, 30m, 6h or 7d, up to 3650d"
        if type(value) is int and value > 0:
            raise _refuse("has no unit", f"Write {value}s if seconds are meant, else 30m, 6h")
        try:
            return parse_duration(value if isinstance(value, str) else "")
        except ValueError as error:
            raise _refuse(str(error), right) from None

    return PlainValidator(validate)


def truto_url() -> PlainValidator:
    """Truto's base URL, brought into its one form."""

    def validate(value: object) -> str:
        try:
            return normalize_base_url(value if isinstance(value, str) else "")
        except ValueError as error:
            right = "Write a URL such as https://api.truto.one; http:// is for this machine only"
            raise _refuse(str(error), right, is_secret=True) from None

    return PlainValidator(validate)


def variable_name() -> PlainValidator:
    """Name of an environment variable, in capitals so that a token typed here is noticed."""

    def validate(value: object) -> str:
        if isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", value, re.ASCII):
            return value
        right = "Write the variable's name in capitals, such as TRUTO_API_TOKEN, not the token"
        raise _refuse("is no name of a variable", right, is_secret=True)

    return PlainValidator(validate)


def account_id() -> PlainValidator:
    """Id of an integrated account, as a key; one that no listing has is told by unused.py."""

    def validate(value: object) -> str:
        if isinstance(value, str) and _KEY.fullmatch(value):
            return value
        raise _refuse("is no id of an account", "Write letters, digits and _ . : - only")

    return PlainValidator(validate)


def integration_slug() -> PlainValidator:
    """Slug of an integration, as a key."""

    def validate(value: object) -> str:
        text = value if isinstance(value, str) else ""
        if _UUID.fullmatch(text):
            raise _refuse("is the id of an account, not an integration", "Move it to accounts")
        if not _KEY.fullmatch(text):
            raise _refuse("is no name of an integration", "Write letters, digits and _ . : - only")
        return text

    return PlainValidator(validate)


def remote_data_paths() -> PlainValidator:
    """``all``, ``nothing``, or a list of paths inside ``remote_data``, each dotted or its keys."""

    def validate(value: object) -> object:
        right = "Write all, nothing, or a list of paths such as [profile.name, type]"
        if value in ("all", "nothing"):
            return value
        if not isinstance(value, list):
            raise _refuse("is neither all, nothing nor a list", right)
        paths = cast(list[object], value)
        if not paths:
            raise _refuse("is an empty list", "Write nothing if nothing is to be kept")
        found: list[tuple[str, ...]] = []
        for index, path in enumerate(paths):
            keys = (
                _read_keys(cast(list[object], path), index)
                if isinstance(path, list)
                else _split_path(path, index)
            )
            if keys in found:
                raise _refuse("stands twice", "Give each path once", at=index)
            found.append(keys)
        return tuple(found)

    return PlainValidator(validate)


def _split_path(path: object, index: int) -> tuple[str, ...]:
    segments = path.split(".") if isinstance(path, str) else [""]
    if not all(_REMOTE_DATA_SEGMENT.fullmatch(segment) for segment in segments):
        right = (
            "Write names with dots between them, such as profile.name, or a list of keys, such as "
            '["a.b", name]; arrays are whole'
        )
        raise _refuse("is no dotted path", right, at=index)
    return tuple(segments)


def _read_keys(path: list[object], index: int) -> tuple[str, ...]:
    if not path or not all(isinstance(key, str) and key for key in path):
        right = 'Write keys, such as ["urn:scim:2.0:Group", name]; one of digits wants quotes'
        raise _refuse("is no list of keys", right, at=index)
    return tuple(cast(list[str], path))


def find_mistakes(
    error: ValidationError,
    *,
    models: Callable[[KeyPath], type[BaseModel] | None],
    lines: Mapping[KeyPath, int] | None = None,
    written: Mapping[KeyPath, str] | None = None,
    homes: Mapping[str, str] | None = None,
) -> list[Mistake]:
    """Say each of pydantic's findings in words that help.

    Args:
        error: What pydantic found.
        models: Gives the model whose fields a mapping at a path may have.
        lines: Line of each key path.
        written: Scalars as they stand in the file, by key path.
        homes: Where a known key belongs, for keys that stand in the wrong section.
    """
    mistakes: list[Mistake] = []
    for found in error.errors(include_url=False):
        context = found.get("ctx", {})
        path: KeyPath = tuple(key for key in found["loc"] if key != "[key]")
        value = found["input"]
        is_key = found["loc"][-1:] == ("[key]",)
        if "at" in context:
            path, value = (*path, context["at"]), value[context["at"]]
        if is_key:  # which the path shows
            what, right = str(context["what"]), str(context["right"])
        elif found["type"] == "settings":
            what, right = _tell_refusal(value, context, (written or {}).get(path))
        elif found["type"] == "extra_forbidden":
            what, right = (
                "is not known",
                _suggest_key(str(path[-1]), models(path[:-1]), homes or {}),
            )
        else:
            what, right = "is not a mapping", "Write keys with their values below it"
        mistakes.append(Mistake((lines or {}).get(path, 0), path, what, right))
    return mistakes


def show(value: object, written: str | None) -> str:
    """Show a value as it was written, and how YAML read it where that surprises."""
    text = shorten(written if written is not None else json.dumps(value, default=str))
    if isinstance(value, bool) and written is not None and written.lower() not in {"true", "false"}:
        return f"{text} (which YAML reads as {str(value).lower()})"
    return text


def _refuse(what: str, right: str, **context: int | bool) -> PydanticCustomError:
    return PydanticCustomError("settings", "{what}", {"what": what, "right": right, **context})


def _tell_refusal(
    value: object, context: Mapping[str, object], written: str | None
) -> tuple[str, str]:
    what, right = str(context["what"]), str(context["right"])
    return (what if context.get("is_secret") else f"{show(value, written)} {what}"), right


def _suggest_key(key: str, model: type[BaseModel] | None, homes: Mapping[str, str]) -> str:
    known: Iterable[str] = model.model_fields if model else ()
    close = difflib.get_close_matches(key.replace("-", "_").lower(), known, n=1, cutoff=0.75)
    if close:
        return f"Did you mean {close[0]}?"
    if key in homes:
        return f"It belongs under {homes[key]}"
    return f"The keys here are {', '.join(known)}"
