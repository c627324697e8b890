"""Time in the sandbox: an account's groups move on after each completed walk.

Once the week of week.py has begun, its days are kept here too.

A walk is known by its chain, the digest of its query. The first page of a chain that was walked to
its end in the present refresh starts the next one. A sync that lists once for each of several
``organization_id`` thus sees one and the same refresh in all its chains.
"""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

# These say how a list is cut into pages, not which list it is.
PAGING_PARAMETERS = frozenset({"limit", "next_cursor", "truto_ignore_limit"})

# Beside the ids of accounts in the state file.
_DAYS = "days"


def digest_chain(pairs: list[tuple[str, str]]) -> str:
    """Digest what makes one walk another than the next: the query without its paging."""
    kept = sorted(pair for pair in pairs if pair[0] not in PAGING_PARAMETERS)
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]


class RefreshClock:
    """Which refresh each account is at, counted from 1, and which day of the week it is.

    Kept in a file when one is given.
    """

    def __init__(self, state_path: Path | None) -> None:
        """Go on from the state file, or from the first refresh when there is none."""
        self._path = state_path
        self._lock = threading.Lock()
        self._refreshes: dict[str, int] = {}
        self._completed: dict[str, set[str]] = {}
        self._days: tuple[datetime, ...] = ()
        if state_path is not None and state_path.exists():
            state: dict[str, Any] = json.loads(state_path.read_text())
            self._days = tuple(map(datetime.fromisoformat, state.pop(_DAYS, ())))
            for account_id, entry in state.items():
                self._refreshes[account_id] = int(entry["refresh"])
                self._completed[account_id] = set(entry["completed"])

    @property
    def days(self) -> Sequence[datetime]:
        """When each day of the week was, the present one last; empty when none has begun."""
        return self._days

    def begin_day(self, at: datetime) -> None:
        """Begin the next day of the week."""
        with self._lock:
            self._days = (*self._days, at)
            self._save()

    def begin_anew(self) -> None:
        """Go back to where no account has been read and no day has begun."""
        with self._lock:
            self._days = ()
            self._refreshes.clear()
            self._completed.clear()
            self._save()

    def refresh_of(self, integrated_account_id: str) -> int:
        """The refresh that the account is at."""
        return self._refreshes.get(integrated_account_id, 1)

    def begin(self, integrated_account_id: str, *, chain: str, last_refresh: int) -> int:
        """Begin a walk and say which refresh it is served; time stops at the last one."""
        with self._lock:
            refresh = self._refreshes.setdefault(integrated_account_id, 1)
            is_over = chain in self._completed.setdefault(integrated_account_id, set())
            if is_over and refresh < last_refresh:
                refresh += 1
                self._turn(integrated_account_id, refresh)
        return refresh

    def complete(self, integrated_account_id: str, *, chain: str, refresh: int) -> None:
        """Note that a walk has been served to its end."""
        with self._lock:
            completed = self._completed.setdefault(integrated_account_id, set())
            is_present = refresh == self._refreshes.setdefault(integrated_account_id, 1)
            if is_present and chain not in completed:
                completed.add(chain)
                self._save()

    def turn_to(self, integrated_account_id: str, *, refresh: int) -> None:
        """Put an account to a refresh, with no walk of it completed."""
        with self._lock:
            self._turn(integrated_account_id, refresh)

    def _turn(self, integrated_account_id: str, refresh: int) -> None:
        self._refreshes[integrated_account_id] = refresh
        self._completed[integrated_account_id] = set()
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        state: dict[str, Any] = {
            account_id: {"refresh": refresh, "completed": sorted(self._completed[account_id])}
            for account_id, refresh in self._refreshes.items()
            if account_id in self._completed
        }
        if self._days:
            state[_DAYS] = [day.isoformat() for day in self._days]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.draft")
        draft.write_text(json.dumps(state, indent=1, sort_keys=True))
        draft.replace(self._path)
