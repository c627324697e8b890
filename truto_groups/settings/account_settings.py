"""What holds for one integrated account, after defaults, integration and account are laid over.

How often it is synced, what is asked for and kept, what is plausible, and what is privileged.

Pure: the file was read and checked elsewhere. Only the combination that depends on an account's
integration, which no file can know, is judged here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from truto_groups.errors import SettingsError
from truto_groups.settings.durations import format_duration
from truto_groups.settings.knobs import EffectiveKnobs, TrutoKnobs, resolve_knobs
from truto_groups.settings.mistakes import KeyPath, Mistake, make_error
from truto_groups.settings.query import QueryValue
from truto_groups.settings.sections import (
    AccountSection,
    Complete,
    DiscoverySettings,
    FileSections,
    HistorySettings,
    RemoteData,
)
from truto_groups.settings.validators import fold_account_name

_Layer: TypeAlias = tuple[KeyPath, AccountSection]

# What the resource says of all accounts, where the file says nothing of this one.
_KNOBS = (
    "page_size",
    "requests_at_once_per_account",
    "requests_per_10_seconds_per_account",
    "max_pages",
)


@dataclass(frozen=True)
class VolumeLimits:
    """How far the number of an account's groups may move from one sync to the next.

    Attributes:
        max_fall: Share of the groups that may be missing, 0 to 1; None: judged by the account's
            own history.
        max_rise: Growth that is plausible, 1.0 being twice as many; None as above.
        hold_back: Whether a sync beyond the limits is held back; else it publishes and warns.
    """

    max_fall: float | None = None
    max_rise: float | None = None
    hold_back: bool = True


@dataclass(frozen=True)
class PrivilegedSettings:
    """Which groups are called privileged.

    Attributes:
        words: Words and phrases in a name that say so.
        patterns: Regular expressions of names that say so.
        ignore: Words and phrases in which such a word says nothing.
        use_default_words: Whether these add to the default words, or replace them.
    """

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    use_default_words: bool = True


@dataclass(frozen=True)
class AccountSettings:
    """Everything that holds for one integrated account; the defaults are those of no file at all.

    Attributes:
        refresh_every: How often the account is synced.
        max_age: When it is stale; above ``refresh_every``.
        skip: Never synced, only shown.
        page_size: Groups asked for in one page.
        requests_at_once_per_account: Requests open at the same time; 0: no ceiling.
        requests_per_10_seconds_per_account: Requests started in any 10 s; 0: no ceiling.
        max_pages: Pages after which a sync fails; 0: no ceiling.
        remote_data: What of ``remote_data`` is kept: everything, nothing, or these paths of keys.
        private_values: No example values in reports.
        complete: When each group is read through Get Group.
        volume: Limits on the number of groups.
        record_initial_sync: Whether the first sync's groups become rows of ``group_changes``.
        unmapped_limit: Share of groups whose type may be unmapped, 0 to 1.
        privileged: Which groups are called privileged.
        query: Parameters of List Groups by wire name; a list of values is listed once for each.
        digest: Hash of all of the above as the settings file gives it, the same in every run. The
            resource's own fields do not count, so that a program that has no resource at hand
            comes to the same digest.
    """

    refresh_every: timedelta = timedelta(hours=6)
    max_age: timedelta = timedelta(hours=24)
    skip: bool = False
    page_size: int = EffectiveKnobs.page_size
    requests_at_once_per_account: int = EffectiveKnobs.requests_at_once_per_account
    requests_per_10_seconds_per_account: int = EffectiveKnobs.requests_per_10_seconds_per_account
    max_pages: int = EffectiveKnobs.max_pages
    remote_data: RemoteData = "all"
    private_values: bool = False
    complete: Complete = "auto"
    volume: VolumeLimits = VolumeLimits()
    record_initial_sync: bool = False
    unmapped_limit: float = 0.0
    privileged: PrivilegedSettings = PrivilegedSettings()
    query: dict[str, QueryValue] = field(default_factory=dict[str, QueryValue])
    digest: str = ""

    def __post_init__(self) -> None:
        """Take the digest, unless it is handed on."""
        if not self.digest:
            content = {k: v for k, v in asdict(self).items() if k != "digest"}
            object.__setattr__(self, "digest", _digest(content))

    @property
    def answer_digest(self) -> str:
        """Hash of what decides how an answer looks; not of how often or how fast it is fetched."""
        return _digest({"query": self.query, "complete": self.complete})


@dataclass(frozen=True)
class Settings:
    """The settings file, read and checked.

    Attributes:
        sections: Its sections as typed.
        path: The file; None when there is none.
        lines: Line of each key path, for errors.
    """

    sections: FileSections = field(default_factory=FileSections)
    path: Path | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int], repr=False)
    # Laying over takes 50 µs, a copy 5; of 25,000 accounts most are of the same few sections.
    _laid_over: dict[tuple[Sequence[KeyPath], EffectiveKnobs | None], AccountSettings] = field(
        default_factory=dict[tuple[Sequence[KeyPath], EffectiveKnobs | None], AccountSettings],
        init=False,
        repr=False,
        compare=False,
    )

    @property
    def truto(self) -> TrutoKnobs:
        """The resource's knobs as the file sets them; None where it does not."""
        return self.sections.truto

    @property
    def discovery(self) -> DiscoverySettings:
        """How accounts that are no longer listed are treated."""
        return self.sections.discovery

    @property
    def history(self) -> HistorySettings:
        """How long runs and attempts are kept."""
        return self.sections.history

    @cached_property
    def digest(self) -> str:
        """Hash of all that the file says: other for another meaning, not for another order."""
        return _digest(self.sections.model_dump(exclude_none=True))

    def for_account(
        self,
        integrated_account_id: str,
        integration: str | None,
        *,
        partition_key: str = "",
        knobs: EffectiveKnobs | None = None,
    ) -> AccountSettings:
        """Lay what the file says of an account over its integration and the defaults.

        Args:
            integrated_account_id: Truto UUID.
            integration: Slug of its integration, in whatever case; None when it is not known.
            partition_key: Its key, by which the file may name it as well.
            knobs: The resource's, which give page size and ceilings that the file's account,
                integration and defaults leave open. By default those of the file's ``truto:``
                section.

        Returns:
            What holds, also where :meth:`find_mistake` finds that it cannot.
        """
        layers = self._find_layers(integrated_account_id, integration, partition_key)
        key = tuple(path for path, _ in layers), knobs
        found = self._laid_over.get(key)
        if found is None:
            found = self._laid_over[key] = self._lay_over(layers, knobs)
        return replace(found, query=deepcopy(found.query))

    def find_mistake(
        self, integrated_account_id: str, integration: str | None, *, partition_key: str = ""
    ) -> SettingsError | None:
        """Find what is wrong in what holds for an account of this integration.

        Only Truto knows the integration, so that a ``max_age`` that is not above ``refresh_every``
        for it cannot be refused when the file is read. It concerns this account alone.
        """
        layers = self._find_layers(integrated_account_id, integration, partition_key)
        mistake = _judge_ages(layers, self.lines)
        return make_error([mistake], source=str(self.path)) if mistake else None

    def find_impossible_ages(self) -> list[Mistake]:
        """Find the combinations of ``max_age`` and ``refresh_every`` that can never hold.

        An account's integration is not in the file. It is named here when no integration could
        make its combination possible; else :meth:`find_mistake` judges.
        """
        defaults: list[_Layer] = [(("defaults",), self.sections.defaults)]
        integrations: list[list[_Layer]] = [
            [*defaults, (("integrations", slug), section)]
            for slug, section in self.sections.integrations.items()
            if section.refresh_every or section.max_age
        ]
        found = [_judge_ages(layers, self.lines) for layers in [defaults, *integrations]]
        for account_id, section in self.sections.accounts.items():
            if section.refresh_every or section.max_age:
                account: _Layer = (("accounts", account_id), section)
                combinations = [[*layers, account] for layers in [defaults, *integrations]]
                judged = [_judge_ages(layers, self.lines) for layers in combinations]
                found.extend(judged[:1] if all(judged) else [])
        return [mistake for mistake in found if mistake]

    @cached_property
    def _knobs(self) -> EffectiveKnobs:
        return resolve_knobs({}, section=self.truto)

    @cached_property
    def _integrations(self) -> dict[str, _Layer]:
        return {
            slug.casefold(): (("integrations", slug), section)
            for slug, section in self.sections.integrations.items()
        }

    @cached_property
    def _accounts(self) -> dict[str, _Layer]:
        return {
            fold_account_name(name): (("accounts", name), section)
            for name, section in self.sections.accounts.items()
        }

    def _lay_over(self, layers: Sequence[_Layer], knobs: EffectiveKnobs | None) -> AccountSettings:
        given: dict[str, Any] = {}
        volume: dict[str, Any] = {}
        privileged: dict[str, Any] = {}
        query: dict[str, Any] = {}
        for _, section in layers:
            given.update((name, getattr(section, name)) for name in section.model_fields_set)
            volume.update(section.volume.model_dump(exclude_none=True))
            privileged.update(section.privileged.model_dump(exclude_none=True))
            query.update(section.query.model_dump(exclude_none=True))
        given["volume"] = VolumeLimits(
            **{name: value for name, value in volume.items() if value != "auto"}
        )
        for name in privileged.keys() & {"words", "patterns", "ignore"}:
            privileged[name] = tuple(privileged[name])
        given["privileged"] = PrivilegedSettings(**privileged)
        given["query"] = query
        from_file = self._knobs
        left_open = [name for name in _KNOBS if name not in given]
        given.update((name, getattr(from_file, name)) for name in left_open)
        settings = AccountSettings(**given)
        if knobs is None or not left_open:
            return settings
        turned: dict[str, Any] = {name: getattr(knobs, name) for name in left_open}
        return replace(settings, **turned)

    def _find_layers(
        self, integrated_account_id: str, integration: str | None, partition_key: str
    ) -> list[_Layer]:
        layers: list[_Layer] = [(("defaults",), self.sections.defaults)]
        found = self._integrations.get((integration or "").casefold())
        if found:
            layers.append(found)
        for name in (partition_key, integrated_account_id):
            account = self._accounts.get(fold_account_name(name))
            if account:
                layers.append(account)
        return layers


