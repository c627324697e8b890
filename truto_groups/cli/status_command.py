"""``truto-groups status``: every known account, read from the database alone."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from truto_groups.accounts.names import SHORT_ID, say_account
from truto_groups.accounts.statuses import AccountStatus, find_statuses
from truto_groups.cli.terminal import find_width, format_table, say
from truto_groups.errors import SettingsError
from truto_groups.report.pending import advise
from truto_groups.session import Session, read_clock
from truto_groups.settings import read_environment, read_settings, resolve_knobs
from truto_groups.sync.accept import read_pending
from truto_groups.text.visible import cut, show_in_cell
from truto_groups.text.words import say_age, say_count
from truto_groups.truto import TrutoClient
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.snapshot import open_snapshot

_HEADER = ("account", "integration", "tenant", "status", "groups", "confirmed", "last sync")
_FULL_ID_FROM = 120
_CELL = 16


def run_status(*, is_json: bool) -> int:
    """Print how every known account stands; always 0 when the database can be read."""
    session = _open_session()
    with open_snapshot(session.database) as connection:
        accounts = read_known_accounts(connection)
        waiting = {one.integrated_account_id: advise(one) for one in read_pending(connection)}
    now = session.clock()
    statuses = find_statuses(
        accounts,
        pace_of=session.pace_of,
        max_age_of=session.max_age_of,
        waiting=waiting,
        now=now,
    )
    if is_json:
        # In ASCII: whole in every encoding, and no terminal obeys what stands in it.
        say(json.dumps([_to_json(one) for one in statuses], indent=2))
    else:
        for line in describe_statuses(statuses, now=now, width=find_width()):
            say(line)
    return 0


def describe_statuses(statuses: Sequence[AccountStatus], *, now: datetime, width: int) -> list[str]:
    """Lay out a table, then what to do, then a summary."""
    if not statuses:
        return ["No account is known yet. Run `truto-groups sync`, or start Dagster."]
    is_wide = width >= _FULL_ID_FROM
    lines = format_table(
        [_row(one, now=now, is_wide=is_wide) for one in statuses],
        header=_HEADER,
        right=("groups",),
        width=width,
    )
    waiting = [one for one in statuses if one.what_to_do]
    if waiting:
        lines += ["", "What to do:"]
    for one in waiting:
        who = say_account(one.integrated_account_id, one.integration, one.tenant_id)
        lines.append(f"  {who}: {show_in_cell(one.what_to_do)}")
    stale = sum(one.is_stale for one in statuses)
    failed = sum(one.outcome in ("failed", "held_back") for one in statuses)
    groups = sum(one.groups or 0 for one in statuses)
    summary = (
        f"{say_count(len(statuses), 'account')}, {say_count(groups, 'group')}; {stale} stale, "
    )
    return [*lines, "", f"{summary}{failed} failed or held back at the last attempt."]


def _row(one: AccountStatus, *, now: datetime, is_wide: bool) -> tuple[object, ...]:
    key = one.integrated_account_id
    confirmed = say_age(one.last_confirmed_at, now=now)
    return (
        key if is_wide else key[:SHORT_ID],
        _shorten(one.integration),
        _shorten(one.tenant_id) if one.tenant_id else None,
        "gone" if one.gone_at else one.status,
        one.groups,
        f"{confirmed or 'never'} (stale)" if one.is_stale else confirmed,
        _tell_last_sync(one),
    )


def _shorten(text: str) -> str:
    return cut(show_in_cell(text), _CELL)


def _tell_last_sync(one: AccountStatus) -> str | None:
    if one.not_synced_because is not None and not one.what_to_do:
        return f"none: {one.not_synced_because[0].lower()}{one.not_synced_because[1:].rstrip('.')}"
    return one.outcome.replace("_", " ") if one.outcome else None


def _to_json(one: AccountStatus) -> dict[str, object]:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }


def _open_session() -> Session:
    """What reading needs; no token, no Dagster, and no way to Truto."""
    environment = read_environment(os.environ, cwd=Path.cwd())
    settings = read_settings(environment.settings_path)
    knobs = resolve_knobs({}, section=settings.truto, base_url=environment.base_url)
    return Session(settings, knobs, Database(environment.database), _refuse_client, read_clock)


def _refuse_client() -> Callable[[], TrutoClient]:
    raise SettingsError("`truto-groups status` reads the database only.")
