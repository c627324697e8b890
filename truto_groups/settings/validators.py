"""What a mapping and a value may be, where pydantic's own types do not say it.

What is refused here brings its own words along; those for what pydantic refuses stand in
pydantic_errors.py.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from truto_groups.settings.addresses import normalize_base_url
from truto_groups.settings.durations import parse_duration
from truto_groups.settings.mistakes import KeyPath
from truto_groups.settings.patterns import check_pattern, find_pattern

T = TypeVar("T")
S = TypeVar("S", bound=Sequence[object])

Refusal: TypeAlias = tuple[KeyPath, str, str]
"""Where inside a value something is wrong, what, and what would be right."""

_SEGMENT = re.compile(r"[^\x00-\x1f\x7f\s\"\\*\[\]]([^\x00-\x1f\x7f\"\\*\[\]]*\S)?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}", re.ASCII)


class Section(BaseModel):
    """A mapping in the settings: no other keys, no guessing at types, no change afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        serialize_by_alias=True,
        defer_build=True,  # a command that reads no settings starts 40 ms sooner
    )

    @classmethod
    def list_keys(cls) -> list[str]:
        """List its keys as they are written."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def tell_unknown(cls, key: str) -> tuple[str, str] | None:
        """Say what is wrong with a key that it does not have, and what would be right.

        None: what is said of such a key anywhere.
        """
        return None


def refuse(what: str, right: str) -> PydanticCustomError:
    """Make what a validator raises.

    Args:
        what: What is wrong; ``{value}`` in it becomes the value, which may be a secret without.
        right: What would be right.
    """
    return PydanticCustomError("refused", "{what}", {"what": what, "right": right})


def refuse_each(refusals: Iterable[Refusal]) -> None:
    """Raise several refusals at once; nothing when there are none."""
    found = [
        InitErrorDetails(type=refuse(what, right), loc=path, input=None)
        for path, what, right in refusals
    ]
    if found:
        raise ValidationError.from_exception_data("settings", found)


def _read_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if type(value) is int and value > 0:
        right = f"Write {value}s if seconds are meant, else 30m, 6h"
        raise refuse("{value} has no unit", right)
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except ValueError as error:
        right = "Write a whole number and its unit, such as 90s, 30m, 6h or 7d, up to 3650d"
        raise refuse(f"{{value}} {error}", right) from None


def _check_kept_for(value: timedelta) -> timedelta:
    # What a sensor has not seen yet, such as the end of a run, must still be there.
    if value < timedelta(days=1):
        raise refuse("{value} is shorter than a day", "Write 24h or more, such as 30d")
    return value


def _read_base_url(value: object) -> str:
    try:
        return normalize_base_url(value if isinstance(value, str) else "")
    except ValueError as error:
        right = "Write a URL such as https://api.truto.one; http:// is for this machine only"
        raise refuse(str(error), right) from None


def _check_variable_name(value: object) -> object:
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    right = "Write the variable's name in capitals, such as TRUTO_API_TOKEN, not the token"
    raise refuse("is no name of a variable", right)


def _check_account_id(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise refuse("is no id of an account", "Write letters, digits and _ . : - only")
    return key


def fold_account_name(name: str) -> str:
    """Bring the name of an account into the form in which two spellings of one id are the same."""
    return name.lower() if _UUID.fullmatch(name) else name


def _check_slug(key: str) -> str:
    if _UUID.fullmatch(key):
        raise refuse("is the id of an account, not an integration", "Move it to accounts")
    if not _KEY.fullmatch(key):
        raise refuse("is no name of an integration", "Write letters, digits and _ . : - only")
    return key


def _check_each_once(values: S) -> S:
    refuse_each(
        ((index,), "{value} stands twice", "Give each value once")
        for index, value in enumerate(values)
        if value in values[:index]
    )
    return values


def _check_remote_data(value: object) -> object:
    if value == []:
        raise refuse("{value} is an empty list", "Write nothing if nothing is to be kept")
    if value in ("all", "nothing") or isinstance(value, list):
        return cast(object, value)
    right = "Write all, nothing, or a list of paths such as [profile.name, type]"
    raise refuse("{value} is neither all, nothing nor a list", right)


def _read_path(path: object) -> tuple[str, ...]:
    if isinstance(path, list):
        keys = cast(list[object], path)
        if keys and all(isinstance(key, str) and key for key in keys):
            return tuple(cast(list[str], keys))
        right = 'Write keys, such as ["urn:scim:2.0:Group", name]; one of digits wants quotes'
        raise refuse("{value} is no list of keys", right)
    segments = path.split(".") if isinstance(path, str) else [""]
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        right = (
            "Write names with dots between them, such as profile.name, or a list of keys, such as "
            '["a.b", name]; arrays are whole'
        )
        raise refuse("{value} is no dotted path", right)
    return tuple(segments)


def _check_word(word: str) -> str:
    if not any(letter.isalnum() for letter in word):
        raise refuse("{value} holds no letter", "Write a word or a phrase, such as payroll")
    return word


def _check_pattern(pattern: str) -> str:
    try:
        check_pattern(pattern)
    except ValueError as error:
        right = "Write one such as '^prod-.*-write$', in single quotes; a plain word goes to words"
        raise refuse(f"{{value}} is no regular expression ({error})", right) from None
    if find_pattern(pattern, ""):
        right = "Write at least one letter that must be there"
        raise refuse("{value} is found in every name", right)
    return pattern


def _tell_lists_apart(value: object) -> str:  # as given, or as read, when it is written
    return "[list]" if isinstance(value, list | tuple) else "[one]"


Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
"""A number and its unit, or one that is typed already."""

KeptFor = Annotated[Duration, AfterValidator(_check_kept_for)]
"""How long history is kept: a duration of a day or more."""

BaseUrl = Annotated[str, BeforeValidator(_read_base_url)]
"""Truto's base URL, brought into its one form."""

VariableName = Annotated[str, BeforeValidator(_check_variable_name)]
"""In capitals, so that a token typed here is noticed."""

AccountId = Annotated[str, AfterValidator(_check_account_id)]
"""A key: an account's id or partition key; one that no listing has is told by unused.py."""

Slug = Annotated[str, AfterValidator(_check_slug)]
"""A key: the name of an integration."""

PrivilegedWord = Annotated[str, Field(max_length=200), AfterValidator(_check_word)]
"""A word or a phrase in the name of a group."""

PrivilegedPattern = Annotated[str, Field(max_length=1000), AfterValidator(_check_pattern)]
"""A regular expression that is searched in the name of a group."""

EachOnce = Annotated[list[T], AfterValidator(_check_each_once)]
"""A list without repetitions."""

OneOrList = Annotated[
    Annotated[T, Tag("[one]")] | Annotated[S, Tag("[list]")], Discriminator(_tell_lists_apart)
]
"""Either of two types, of which the second alone is a list: mistakes are told of the one meant."""

RemoteDataPath = Annotated[tuple[str, ...], BeforeValidator(_read_path)]
"""A path of keys: dotted, or a list where a key holds a dot."""

RemoteDataSetting = Annotated[
    OneOrList[
        Literal["all", "nothing"],
        Annotated[
            tuple[RemoteDataPath, ...], Field(strict=False), AfterValidator(_check_each_once)
        ],
    ],
    BeforeValidator(_check_remote_data),
]
"""``all``, ``nothing``, or a list of paths inside ``remote_data``."""
