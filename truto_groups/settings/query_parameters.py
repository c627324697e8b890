"""Which query parameters of List Groups Truto documents, by their names on the wire.

A table, no logic: whether a value fits is query.py's. A parameter whose name Truto does not
document is not here, but can be given under ``remote_query`` as the app knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

ParameterKind: TypeAlias = Literal[
    "text", "boolean", "choice", "instant", "commas", "array", "object", "conditions"
]


@dataclass(frozen=True)
class Parameter:
    """A documented query parameter of List Groups.

    Attributes:
        name: Its name on the wire.
        kind: What a value looks like.
        description: What it does, for people.
        choices: The only values of a ``choice``.
        can_fan_out: Whether a list of values means one listing for each, united. Only what narrows
            the list can: listing twice in two orders would unite to the same groups.
    """

    name: str
    kind: ParameterKind
    description: str
    choices: tuple[str, ...] = ()
    can_fan_out: bool = True


OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "like")

PARAMETERS: Mapping[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("organization_id", "text", "Only the groups of this organization of the app."),
        Parameter("workspace_id", "text", "Only the groups of this workspace of the app."),
        Parameter(
            "group_type",
            "choice",
            "Only the groups of this type.",
            choices=("department", "group", "product", "team"),
        ),
        Parameter("name", "text", "Only the groups of this name."),
        Parameter("description", "text", "Only the groups of this description."),
        Parameter("user_id", "text", "Only the groups of this user."),
        Parameter("is_group", "boolean", "Groups instead of projects, where the app has both."),
        Parameter("created_at", "instant", "Only the groups created then."),
        Parameter("updated_at", "instant", "Only the groups updated then."),
        Parameter(
            "sort_by",
            "choice",
            "The order of the list.",
            choices=("created_at", "id", "name"),
            can_fan_out=False,
        ),
        Parameter("filter", "text", "A SCIM filter expression, for apps read through SCIM."),
        Parameter("attributes", "commas", "SCIM: the only attributes to return."),
        Parameter("excludedAttributes", "commas", "SCIM: attributes to leave out."),
        Parameter("sortBy", "text", "SCIM: the attribute to sort by.", can_fan_out=False),
        Parameter(
            "sortOrder",
            "choice",
            "SCIM: the direction of the order.",
            choices=("ascending", "descending"),
            can_fan_out=False,
        ),
        Parameter("or", "conditions", "Conditions of which one must hold."),
        Parameter("and", "conditions", "Conditions that must all hold."),
        Parameter("remote_query", "object", "Parameters that the app gets as they are."),
        Parameter("truto_exclude_fields", "array", "Fields of the unified group to leave out."),
        Parameter(
            "truto_ignore_remote_data", "boolean", "Leaves remote_data out.", can_fan_out=False
        ),
        Parameter("truto_ignore_limit", "boolean", "Ignores the page size.", can_fan_out=False),
        Parameter(
            "truto_super_query",
            "choice",
            "Reads the store that Truto synced instead of the app.",
            choices=("apac", "wnam"),
            can_fan_out=False,
        ),
    )
}
"""Every parameter that the settings may give, by its wire name."""

ARRAY_PARAMETERS: frozenset[str] = frozenset(
    parameter.name for parameter in PARAMETERS.values() if parameter.kind in {"array", "conditions"}
)
"""Parameters that are arrays on the wire: a list of values is sent whole and never fans out."""

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
