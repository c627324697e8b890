"""Which query parameters of List Groups Truto documents, by their names on the wire.

What a value may be is query.py's. A parameter whose name Truto does not document is not here, but
can be given under ``remote_query`` as the app knows it. Truto drops a parameter that it does not
know without a word, so a misspelt filter would list everything: hence nothing unknown is let
through.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_origin

from pydantic import BeforeValidator, Discriminator, Field, Tag

from truto_groups.settings.query import (
    Commas,
    CommasWithoutId,
    Date,
    FanOut,
    FieldName,
    JsonObject,
    Single,
    Text,
    Values,
)
from truto_groups.settings.validators import Section, refuse


def _parameter(description: str = "", *, alias: str | None = None, example: str = "") -> Any:
    return Field(
        default=None,
        alias=alias,
        description=description or None,
        examples=[example] if example else None,
    )


class Conditions(Section):
    """Operators on an instant, all of which must hold."""

    eq: Date = _parameter()
    ne: Date = _parameter()
    gt: Date = _parameter()
    gte: Date = _parameter()
    lt: Date = _parameter()
    lte: Date = _parameter()
    in_: Values[Date] = _parameter(alias="in", example="[2025-01-31]")
    nin: Values[Date] = _parameter(example="[2025-01-31]")
    like: Text = _parameter()

    @classmethod
    def tell_unknown(cls, key: str) -> tuple[str, str]:
        """Say which operators there are."""
        return "is no operator", cls.tell_right()

    @classmethod
    def tell_right(cls) -> str:
        """Say how conditions are written."""
        return f"Write one of {', '.join(cls.list_keys())}, such as {{gte: 2025-01-31}}"


def _check_any(value: object) -> object:
    if value == {}:
        raise refuse("is an empty mapping", Conditions.tell_right())
    return value


def _tell_mappings_apart(value: object) -> str:  # as given, or as read, when it is written
    return "[conditions]" if isinstance(value, dict | Conditions) else "[date]"


Instant = Annotated[
    Annotated[Date, Tag("[date]")] | Annotated[Conditions, Tag("[conditions]")],
    Discriminator(_tell_mappings_apart),
    BeforeValidator(_check_any),
]
_Direction = Literal["ascending", "descending"]


class ListGroupsQuery(Section):
    """Every documented parameter that the settings may give."""

    organization_id: FanOut[Text] = _parameter("Only the groups of this organization of the app.")
    workspace_id: FanOut[Text] = _parameter("Only the groups of this workspace of the app.")
    group_type: FanOut[Literal["department", "group", "product", "team"]] = _parameter(
        "Only the groups of this type."
    )
    name: FanOut[Text] = _parameter("Only the groups of this name.")
    description: FanOut[Text] = _parameter("Only the groups of this description.")
    user_id: FanOut[Text] = _parameter("Only the groups of this user.")
    is_group: FanOut[bool] = _parameter("Groups instead of projects, where the app has both.")
    created_at: FanOut[Instant] = _parameter("Only the groups created then.")
    updated_at: FanOut[Instant] = _parameter("Only the groups updated then.")
    sort_by: Single[Literal["created_at", "id", "name"]] = _parameter("The order of the list.")
    filter: FanOut[Text] = _parameter("A SCIM filter expression, for apps read through SCIM.")
    attributes: Commas = _parameter("SCIM: the only attributes to return.")
    excludedAttributes: CommasWithoutId = _parameter("SCIM: attributes to leave out.")  # noqa: N815
    sortBy: Single[Text] = _parameter("SCIM: the attribute to sort by.")  # noqa: N815
    sortOrder: Single[_Direction] = _parameter("SCIM: the direction of the order.")  # noqa: N815
    or_: Values[JsonObject] = _parameter(
        "Conditions of which one must hold.", alias="or", example="[{name: …}, {name: …}]"
    )
    and_: Values[JsonObject] = _parameter(
        "Conditions that must all hold.", alias="and", example="[{name: …}, {name: …}]"
    )
    remote_query: JsonObject = _parameter("Parameters that the app gets as they are.")
    truto_exclude_fields: Values[FieldName] = _parameter(
        "Fields of the unified group to leave out.", example="[description]"
    )
    truto_ignore_remote_data: Single[bool] = _parameter("Leaves remote_data out.")
    truto_ignore_limit: Single[bool] = _parameter("Ignores the page size.")
    truto_super_query: Single[Literal["apac", "wnam"]] = _parameter(
        "Reads the store that Truto synced instead of the app."
    )

    @classmethod
    def tell_unknown(cls, key: str) -> tuple[str, str]:
        """Say why a parameter cannot be sent, and how it could."""
        if key in REFUSED_PARAMETERS:
            return "would break the sync", REFUSED_PARAMETERS[key]
        return "is no documented parameter of List Groups", _advise_on_unknown(key)


PARAMETERS = tuple(ListGroupsQuery.list_keys())
"""Every parameter that the settings may give, by its wire name."""

ARRAY_PARAMETERS = frozenset(
    field.alias or name
    for name, field in ListGroupsQuery.model_fields.items()
    if get_origin(field.annotation) is list
)
"""Parameters that are arrays on the wire: a list of values is sent whole and never fans out."""

FREE_PARAMETERS = frozenset({"remote_query", "or", "and"})
"""Parameters whose values may be of any type: what is below them is sent as it is written."""

REFUSED_PARAMETERS: Mapping[str, str] = {
    "integrated_account_id": "Leave it out: each account is asked for by its own id",
    "limit": "Leave it out and set truto.page_size instead",
    "next_cursor": "Leave it out: every sync starts at the first page and follows all others",
    "truto_response_format": "Leave it out: the tables are made of the unified format",
    "truto_key_by": "Leave it out: it folds groups that share a key into one",
    "truto_skip_api_call": "Leave it out: without the call to the app there are no groups",
    "truto_body_passthrough": "Leave it out: it concerns writes, and a list sends no body",
}
"""Documented parameters that would break a sync, each with what to do instead."""


def find_place(name: str) -> tuple[str, ...]:
    """Find where below ``query`` a parameter can be given, be it documented or not."""
    return (name,) if name in PARAMETERS else ("remote_query", name)


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
