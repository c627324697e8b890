"""The knobs of the Truto resource: described once, bounded, and resolved to plain values.

A knob that nobody turned is None here and takes its value from the next place that has one. What
applies to groups and accounts rather than to talking to Truto is sections.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from truto_groups.settings.mistakes import make_error
from truto_groups.settings.pydantic_errors import (
    Origin,
    find_mistakes,
    find_schema,
    list_choices,
)
from truto_groups.settings.validators import BaseUrl, Section, VariableName

DEFAULT_BASE_URL = "https://api.truto.one"
DEFAULT_TOKEN_VARIABLE = "TRUTO_API_TOKEN"  # noqa: S105  (a variable's name)


@dataclass(frozen=True)
class EffectiveKnobs:
    """Every knob with the value that holds; the defaults are those of an untouched installation."""

    base_url: str = DEFAULT_BASE_URL
    token_variable: str = DEFAULT_TOKEN_VARIABLE
    page_size: int = 100
    accounts_at_once: int = 16
    requests_at_once_per_account: int = 4
    requests_per_10_seconds: int = 500
    requests_per_10_seconds_per_account: int = 50
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 60
    retry_attempts: int = 6
    retry_seconds: float = 300
    max_pages: int = 10_000


PageSize = Annotated[int, Field(ge=1, le=10_000)]
RequestsAtOncePerAccount = Annotated[int, Field(ge=0, le=1_000)]
RequestsPer10SecondsPerAccount = Annotated[int, Field(ge=0, le=100_000)]
MaxPages = Annotated[int, Field(ge=0, le=100_000_000)]


class TrutoKnobs(Section):
    """The knobs as someone set them: the fields of the resource, or ``truto:`` in the file."""

    base_url: BaseUrl | None = Field(
        default=None,
        description="Where Truto is: https, or http on this machine. Not set: the variable "
        "TRUTO_BASE_URL, then the settings file",
    )
    token_variable: VariableName | None = Field(
        default=None,
        description="Name of the environment variable that holds the API token; never the token "
        "itself",
    )
    page_size: PageSize | None = Field(default=None, description="Groups asked for in one page")
    accounts_at_once: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="Integrated accounts synced at the same time in one run"
    )
    requests_at_once_per_account: RequestsAtOncePerAccount | None = Field(
        default=None,
        description="Requests open at the same time for one integrated account; 0: no ceiling",
    )
    requests_per_10_seconds: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None,
        description="Requests that may start in any 10 seconds with the token, over all runs on "
        "this machine; Truto documents 500; 0: no ceiling",
    )
    requests_per_10_seconds_per_account: RequestsPer10SecondsPerAccount | None = Field(
        default=None,
        description="Requests that may start in any 10 seconds for one integrated account; 0: no "
        "ceiling",
    )
    connect_timeout_seconds: Annotated[float, Field(ge=0.1, le=600)] | None = Field(
        default=None, description="Seconds to wait for a connection"
    )
    read_timeout_seconds: Annotated[float, Field(ge=0.1, le=3_600)] | None = Field(
        default=None, description="Seconds to wait for the next bytes of an answer"
    )
    retry_attempts: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Attempts at one request, the first one included"
    )
    retry_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = Field(
        default=None, description="Seconds within which one request may be tried again"
    )
    max_pages: MaxPages | None = Field(
        default=None,
        description="Pages after which the sync of an account fails, as a guard against a list "
        "that never ends; 0: no ceiling",
    )


def describe_knob(name: str) -> str:
    """Describe a knob, with its unit, its bounds and its default."""
    bounds = list_choices(find_schema(TrutoKnobs, name))
    default = getattr(EffectiveKnobs, name)
    shown = default if isinstance(default, str) else f"{default:,}"
    sentences = [TrutoKnobs.model_fields[name].description or "", *bounds, f"Default: {shown}"]
    return " ".join(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in sentences)


def resolve_knobs(
    resource_fields: Mapping[str, object],
    *,
    section: TrutoKnobs | None = None,
    base_url: str | None = None,
) -> EffectiveKnobs:
    """Decide which value of each knob holds.

    Args:
        resource_fields: The Dagster resource's fields by knob name; None or missing is not set.
        section: The settings file's ``truto:`` section.
        base_url: ``TRUTO_BASE_URL`` as the environment gave it. It yields to the resource's field
            and wins over the file, so that one file serves Truto and the sandbox.

    Returns:
        The resource's field where it is set, else the file's value, else the default.

    Raises:
        SettingsError: A field of the resource is unknown or out of bounds.
    """
    try:
        from_resource = TrutoKnobs.model_validate(dict(resource_fields))
    except ValidationError as error:
        origin = Origin(resource_fields, lambda path: TrutoKnobs)
        raise make_error(find_mistakes(error, origin), source="The Truto resource") from None
    values: dict[str, Any] = {}
    for layer in (section, TrutoKnobs(base_url=base_url), from_resource):
        if layer is not None:
            values.update(layer.model_dump(exclude_none=True))
    return EffectiveKnobs(**values)
