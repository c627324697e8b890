"""Ask for one page of one account in Truto's debug format, and lay what we make of it beside it.

The records go the way of every sync as far as the run's private room, and no further: no table is
written. How it reads is report/diagnosis.py's.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, cast

from truto_groups.accounts.advice import find_obstacle
from truto_groups.accounts.model import KnownAccount
from truto_groups.errors import RetriesExhaustedError, TokenRejectedError
from truto_groups.report.diagnosis import Diagnosis, FieldMade, GroupMade, as_types
from truto_groups.schema import GROUP_TYPES
from truto_groups.session import Session
from truto_groups.settings import (
    AccountSettings,
    PrivilegedSettings,
    VolumeLimits,
    format_duration,
)
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.refresh import plan_sync
from truto_groups.text.credentials import hide_credentials
from truto_groups.text.secrecy import redact
from truto_groups.truto import GroupsRequest
from truto_groups.truto.client import DebugPage
from truto_groups.truto.walk import is_completed
from truto_groups.warehouse.check_queries import read_last_audits
from truto_groups.warehouse.ledger_table import read_attempts
from truto_groups.warehouse.snapshot import reading_snapshot

_ATTEMPTS = 10
_UNREADABLE = "What its last audit found cannot be read: see the check groups_match_contract."
_COLUMNS = {
    "id": "id",
    "name": "name",
    "group_type": "group_type",
    "description": "description",
    "organization": "organization_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
_SAID = ("debug", "statusCode", "error", "errors", "message")
_SHOWN = (
    "partition_key",
    "id",
    "integration",
    "tenant_id",
    "label",
    "status",
    "supports_groups",
    "last_error",
    "gone_at",
    "last_confirmed_at",
)


def diagnose(session: Session, account: KnownAccount) -> Diagnosis:
    """Look at one page of an account.

    Args:
        session: What to work with.
        account: The account, whatever its state.

    Returns:
        What was seen, also where Truto or the vendor refuses.

    Raises:
        SettingsError: The token is missing.
        RetriesExhaustedError: Truto asked to be left alone for longer than is waited.
        DatabaseError: The database cannot be read.
    """
    settings = session.settings_for(account)
    planned = plan_sync(session, account)
    try:
        page = asyncio.run(_ask(session, planned.request))
    except RetriesExhaustedError as error:
        raise RetriesExhaustedError(
            account.name_in(error.message),
            advice=account.name_in(error.advice),
            integrated_account_id=account.id,
        ) from None
    with reading_snapshot(session.database) as connection:
        attempts = read_attempts(connection, account.id, most=_ATTEMPTS)
        audits = [
            audit
            for audit in read_last_audits(connection)
            if audit.integrated_account_id == account.id
        ]
    if settings.private_values:
        audits = [audit.without_values() for audit in audits]
    is_private = settings.private_values
    body = _read(page.body, is_private=is_private)
    # What else is called so, such as a text beside an error, stays where it stands.
    debug = _as_mapping(body.get("debug"))
    is_error = page.error is not None
    groups, unread = ([], "") if is_error else _make_groups(account, page, settings)
    is_partial = is_completed(account.integration, settings.complete)
    obstacle = find_obstacle(account, skip=settings.skip)
    return Diagnosis(
        account={name: getattr(account, name) for name in _SHOWN},
        at=session.clock(),
        request=str(hide_credentials(redact(page.url))),
        listing_count=page.listing_count,
        status=page.status,
        problem=account.name_in(str(page.error) if is_error else unread),
        is_of_token=isinstance(page.error, TokenRejectedError),
        limits=_find_limits(page, debug),
        call={name: one for name, one in debug.items() if name not in ("data", "responseHeaders")}
        or None,
        answer=debug.get("data"),
        error=body if is_error and body else None,
        groups=groups,
        attempts=[_show_attempt(one) for one in attempts],
        findings=[
            f"{finding.message} {finding.advice}" for audit in audits for finding in audit.findings
        ],
        settings=_show_settings(settings),
        is_private=is_private,
        notes=[
            *([f"A sync passes over this account. {obstacle}"] if obstacle else []),
            *(["The list is partial: a sync reads each group through Get Group."] * is_partial),
            *([_UNREADABLE] if any(audit.unreadable for audit in audits) else []),
            *(["The settings keep its values private: types stand in their place."] * is_private),
        ],
    )


async def _ask(session: Session, request: GroupsRequest) -> DebugPage:
    async with session.find_client()() as client:
        return await client.look_at_groups(request)


def _read(body: bytes, *, is_private: bool) -> dict[str, Any]:
    """Read an answer, without credentials, ours and the vendor's; empty where it is no object."""
    try:
        value = _load(redact(body.decode()))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    answer = cast("dict[str, Any]", value)
    hidden = {name: hide_credentials(one) for name, one in answer.items()}
    if not is_private:
        return hidden
    debug = hidden.get("debug")
    if isinstance(debug, dict):
        # What was asked is no value of a group; what was answered is.
        debug = cast("dict[str, Any]", debug)
        hidden["debug"] = {**debug, "data": as_types(debug.get("data"))}
    return {name: one if _is_said(name) else as_types(one) for name, one in hidden.items()}


