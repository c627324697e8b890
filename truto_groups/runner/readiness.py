"""Whether a process with these variables could work now: asked by probes, so cheap.

Nothing is requested of Truto. How accounts stand is account_reports.py's.
"""

import contextlib
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from truto_groups.accounts.listing import OLDEST_LISTING
from truto_groups.errors import TrutoGroupsError
from truto_groups.runner.reading_session import open_reading
from truto_groups.settings.environment import check_temporary_folder, read_token
from truto_groups.text.words import say_age
from truto_groups.warehouse.accounts_table import read_last_listing

# A probe is ended by whoever asked, as a rule after ten seconds, and then says nothing.
_WAIT_SECONDS = 3.0
_LONGEST_SECONDS = 7.0


@dataclass(frozen=True)
class Readiness:
    """Whether this process could work.

    Attributes:
        is_ready: Whether it could.
        told: What it found, or what is wrong and what to do; one line.
    """

    is_ready: bool
    told: str


def find_readiness(*, cwd: Path, longest_seconds: float = _LONGEST_SECONDS) -> Readiness:
    """Read settings, token, temporary folder and database, and when accounts were last listed.

    Tables of an earlier version hinder nobody, because whoever writes first brings them forward;
    those of a later version do.

    Args:
        cwd: Where to look for the project.
        longest_seconds: How long all of it may take. What hangs then, such as a disk of the
            network or a locked table of the catalogue, is left hanging.
    """
    found: Future[Readiness] = Future()

    def find() -> None:
        try:
            found.set_result(_find(cwd))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            found.set_exception(error)

    thread = threading.Thread(target=find, name="probing", daemon=True)
    thread.start()
    thread.join(longest_seconds)
    if not found.done():
        return Readiness(
            False,
            f"The database did not answer within {longest_seconds:g} s. See whether its disk, or "
            "the server and the object store of a lake, are slow or locked.",
        )
    return found.result()


def _find(cwd: Path) -> Readiness:
    try:
        session = open_reading(cwd)
        read_token(os.environ, variable=session.knobs.token_variable)
        check_temporary_folder(os.environ)
        with (
            contextlib.closing(session.database.connect(knows_json=False)) as own,
            session.database.reading(own, within_seconds=_WAIT_SECONDS) as connection,
        ):
            listed_at = read_last_listing(connection)
    except TrutoGroupsError as error:
        return Readiness(False, " ".join(str(error).split()))
    return _judge(listed_at, now=session.clock())


def _judge(listed_at: datetime | None, *, now: datetime) -> Readiness:
    if listed_at is None:
        return Readiness(
            False,
            "Accounts were never listed yet. Run `truto-groups sync`, or start Dagster's daemon.",
        )
    age = say_age(listed_at, now=now)
    if now - listed_at > OLDEST_LISTING:
        return Readiness(
            False,
            f"Accounts were last listed {age}. Look at the sensor discover_integrated_accounts, "
            "and whether Dagster's daemon runs.",
        )
    return Readiness(True, f"Accounts were last listed {age}.")
