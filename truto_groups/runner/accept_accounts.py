"""Accept or review what waits by the jobs that the UI launches, in this process."""

import getpass
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from truto_groups.definitions import build_definitions
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.runner.local_runs import (
    FinishedRun,
    accept_here,
    in_this_process,
    open_instance,
    review_here,
)


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """What a person has reviewed.

    Attributes:
        integrated_account_ids: What became privileged of these accounts,
        until: up to this aware instant.
        reason: Why it is right.
        reviewed_by: Who; empty takes the system's user.
    """

    integrated_account_ids: Sequence[str]
    until: datetime
    reason: str
    reviewed_by: str = ""


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """What a person accepts.

    Attributes:
        integrated_account_ids: These accounts, and
        integrations: all waiting accounts of these integrations.
        reason: Why.
        accepted_by: Who; empty takes the system's user.
        digest: Of what was shown; empty accepts whatever waits now.
    """

    integrated_account_ids: Sequence[str]
    integrations: Sequence[str]
    reason: str
    accepted_by: str = ""
    digest: str = ""


def accept_waiting(request: AcceptRequest, *, cwd: Path, is_verbose: bool = False) -> FinishedRun:
    """Accept what the accounts sent last.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be used.
    """
    config = {
        "integrated_account_ids": list(request.integrated_account_ids),
        "integrations": list(request.integrations),
        "reason": request.reason,
        "accepted_by": request.accepted_by or find_user(),
        "digest": request.digest,
    }
    with _open_project(cwd) as (instance, tags):
        return accept_here(build_definitions(), instance, config, tags=tags, is_verbose=is_verbose)


def mark_waiting_reviewed(
    request: ReviewRequest, *, cwd: Path, is_verbose: bool = False
) -> FinishedRun:
    """Mark what became privileged as reviewed.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be used.
    """
    config = {
        "integrated_account_ids": list(request.integrated_account_ids),
        "until": request.until.isoformat(),
        "reason": request.reason,
        "reviewed_by": request.reviewed_by or find_user(),
    }
    with _open_project(cwd) as (instance, tags):
        return review_here(build_definitions(), instance, config, tags=tags, is_verbose=is_verbose)


@contextmanager
def _open_project(cwd: Path) -> Generator[tuple[dg.DagsterInstance, dict[str, str]]]:
    """Open the instance, and give the tags that a run of this process must carry."""
    session = open_session(TrutoResource(), GroupsDatabase())
    with (
        open_instance(cwd=cwd) as instance,
        in_this_process(instance, session.database) as tags,
    ):
        yield instance, tags


def find_user() -> str:
    """Name the system's user; a container may run as one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
