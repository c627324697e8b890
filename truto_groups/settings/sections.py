"""The settings file as a typed tree: its sections, their keys, and what each value may be.

Every key is optional and None when it is not given; what holds for an account is
account_settings.py's.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from truto_groups.settings.knobs import (
    MaxPages,
    PageSize,
    RequestsAtOncePerAccount,
    RequestsPer10SecondsPerAccount,
    TrutoKnobs,
)
from truto_groups.settings.mistakes import KeyPath
from truto_groups.settings.query_parameters import Conditions, ListGroupsQuery
from truto_groups.settings.validators import (
    AccountId,
    Duration,
    EachOnce,
    KeptFor,
    PrivilegedPattern,
    PrivilegedWord,
    RemoteDataSetting,
    Section,
    Slug,
)

Complete: TypeAlias = Literal["auto", "always", "never"]
RemoteData: TypeAlias = Literal["all", "nothing"] | tuple[tuple[str, ...], ...]
"""What of ``remote_data`` is kept: everything, nothing, or what these paths of keys lead to."""

Share = Annotated[float, Field(ge=0, le=1)]


class DiscoverySettings(Section):
    """How accounts that are no longer listed are treated.

    Attributes:
        grace_period: How long an account that is gone keeps its data and its partition.
        max_missing_share: A listing that lacks more than this share of the known accounts is
            not believed.
    """

    grace_period: Duration = timedelta(days=7)
    max_missing_share: Share = 0.5


class HistorySettings(Section):
    """How long what only grows is kept.

    Attributes:
        runs_kept_for: Dagster's runs with their events and logs; what a partition's newest
            materialization or a check's newest evaluation came from stays longer.
        ledger_kept_for: Attempts in ``account_syncs``; each account's latest stay longer.
        snapshots_kept_for: States of a lake, for who reads one for long; no table needs them.
    """

    runs_kept_for: KeptFor = timedelta(days=30)
    ledger_kept_for: KeptFor = timedelta(days=365)
    snapshots_kept_for: KeptFor = timedelta(days=1)


class VolumeSection(Section):
    """How far the number of an account's groups may move from one sync to the next."""

    max_fall: Literal["auto"] | Share | None = None
    max_rise: Literal["auto"] | Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    hold_back: bool | None = None


class PrivilegedSection(Section):
    """Which groups are called privileged."""

    words: EachOnce[PrivilegedWord] | None = Field(default=None, examples=["[payroll, vault]"])
    patterns: EachOnce[PrivilegedPattern] | None = Field(
        default=None, examples=["['^prod-.*-write$']"]
    )
    ignore: EachOnce[PrivilegedWord] | None = Field(default=None, examples=["[product owner]"])
    use_default_words: bool | None = None


class AccountSection(Section):
    """What may stand under ``defaults``, an integration and an account alike."""

    refresh_every: Duration | None = None
    max_age: Duration | None = None
    skip: bool | None = None
    page_size: PageSize | None = None
    requests_at_once_per_account: RequestsAtOncePerAccount | None = None
    requests_per_10_seconds_per_account: RequestsPer10SecondsPerAccount | None = None
    max_pages: MaxPages | None = None
    remote_data: RemoteDataSetting | None = None
    private_values: bool | None = None
    complete: Complete | None = None
    volume: VolumeSection = Field(default_factory=VolumeSection)
    record_initial_sync: bool | None = None
    unmapped_limit: Share | None = None
    privileged: PrivilegedSection = Field(default_factory=PrivilegedSection)
    query: ListGroupsQuery = Field(default_factory=ListGroupsQuery)


class FileSections(Section):
    """The whole settings file."""

    truto: TrutoKnobs = Field(default_factory=TrutoKnobs)
    discovery: DiscoverySettings = Field(default_factory=DiscoverySettings)
    history: HistorySettings = Field(default_factory=HistorySettings)
    defaults: AccountSection = Field(default_factory=AccountSection)
    integrations: dict[Slug, AccountSection] = Field(default_factory=dict)
    accounts: dict[AccountId, AccountSection] = Field(default_factory=dict)


KEY_HOMES = {
    **dict.fromkeys(TrutoKnobs.model_fields, "truto"),
    **dict.fromkeys(VolumeSection.model_fields, "volume"),
    **dict.fromkeys(PrivilegedSection.model_fields, "privileged"),
    **dict.fromkeys(DiscoverySettings.model_fields, "discovery"),
    **dict.fromkeys(HistorySettings.model_fields, "history"),
    **dict.fromkeys(AccountSection.model_fields, "defaults, an integration or an account"),
}
"""Where a key belongs, for one that stands in the wrong place."""


def find_model(path: KeyPath) -> type[Section] | None:
    """Find which model describes the mapping at a path; None when its keys are free."""
    match tuple(key for key in path if isinstance(key, str)):
        case ():
            return FileSections
        case ("truto",):
            return TrutoKnobs
        case ("discovery",):
            return DiscoverySettings
        case ("history",):
            return HistorySettings
        case ("defaults", *inner) | ("integrations" | "accounts", _, *inner):
            return _ACCOUNT_MODELS.get(tuple(inner))
        case _:
            return None


_ACCOUNT_MODELS: Mapping[KeyPath, type[Section]] = {
    (): AccountSection,
    ("volume",): VolumeSection,
    ("privileged",): PrivilegedSection,
    ("query",): ListGroupsQuery,
    ("query", "created_at"): Conditions,
    ("query", "updated_at"): Conditions,
}


def may_be_empty(path: KeyPath) -> bool:
    """Whether a key without a value is fine: a section whose lines are all commented out."""
    return path in {("integrations",), ("accounts",)} or find_model(path) is not None
