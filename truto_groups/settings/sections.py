"""The settings file as a typed tree: its sections, their keys, and what each value may be.

Every key is optional and None when it is not given; what holds for an account is
account_settings.py's.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from truto_groups.settings.knobs import (
    MaxPages,
    PageSize,
    RequestsAtOncePerAccount,
    RequestsPer10SecondsPerAccount,
    TrutoKnobs,
)
from truto_groups.settings.mistakes import KeyPath
from truto_groups.settings.validators import (
    account_id,
    duration,
    flag,
    integration_slug,
    number,
    number_or_auto,
    one_of,
    remote_data_paths,
)

Complete = Literal["auto", "always", "never"]
RemoteData = Literal["all", "nothing"] | tuple[tuple[str, ...], ...]
"""What of ``remote_data`` is kept: everything, nothing, or what these paths of keys lead to."""

Duration = Annotated[timedelta, duration()]
Flag = Annotated[bool, flag()]
AccountId = Annotated[str, account_id()]
Slug = Annotated[str, integration_slug()]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DiscoverySettings(_Section):
    """How accounts that are no longer listed are treated.

    Attributes:
        grace_period: How long an account that is gone keeps its data and its partition.
        max_missing_share: A listing that lacks more than this share of the known accounts is
            not believed.
    """

    grace_period: Duration = timedelta(days=7)
    max_missing_share: Annotated[float, number(0, 1)] = 0.5


class VolumeSection(_Section):
    """How far the number of an account's groups may move from one sync to the next."""

    max_fall: Annotated[float | Literal["auto"], number_or_auto(0, 1)] | None = None
    max_rise: Annotated[float | Literal["auto"], number_or_auto(0, 1_000_000)] | None = None
    hold_back: Flag | None = None


class AccountSection(_Section):
    """What may stand under ``defaults``, an integration and an account alike."""

    refresh_every: Duration | None = None
    max_age: Duration | None = None
    skip: Flag | None = None
    page_size: PageSize | None = None
    requests_at_once_per_account: RequestsAtOncePerAccount | None = None
    requests_per_10_seconds_per_account: RequestsPer10SecondsPerAccount | None = None
    max_pages: MaxPages | None = None
    remote_data: Annotated[RemoteData, remote_data_paths()] | None = None
    private_values: Flag | None = None
    complete: Annotated[Complete, one_of("auto", "always", "never")] | None = None
    volume: VolumeSection = VolumeSection()
    record_initial_sync: Flag | None = None
    unmapped_limit: Annotated[float, number(0, 1)] | None = None
    query: dict[str, object] = Field(default_factory=dict)


class FileSections(_Section):
    """The whole settings file."""

    truto: TrutoKnobs = TrutoKnobs()
    discovery: DiscoverySettings = DiscoverySettings()
    defaults: AccountSection = AccountSection()
    integrations: dict[Slug, AccountSection] = Field(default_factory=dict)
    accounts: dict[AccountId, AccountSection] = Field(default_factory=dict)


KEY_HOMES = {
    **dict.fromkeys(TrutoKnobs.model_fields, "truto"),
    **dict.fromkeys(VolumeSection.model_fields, "volume"),
    **dict.fromkeys(DiscoverySettings.model_fields, "discovery"),
    **dict.fromkeys(AccountSection.model_fields, "defaults, an integration or an account"),
}
"""Where a key belongs, for one that stands in the wrong place."""


def find_model(path: KeyPath) -> type[BaseModel] | None:
    """Find which model describes the mapping at a path; None when its keys are free."""
    match path:
        case ():
            return FileSections
        case ("truto",):
            return TrutoKnobs
        case ("discovery",):
            return DiscoverySettings
        case ("defaults",) | ("integrations" | "accounts", _):
            return AccountSection
        case ("defaults", "volume") | ("integrations" | "accounts", _, "volume"):
            return VolumeSection
        case _:
            return None


def may_be_empty(path: KeyPath) -> bool:
    """Whether a key without a value is fine: a section whose lines are all commented out."""
    return (
        path in {("integrations",), ("accounts",)}
        or find_model(path) is not None
        or path[-1:] == ("query",)
    )
