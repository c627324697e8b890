"""A week in the life of the sample accounts: what happens on which day, as plain data.

``WEEK`` is the story and ``ACCEPTED`` what a person does about it; ``make demo`` replays them, one
day after the other. The static samples stay as they are: this lays days over their first refresh.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from truto_groups.sandbox.error_bodies import needs_reauth
from truto_groups.sandbox.samples import sample_account, sample_accounts
from truto_groups.sandbox.samples.made_up import format_iso
from truto_groups.sandbox.served_accounts import Account

DAYS = 7
"""A week. On the eighth day something happens too; after it nothing does."""

LAST_DAY = 8

_TRIAL = "initech fivetran trial"
_TRIAL_DAYS = range(2, 5)
# Things happen in the hours before a day's sync, which notices them.
_BEFORE_THE_SYNC = timedelta(hours=2, minutes=13)
_SERVICENOW_FORMAT = "%Y-%m-%d %H:%M:%S"

Change = Callable[[Account, datetime], Account]
"""Makes of an account what it is from now on; given when that happens, in UTC."""


@dataclass(frozen=True)
class Event:
    """Something that happens to an account.

    Attributes:
        day: When, counted from 1.
        account: The account's label.
        told: In a sentence.
        change: What it changes in the account.
    """

    day: int
    account: str
    told: str
    change: Change


@dataclass(frozen=True)
class AcceptanceOfDay:
    """What a person finds right from a day on, before its sync, where it is held back."""

    day: int
    account: str
    reason: str


def list_accounts_on(instants: Sequence[datetime]) -> tuple[Account, ...]:
    """The accounts as they are on a day, in the order they were connected.

    Args:
        instants: When each day was, in UTC, the first day first and the present one last.
    """
    day = len(instants)
    accounts = {str(one.context["label"]): _begin(one) for one in sample_accounts()}
    if day in _TRIAL_DAYS:
        accounts[_TRIAL] = _make_trial(instants[_TRIAL_DAYS.start - 1] - _BEFORE_THE_SYNC)
    for event in WEEK:
        if event.day <= day and event.account in accounts:
            at = instants[event.day - 1] - _BEFORE_THE_SYNC
            accounts[event.account] = event.change(accounts[event.account], at)
    return tuple(sorted(accounts.values(), key=lambda account: account.created_at))


def describe_day(instants: Sequence[datetime]) -> dict[str, Any]:
    """Say which day it is, what happened on it, and what a person accepts by then, for JSON."""
    day = len(instants)
    return {
        "day": day,
        "days": DAYS,
        "last_day": LAST_DAY,
        "happened": [event.told for event in WEEK if event.day == day],
        "accepted": [
            {"integrated_account_id": sample_account(one.account).id, "reason": one.reason}
            for one in ACCEPTED
            if one.day <= day
        ],
    }


def _begin(account: Account) -> Account:
    """An account on the first day: it works, and its groups move on by the day alone."""
    return replace(
        account,
        refreshes=account.refreshes[:1],
        status="active",
        last_error=None,
        failure=None,
    )


def _make_trial(connected_at: datetime) -> Account:
    stamp = format_iso(connected_at)
    return replace(
        _begin(sample_account("umbrella fivetran")),
        id="07e1c3a5-6b28-4d90-b7f4-9c2d5e8a1f22",
        tenant_id="initech",
        context={"label": _TRIAL},
        created_at=stamp,
        updated_at=stamp,
    )


def _stay(account: Account, at: datetime) -> Account:
    """Whether it is connected at all is said by ``_TRIAL_DAYS``."""
    del at
    return account


def _move_on(*, stamp: str | None = None, stamp_format: str = "") -> Change:
    """Take the sample's second refresh; what is new in it was changed at the time."""

    def change(account: Account, at: datetime) -> Account:
        before = account.groups_at(1)
        text = at.strftime(stamp_format) if stamp_format else format_iso(at)
        after = sample_account(str(account.context["label"])).groups_at(2)
        groups = [
            group if group in before or stamp is None else _stamp(group, {stamp: text}, text)
            for group in after
        ]
        return replace(account, refreshes=(groups,))

    return change


