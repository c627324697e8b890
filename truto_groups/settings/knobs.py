"""The knobs of the Truto resource: described once, bounded, and resolved to plain values.

A knob that nobody turned is None here and takes its value from the next place that has one. What
applies to groups and accounts rather than to talking to Truto is sections.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from truto_groups.settings.mistakes import make_error
from truto_groups.settings.validators import (
    find_mistakes,
    number,
    truto_url,
    variable_name,
    whole_number,
)

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


PageSize = Annotated[int, whole_number(1, 10_000)]
RequestsAtOncePerAccount = Annotated[int, whole_number(0, 1_000)]
RequestsPer10SecondsPerAccount = Annotated[int, whole_number(0, 100_000)]
MaxPages = Annotated[int, whole_number(0, 100_000_000)]


class TrutoKnobs(BaseModel):
    """The knobs as someone set them: the fields of the resource, or ``truto:`` in the file.

    ``TrutoKnobs.model_fields[name].description`` describes a knob, with its unit and default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: Annotated[str, truto_url()] | None = Field(
        default=None,
        description=(
            "Where Truto is: https, or http on this machine. Not set: the variable TRUTO_BASE_URL, "
            f"then the settings file, then {EffectiveKnobs.base_url}."
        ),
    )
    token_variable: Annotated[str, variable_name()] | None = Field(
        default=None,
        description=(
            "Name of the environment variable that holds the API token; never the token itself. "
            f"Default: {EffectiveKnobs.token_variable}."
        ),
    )
    page_size: PageSize | None = Field(
        default=None,
        description=(
            f"Groups asked for in one page, 1 to 10,000. Default: {EffectiveKnobs.page_size}."
        ),
    )
    accounts_at_once: Annotated[int, whole_number(1, 1_000)] | None = Field(
        default=None,
        description=(
            "Integrated accounts synced at the same time in one run, 1 to 1,000. "
            f"Default: {EffectiveKnobs.accounts_at_once}."
        ),
    )
    requests_at_once_per_account: RequestsAtOncePerAccount | None = Field(
        default=None,
        description=(
            "Requests open at the same time for one integrated account; 0: no ceiling. "
            f"Default: {EffectiveKnobs.requests_at_once_per_account}."
        ),
    )
    requests_per_10_seconds: Annotated[int, whole_number(0, 1_000_000)] | None = Field(
        default=None,
        description=(
            "Requests that may start in any 10 seconds with the token, over all runs on this "
            "machine; 0: no ceiling. "
            f"Default: {EffectiveKnobs.requests_per_10_seconds}, which Truto documents."
        ),
    )
    requests_per_10_seconds_per_account: RequestsPer10SecondsPerAccount | None = Field(
        default=None,
        description=(
            "Requests that may start in any 10 seconds for one integrated account; 0: no ceiling. "
            f"Default: {EffectiveKnobs.requests_per_10_seconds_per_account}."
        ),
    )
    connect_timeout_seconds: Annotated[float, number(0.1, 600)] | None = Field(
        default=None,
        description=(
            "Seconds to wait for a connection, 0.1 to 600. "
            f"Default: {EffectiveKnobs.connect_timeout_seconds:g}."
        ),
    )
    read_timeout_seconds: Annotated[float, number(0.1, 3_600)] | None = Field(
        default=None,
        description=(
            "Seconds to wait for the next bytes of an answer, 0.1 to 3,600. "
            f"Default: {EffectiveKnobs.read_timeout_seconds:g}."
        ),
    )
    retry_attempts: Annotated[int, whole_number(1, 100)] | None = Field(
        default=None,
        description=(
            "Attempts at one request, the first one included, 1 to 100. "
            f"Default: {EffectiveKnobs.retry_attempts}."
        ),
    )
    retry_seconds: Annotated[float, number(0, 86_400)] | None = Field(
        default=None,
        description=(
            "Seconds within which one request may be tried again, 0 to 86,400. "
            f"Default: {EffectiveKnobs.retry_seconds:g}."
        ),
    )
    max_pages: MaxPages | None = Field(
        default=None,
        description=(
            "Pages after which the sync of an account fails, as a guard against a list that never "
            f"ends; 0: no ceiling. Default: {EffectiveKnobs.max_pages:,}."
        ),
    )


def describe_knob(name: str) -> str:
    """Give a knob's description, with its unit and default."""
    return TrutoKnobs.model_fields[name].description or ""


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
        raise make_error(
            find_mistakes(error, models=lambda path: TrutoKnobs), source="The Truto resource"
        ) from None
    values: dict[str, Any] = {}
    for layer in (section, TrutoKnobs(base_url=base_url), from_resource):
        if layer is not None:
            values.update(layer.model_dump(exclude_none=True))
    return EffectiveKnobs(**values)
