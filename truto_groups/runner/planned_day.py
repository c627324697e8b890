"""What the coming day asks of Truto, and what other settings would alter: read from the database.

No token, no request, no Dagster. The rules are accounts/outlook.py's.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.outlook import (
    Demand,
    Load,
    RequestCeilings,
    SettingsEffect,
    becomes_due,
    count_requests_a_day,
    estimate_requests,
    find_demands,
    find_newly_stale,
    sum_up,
    sum_up_by_hour,
    sum_up_by_integration,
)
from truto_groups.accounts.planning import REFRESH_TICK
from truto_groups.runner.reading_session import open_reading_session
from truto_groups.session import Session
from truto_groups.settings import AccountSettings, find_unused_settings, read_environment
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.ledger_table import read_request_counts
from truto_groups.warehouse.snapshot import reading_snapshot

# Each is told of its own, or tells nothing.
_UNTOLD = ("digest",)
_MOST_TOLD = 20


@dataclass(frozen=True)
class OtherSettings:
    """What a changed settings file would alter.

    Attributes:
        path: The file.
        effects: One entry for each account for which something else would hold.
        ceiling: Requests of the token in ten seconds: now, and with the file.
        general: What would hold otherwise of no account alone, by its name in the file: now, and
            with it.
        day_then: What the coming day would ask for.
        mistakes: What is wrong in it for accounts that are known, each with its line.
        unused: What stands in it for accounts and integrations that are not.
    """

    path: Path
    effects: Sequence[SettingsEffect]
    ceiling: tuple[int, int]
    general: Mapping[str, tuple[object, object]]
    day_then: Load
    mistakes: Sequence[str]
    unused: Sequence[str]


@dataclass(frozen=True)
class Outlook:
    """What the coming day asks for.

    Attributes:
        now: Aware UTC instant from which it is reckoned.
        day: All of it.
        hours: By hour.
        integrations: By integration.
        slowest: The account whose sync takes the longest by its own ceiling; None without any.
        ceiling: Requests of the token in ten seconds; 0: as many as can.
        account_count: How many accounts are known.
        other: What a changed settings file would alter; None where none was given.
    """

    now: datetime
    day: Load
    hours: Sequence[Load]
    integrations: Sequence[Load]
    slowest: Demand | None
    ceiling: int
    account_count: int
    other: OtherSettings | None = None


def read_outlook(settings_path: Path | None, *, cwd: Path) -> Outlook:
    """Read what is due within a day, and what other settings would alter.

    Args:
        settings_path: A changed settings file, or None.
        cwd: Where to look for the project.

    Raises:
        SettingsError: A variable, the settings file or the changed one is wrong.
        DatabaseError: The database cannot be read.
    """
    environment = read_environment(os.environ, cwd=cwd)
    # The changed one first: what is wrong in it is told whatever the database says.
    then = open_reading_session(environment, settings_path) if settings_path else None
    session = open_reading_session(environment, environment.settings_path)
    with reading_snapshot(session.database) as connection:
        accounts = read_known_accounts(connection)
        counted = read_request_counts(connection)
    now = session.clock()
    requests_of = estimate_requests(accounts, counted)
    demands = _find_demands(session, accounts, requests_of, counted, now=now)
    other = None
    if then is not None and settings_path is not None:
        requests_then = _turn_requests(session, then, requests_of)
        other = OtherSettings(
            path=settings_path,
            effects=_compare(session, then, accounts, requests_of, requests_then, now=now),
            ceiling=(session.knobs.requests_per_10_seconds, then.knobs.requests_per_10_seconds),
            general=_compare_general(session, then),
            day_then=sum_up(_find_demands(then, accounts, requests_then, counted, now=now)),
            mistakes=_find_mistakes(then, accounts),
            unused=find_unused_settings(
                then.settings,
                account_names={
                    name for account in accounts for name in (account.id, account.partition_key)
                },
                integrations={account.integration for account in accounts},
            ),
        )
    return Outlook(
        now=now,
        day=sum_up(demands),
        hours=sum_up_by_hour(demands, now=now),
        integrations=sum_up_by_integration(demands),
        slowest=max(demands, key=lambda demand: demand.sync_time, default=None),
        ceiling=session.knobs.requests_per_10_seconds,
        account_count=len(accounts),
        other=other,
    )


def _find_demands(
    session: Session,
    accounts: Sequence[KnownAccount],
    requests_of: Callable[[KnownAccount], int],
    counted: Mapping[str, int],
    *,
    now: datetime,
) -> list[Demand]:
    def ceilings_of(account: KnownAccount) -> RequestCeilings:
        own = session.settings_for(account).requests_per_10_seconds_per_account
        return RequestCeilings(session.knobs.requests_per_10_seconds, own)

    return find_demands(
        accounts,
        pace_of=session.pace_of,
        requests_of=requests_of,
        is_counted=lambda account: account.id in counted,
        ceilings_of=ceilings_of,
        now=now,
        next_tick=REFRESH_TICK,
    )


def _compare(
    session: Session,
    then: Session,
    accounts: Sequence[KnownAccount],
    requests_of: Callable[[KnownAccount], int],
    requests_then: Callable[[KnownAccount], int],
    *,
    now: datetime,
) -> list[SettingsEffect]:
    stale = find_newly_stale(
        accounts, max_age_of=session.max_age_of, max_age_then=then.max_age_of, now=now
    )
    effects: list[SettingsEffect] = []
    for account in accounts:
        changes = _find_changes(session.settings_for(account), then.settings_for(account))
        if not changes:
            continue
        pace, pace_then = session.pace_of(account), then.pace_of(account)
        effects.append(
            SettingsEffect(
                account=account,
                changes=changes,
                requests_a_day=count_requests_a_day(
                    account, pace=pace, requests=requests_of(account), next_tick=REFRESH_TICK
                ),
                requests_a_day_then=count_requests_a_day(
                    account, pace=pace_then, requests=requests_then(account), next_tick=REFRESH_TICK
                ),
                is_synced_at_once=becomes_due(
                    account, pace=pace, pace_then=pace_then, now=now, next_tick=REFRESH_TICK
                ),
                is_stale_then=account.id in stale,
            )
        )
    return effects


def _compare_general(session: Session, then: Session) -> Mapping[str, tuple[object, object]]:
    """What is no account's: how to talk to Truto, who is gone, how long history is kept."""
    of_accounts = {field.name for field in fields(AccountSettings)}
    pairs = {
        f"truto.{field.name}": (getattr(session.knobs, field.name), getattr(then.knobs, field.name))
        for field in fields(session.knobs)
        if field.name not in {*of_accounts, "requests_per_10_seconds"}
    }
    for section in ("discovery", "history"):
        now: dict[str, object] = getattr(session.settings, section).model_dump()
        changed: dict[str, object] = getattr(then.settings, section).model_dump()
        pairs |= {f"{section}.{name}": (now[name], changed[name]) for name in now}
    return {name: both for name, both in pairs.items() if both[0] != both[1]}