def _judge_ages(layers: Sequence[_Layer], lines: Mapping[KeyPath, int]) -> Mistake | None:
    refresh_every, refresh_path = AccountSettings.refresh_every, None
    max_age, age_path = AccountSettings.max_age, None
    for path, section in layers:
        if section.refresh_every is not None:
            refresh_every, refresh_path = section.refresh_every, (*path, "refresh_every")
        if section.max_age is not None:
            max_age, age_path = section.max_age, (*path, "max_age")
    if max_age > refresh_every:
        return None
    # The narrower of the two is the one that a person just wrote.
    order = [path for path, _ in layers]
    paths = [path for path in (age_path, refresh_path) if path]
    at = max(paths, key=lambda path: order.index(path[:-1]))
    what = (
        f"max_age {format_duration(max_age)} ({_tell_origin(age_path, lines)}) is not above "
        f"refresh_every {format_duration(refresh_every)} ({_tell_origin(refresh_path, lines)})"
    )
    right = (
        f"Set a max_age above {format_duration(refresh_every)}, or a refresh_every below "
        f"{format_duration(max_age)}"
    )
    return Mistake(lines.get(at, 0), at, what, right)


def _tell_origin(path: KeyPath | None, lines: Mapping[KeyPath, int]) -> str:
    return f"line {lines.get(path, 0)}" if path else "the default"


def _digest(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_as_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"no plain form of {type(value).__name__}")
