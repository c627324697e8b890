"""Accept what waits by the job that the UI launches, in this process."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truto_groups.definitions import build_definitions
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.runner.local_runs import (
    FinishedRun,
    accept_here,
    in_this_process,
    open_instance,
)


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
    session = open_session(TrutoResource(), GroupsDatabase())
    config = {
        "integrated_account_ids": list(request.integrated_account_ids),
        "integrations": list(request.integrations),
        "reason": request.reason,
        "accepted_by": request.accepted_by or find_user(),
        "digest": request.digest,
    }
    with (
        open_instance(cwd=cwd) as instance,
        in_this_process(instance, session.database) as tags,
    ):
        return accept_here(build_definitions(), instance, config, tags=tags, is_verbose=is_verbose)


def find_user() -> str:
    """Name the system's user; a container may run as one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
