"""Replay the sandbox's week: each day in its own time, through the jobs that anyone uses.

What happens on which day is the sandbox's to say; what is printed of it is the demo's.
"""

import http.client
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from truto_groups.accounts.model import KnownAccount
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import SettingsError
from truto_groups.report.pending import PendingAcceptance
from truto_groups.report.run_progress import RunProgress, counting_together
from truto_groups.runner.accept_accounts import AcceptRequest, accept_waiting
from truto_groups.runner.catch_up import catch_up
from truto_groups.runner.sync_report import Census, Listener, SyncReport, SyncRequest
from truto_groups.session import Session, living_at, read_clock
from truto_groups.settings import read_token
from truto_groups.settings.addresses import is_loopback
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts

ACCEPTED_BY = "demo"

_WEEK_PATH = "/sandbox/week"
_SECONDS = 10.0
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SandboxDay:
    """The day at which the sandbox is.

    Attributes:
        day: Counted from 1; 0 when its week has not begun.
        days: How many make the week.
        last_day: After which nothing happens any more.
        happened: What happened on it, a sentence each.
        accepted: Why a person accepts what an account sends, by integrated account id; of this
            day and those before.
    """

    day: int
    days: int
    last_day: int
    happened: Sequence[str]
    accepted: dict[str, str]


@dataclass(frozen=True)
class PlayedDay:
    """A day that was replayed, or the present where the sandbox is not in its week.

    Attributes:
        sandbox: The day, and what happened on it.
        at: When it was, an aware UTC instant.
        census: What the sandbox listed.
        accepted: What was accepted before the sync.
        report: What the sync of all accounts did.
    """

    sandbox: SandboxDay
    at: datetime
    census: Census
    accepted: Sequence[PendingAcceptance]
    report: SyncReport


@dataclass(frozen=True)
class WeekListener:
    """Who is told while it goes on.

    Attributes:
        begun: How many days are to be played.
        progressed: How far all of it has come.
        played: Each day, when it is over.
    """

    begun: Callable[[int], None]
    progressed: Callable[[RunProgress], None]
    played: Callable[[PlayedDay], None]


def replay(
    *,
    is_week_only: bool = False,
    listener: WeekListener,
    cwd: Path,
) -> PlayedDay | None:
    """Replay what is left of the week, else let one more day pass, and say how the last one went.

    Args:
        is_week_only: Only what is left of the week; nothing when it is over, or cannot begin
            because the tables were filled without it.
        listener: Who is told meanwhile.
        cwd: Where to look for the project.

    Raises:
        SettingsError: A variable or the settings file is wrong, or this is no sandbox.
        TrutoError: The accounts cannot be listed.
        DatabaseError: The database cannot be used.
    """
    session = open_session(TrutoResource(), GroupsDatabase())
    known = _read_known(session)
    today = _ask(session, "GET")
    if today.day and not known:
        # Its tables were removed: the sandbox begins anew with them.
        today = _ask(session, "DELETE")
    is_in_week = today.day > 0 or not known
    if is_week_only and (not is_in_week or today.day >= today.days):
        return None
    instants = [read_clock()]
    if is_in_week:
        last = max((account.listed_at for account in known), default=None)
        instants = plan_instants(today.day, days=today.days, now=read_clock(), last=last)
    listener.begun(len(instants))
    progress = RunProgress(heard=listener.progressed)
    one: PlayedDay | None = None
    with counting_together(progress):
        for index, at in enumerate(instants):
            if is_in_week:
                today = _ask(session, "POST", at=at)
            days_left = len(instants) - index
            one = _play(session, today, progress, at=at, days_left=days_left, cwd=cwd)
            listener.played(one)
            if one.report.problems or one.report.unreached:
                break
    return one


def plan_instants(
    day: int, *, days: int, now: datetime, last: datetime | None = None
) -> list[datetime]:
    """Say when the coming days are to be: the week ends now, and what comes after it is now.

    Args:
        day: At which the sandbox is; 0 before the first.
        days: How many make the week.
        now: Aware UTC instant.
        last: The latest instant of the tables, before which nothing may be; None without any.

    Returns:
        An instant for each day that is left of the week, else one for the next day.
    """
    left = [now - _DAY * (days - one) for one in range(day + 1, days + 1)] or [now]
    return [min(max(at, last or at), now) for at in left]


def _play(
    session: Session,
    today: SandboxDay,
    progress: RunProgress,
    *,
    at: datetime,
    days_left: int,
    cwd: Path,
) -> PlayedDay:
    census: list[Census] = []

    def begin(account_count: int) -> None:
        # As many accounts a day, as far as one can know.
        progress.account_count = progress.ended + account_count * days_left

    listener = Listener(discovered=census.append, begun=begin)
    with living_at(at) if days_left > 1 else nullcontext():
        accepted, problems = _accept(session, today, cwd=cwd)
        report = catch_up(SyncRequest(is_all=True), listener=listener, cwd=cwd)
    report.problems += problems
    return PlayedDay(today, at, census[0], accepted, report)


def _accept(
    session: Session, today: SandboxDay, *, cwd: Path
) -> tuple[list[PendingAcceptance], list[str]]:
    """Accept what is held back and right; returns what was accepted, and why something was not."""
    if not today.accepted:
        return [], []
    with session.database.reading() as connection:
        pending = read_pending(connection)
    accepted: list[PendingAcceptance] = []
    problems: list[str] = []
    for one in pending:
        reason = today.accepted.get(one.integrated_account_id)
        if reason is None or one.is_published:
            continue
        request = AcceptRequest([one.integrated_account_id], [], reason, ACCEPTED_BY)
        finished = accept_waiting(request, cwd=cwd)
        if finished.is_interrupted:
            raise KeyboardInterrupt
        accepted += [one] if finished.is_success else []
        problems += [finished.problem] if finished.problem else []
    return accepted, problems


def _read_known(session: Session) -> Sequence[KnownAccount]:
    if not session.database.exists:
        return ()
    with session.database.reading() as connection:
        return read_known_accounts(connection)


def _ask(session: Session, method: str, *, at: datetime | None = None) -> SandboxDay:
    """Ask the sandbox for its day (GET), begin the next one (POST), or begin anew (DELETE)."""
    answer = _request(session, method, query=f"?{urlencode({'at': at.isoformat()})}" if at else "")
    return SandboxDay(
        day=answer["day"],
        days=answer["days"],
        last_day=answer["last_day"],
        happened=answer["happened"],
        accepted={one["integrated_account_id"]: one["reason"] for one in answer["accepted"]},
    )


def _request(session: Session, method: str, *, query: str) -> dict[str, Any]:
    parts = urlsplit(session.knobs.base_url)
    token = read_token(os.environ, variable=session.knobs.token_variable)
    if not is_loopback(parts.hostname or ""):
        raise SettingsError(
            "The demo replays the week of the sandbox, and TRUTO_BASE_URL names another Truto.",
            advice="Run it as `make demo`.",
        )
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request(method, _WEEK_PATH + query, headers=headers)
        answer = connection.getresponse()
        if answer.status == http.client.OK:
            return json.loads(answer.read())
        problem = f"it answers with {answer.status}"
    except (OSError, http.client.HTTPException) as error:
        problem = str(error) or type(error).__name__
    finally:
        connection.close()
    raise SettingsError(
        f"{session.knobs.base_url} does not replay a week: {problem}.",
        advice="If an older sandbox is still served there, stop it; then run `make demo`.",
    )