def _stamp(group: Any, remote: Mapping[str, str], updated_at: str) -> Any:
    remote_data = {**group["remote_data"], **remote}
    return {**group, "updated_at": updated_at, "remote_data": remote_data}


def _keep_first(count: int) -> Change:
    """Lose all groups but some."""

    def change(account: Account, at: datetime) -> Account:
        del at
        return replace(account, refreshes=(account.groups_at(1)[:count],))

    return change


def _rename(before: str, after: str) -> Change:
    """Rename one group, also where the vendor says its name."""

    def rename(group: Any) -> Any:
        if group["name"] != before:
            return group
        return {**group, "name": after, "remote_data": {**group["remote_data"], "name": after}}

    def change(account: Account, at: datetime) -> Account:
        del at
        return replace(account, refreshes=([rename(one) for one in account.groups_at(1)],))

    return change


def _remove(name: str) -> Change:
    def change(account: Account, at: datetime) -> Account:
        del at
        left = [group for group in account.groups_at(1) if group["name"] != name]
        return replace(account, refreshes=(left,))

    return change


def _lose_scope(scope: str, *, fields: frozenset[str]) -> Change:
    """Lose a permission: fields vanish from all groups, and Truto's listing tells of a 403."""

    def strip(record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in record.items() if name not in fields}

    def change(account: Account, at: datetime) -> Account:
        groups = [
            {**strip(group), "remote_data": strip(group["remote_data"])}
            for group in account.groups_at(1)
        ]
        forbidden = {
            "resource": "user-directory/groups",
            "method": "list",
            "missing_scopes": [scope],
            "occurred_at": format_iso(at),
        }
        return replace(
            account,
            refreshes=(groups,),
            last_forbidden_error=forbidden,
            updated_at=format_iso(at),
        )

    return change


def _lose_authorisation(account: Account, at: datetime) -> Account:
    raw = {"message": "Unauthorized", "name": "UnauthorizedError", "statusCode": 401}
    return replace(
        account,
        status="needs_reauth",
        last_error="The refresh token was revoked.",
        failure=needs_reauth(raw_response=raw),
        updated_at=format_iso(at),
    )


WEEK = (
    Event(
        2,
        "acme okta",
        "in acme's Okta, Platform is renamed to Platform Engineering, Contractors goes and "
        "Security comes",
        _move_on(stamp="lastUpdated"),
    ),
    Event(2, _TRIAL, "initech connects Fivetran to try it out", _stay),
    Event(3, "acme jira", "acme's Jira lists 6 of its 62 groups", _keep_first(6)),
    Event(3, "globex gitlab", "globex adds Incident Review in GitLab", _move_on()),
    Event(
        4,
        "initech onelogin",
        "initech revokes the token of its OneLogin, which is to be reconnected and goes stale",
        _lose_authorisation,
    ),
    Event(
        5,
        "globex gitlab",
        "globex's GitLab loses the scope read_api, and with it what its groups say of themselves",
        _lose_scope("read_api", fields=frozenset({"description", "created_at"})),
    ),
    Event(5, _TRIAL, "initech disconnects the Fivetran that it tried out", _stay),
    Event(
        6,
        "umbrella servicenow",
        "umbrella renames three groups in ServiceNow, adds two and removes one",
        _move_on(stamp="sys_updated_on", stamp_format=_SERVICENOW_FORMAT),
    ),
    Event(
        6,
        "acme launchdarkly",
        "LaunchDarkly sends its records in another form: acme's drift",
        _move_on(),
    ),
    Event(
        7,
        "umbrella bitwarden",
        "umbrella renames Finance vault to Finance vault admins in Bitwarden, to be reviewed",
        _rename("Finance vault", "Finance vault admins"),
    ),
    Event(8, "acme slack", "acme deletes Interns 2023 in Slack", _remove("Interns 2023")),
    Event(8, "globex opsgenie", "globex renames Ops in Opsgenie", _rename("Ops", "Operations")),
)
"""What happens, day by day. An event of a day on which its account is not connected only tells."""

ACCEPTED = (
    AcceptanceOfDay(4, "acme jira", "acme's IT moved the roles of its projects out of Jira"),
)
"""What a person accepts in the meantime."""
