"""What a sync was to do, what it did, and who is told meanwhile: plain values.

How it is done is catch_up.py's, how it is printed cli/sync_command.py's and the demo's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from truto_groups.accounts.discovery import Discovery
from truto_groups.accounts.freshness import StaleAccount
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import AccountFilter, Unknown
from truto_groups.report.pending import PendingAcceptance
from truto_groups.report.run_progress import RunProgress
from truto_groups.runner.local_runs import ToldVerdict
from truto_groups.warehouse.run_queries import AccountOutcome


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to refresh: the accounts that are wanted, all, or (neither) what is due."""

    wanted: AccountFilter = field(default_factory=AccountFilter)
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An account that is wanted and cannot be synced, and why."""

    account: KnownAccount
    reason: str


@dataclass
class SyncReport:
    """What a sync did.

    Attributes:
        progress: How far it came; None when there was nothing to sync.
        is_choice: Whether accounts were named, by whatever; else what is due was synced, or all.
        unknown: What was named and is nobody's.
        refusals: Named accounts that cannot be synced.
        in_flight: Accounts left to a run that covers them already.
        overdue: Those of them that are stale.
        unreached: Accounts that were to be synced and were not, or not to the end.
        outcomes: What became of those that were tried.
        run_ids: The Dagster runs.
        problems: Why a run failed, where no account tells it.
        verdicts: What the checks said after the last run.
        pending: What drifted or is held back, when a check failed.
        due_at: When the next account is due, where nothing was; None when none ever is.
    """

    progress: RunProgress | None = None
    is_choice: bool = False
    unknown: Sequence[Unknown] = ()
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    in_flight: list[KnownAccount] = field(default_factory=list[KnownAccount])
    overdue: list[StaleAccount] = field(default_factory=list[StaleAccount])
    unreached: list[KnownAccount] = field(default_factory=list[KnownAccount])
    outcomes: list[AccountOutcome] = field(default_factory=list[AccountOutcome])
    run_ids: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    verdicts: Sequence[ToldVerdict] = ()
    pending: Sequence[PendingAcceptance] = ()
    due_at: datetime | None = None

    @property
    def failures(self) -> list[AccountOutcome]:
        """The accounts that failed or were held back."""
        return [one for one in self.outcomes if not one.is_good]

    @property
    def exit_code(self) -> int:
        """0 when all went well, 2 when nothing could be done, else 1."""
        if self.problems and not self.outcomes:
            return 2
        named = (self.unknown, self.refusals)
        return int(any((*named, self.unreached, self.failures, self.problems, self.overdue)))


@dataclass(frozen=True)
class Census:
    """Which of the listed accounts are kept in sync, and which are not.

    Attributes:
        found: What the listing means.
        synced: How many are kept in sync.
        idle: Those that are not, by why.
    """

    found: Discovery
    synced: int
    idle: Mapping[str, Sequence[KnownAccount]]


@dataclass(frozen=True)
class Listener:
    """Who is told while it goes on; each does nothing unless given."""

    discovered: Callable[[Census], None] = lambda census: None
    begun: Callable[[int], None] = lambda account_count: None
    progressed: Callable[[RunProgress], None] = lambda progress: None
    settled: Callable[[Sequence[AccountOutcome]], None] = lambda outcomes: None