def _find_changes(
    settings: AccountSettings, then: AccountSettings
) -> Mapping[str, tuple[object, object]]:
    return {
        field.name: (getattr(settings, field.name), getattr(then, field.name))
        for field in fields(AccountSettings)
        if field.name not in _UNTOLD and getattr(settings, field.name) != getattr(then, field.name)
    }


def _turn_requests(
    session: Session, then: Session, requests_of: Callable[[KnownAccount], int]
) -> Callable[[KnownAccount], int]:
    """How many requests a sync takes then: pages, listings and completions differ."""

    def requests_then(account: KnownAccount) -> int:
        settings, settings_then = session.settings_for(account), then.settings_for(account)
        groups = account.group_count or 0
        now = requests_of(account)
        listed, listed_then = (_count_pages(one, groups) for one in (settings, settings_then))
        # So many are those of a list that Truto marks as partial.
        is_partial = settings.complete == "auto" and now >= listed + groups > listed
        completed, completed_then = (
            _is_completed(account, one, is_partial=is_partial) * groups
            for one in (settings, settings_then)
        )
        return max(1, now + listed_then + completed_then - listed - completed)

    return requests_then


def _count_pages(settings: AccountSettings, groups: int) -> int:
    """The requests of a list of so many groups: a last page for each listing."""
    # HTTP takes 0.3 s to import, which who asks for the day alone must not wait for.
    from truto_groups.truto.encoding import plan_listings

    return len(plan_listings(settings.query)) + max(0, groups - 1) // settings.page_size


def _is_completed(account: KnownAccount, settings: AccountSettings, *, is_partial: bool) -> bool:
    """Whether each group is read by itself as well."""
    from truto_groups.truto.walk import is_completed

    is_marked = is_partial and settings.complete == "auto"
    return is_marked or is_completed(account.integration, settings.complete)


def _find_mistakes(then: Session, accounts: Sequence[KnownAccount]) -> list[str]:
    mistakes = map(then.find_mistake, accounts)
    told = dict.fromkeys(str(mistake) for mistake in mistakes if mistake)
    return list(told)[:_MOST_TOLD]