def _load(text: str) -> object:
    """Parse JSON; an integer with more digits than Python takes stays text."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 1000 else digits)


def _as_mapping(value: object) -> Mapping[str, Any]:
    """An object of JSON; empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_said(name: str) -> bool:
    """Whether a field of an answer tells of the request, and holds no group."""
    return name in _SAID or name.startswith("truto_")


def _make_groups(
    account: KnownAccount, page: DebugPage, settings: AccountSettings
) -> tuple[list[GroupMade], str]:
    """Land the records as a sync does, and say of each field what became of it."""
    with Staging() as staging:
        staged = StagedPage(account.id, 1, page.records, settings.remote_data)
        unreadable = staging.land([staged])
        if unreadable:
            return [], f"The groups cannot be read ({unreadable[account.id]}). Ask Truto's support."
        rows = staging.read_landed(account.id)
    return [_make_group(row, is_private=settings.private_values) for row in rows], ""


def _make_group(row: Mapping[str, Any], *, is_private: bool) -> GroupMade:
    record = _as_mapping(_load(redact(row["record"])))
    made: list[FieldMade] = []
    for name, column in _COLUMNS.items():
        came, kept = record.get(name), row[column]
        kept = redact(kept) if isinstance(kept, str) else kept
        note = _note(name, came, kept, row)
        if is_private:
            came = as_types(came)
            kept = None if kept is None else "string" if isinstance(kept, str) else "instant"
        made.append(FieldMade(name, hide_credentials(came), column, hide_credentials(kept), note))
    others = sorted(set(record) - {*_COLUMNS, "remote_data"})
    if others:
        note = f"Truto does not document {', '.join(others)}: kept as JSON."
        made.append(FieldMade(", ".join(others), None, "other_fields", None, note))
    if row["has_repeated_fields"]:
        made.append(FieldMade("", None, "", None, "A field comes twice: no row can be made of it."))
    remote = hide_credentials(record.get("remote_data"))
    title = "A group" if is_private else str(row["name"] or row["id"] or "A group without an id")
    return GroupMade(
        hide_credentials(redact(title)), as_types(remote) if is_private else remote, made
    )


def _note(name: str, came: object, kept: object, row: Mapping[str, Any]) -> str:
    if name == "id" and kept is None:
        return "No id that identifies anything: the account is held back."
    if name in ("created_at", "updated_at") and name in (row["unreadable_instants"] or ()):
        return "Not an instant that can only mean one: null, and counted as drift."
    if name == "group_type" and kept == "unmapped":
        known = ", ".join(GROUP_TYPES)
        return f"None of {known}: mend the mapping in Truto, or set unmapped_limit."
    if came is not None and kept is None:
        return "Becomes null."
    if name in ("created_at", "updated_at") and came is not None and not isinstance(came, str):
        return "A number, read as an epoch."
    if isinstance(kept, str) and came is not None and came != kept:
        kind = "text" if isinstance(came, str) else "JSON as text"
        return "Lower case." if name == "group_type" else f"Kept as {kind}."
    return ""


def _find_limits(page: DebugPage, debug: Mapping[str, Any]) -> dict[str, str]:
    """The headers on limits: of Truto's answer, and of the vendor's as Truto repeats it."""
    vendor = _as_mapping(debug.get("responseHeaders"))
    found = {f"Truto: {name}": redact(value) for name, value in page.headers}
    found |= {f"vendor: {name}": str(value) for name, value in vendor.items()}
    return {name: value for name, value in found.items() if _is_on_limits(name)}


def _is_on_limits(name: str) -> bool:
    folded = name.lower().replace("-", "").replace("_", "")
    return "ratelimit" in folded or "retryafter" in folded


def _show_attempt(row: Mapping[str, Any]) -> dict[str, object]:
    names = ("started_at", "outcome", "group_count", "request_count", "throttled_seconds", "error")
    return {name.removesuffix("_at").replace("_", " "): row[name] for name in names}


def _show_settings(settings: AccountSettings) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.name == "digest":
            continue
        if isinstance(value, timedelta):
            value = format_duration(value)
        elif one.name == "query":
            value = json.dumps(hide_credentials(value)) if value else "none"
        elif isinstance(value, VolumeLimits | PrivilegedSettings):
            value = ", ".join(f"{name}: {_say(part)}" for name, part in asdict(value).items())
        elif isinstance(value, bool):
            value = _say(value)
        found[one.name] = value
    return found


def _say(part: object) -> str:
    """As the settings file has it."""
    return "auto" if part is None else json.dumps(part)
