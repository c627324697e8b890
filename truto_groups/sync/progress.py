"""Where each account of a run stands: one explicit stage, changed by named transitions alone.

Pure: what is sent, landed and written is pipeline.py's. An account leaves no stage by being left
out of a list; what a stage does not allow is an error here, before it could be one in the tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from truto_groups.accounts.model import KnownAccount
from truto_groups.settings import AccountSettings
from truto_groups.truto import GroupsRequest
from truto_groups.truto.walk_results import (
    CompleteLanding,
    CompleteWalk,
    Page,
    SyncStats,
    prove_landed,
)


class Stage(Enum):
    """Where an account stands in a run."""

    WAITING = "waiting"
    """Nobody fetches it yet."""
    QUEUED = "queued"
    """Handed to who fetches; nothing was sent."""
    WALKING = "walking"
    """Its first request has left."""
    WALKED = "walked"
    """Every page has arrived."""
    LANDED = "landed"
    """Every page of the walk is landed: the only stage from which it is published."""
    FAILED = "failed"
    """Nothing of it may be published."""
    SETTLED = "settled"
    """What became of it is committed."""


@dataclass(frozen=True, slots=True)
class PlannedSync:
    """One account that is to be synced.

    Attributes:
        account: The account as last listed.
        settings: What holds for it.
        request: What to ask Truto for.
    """

    account: KnownAccount
    settings: AccountSettings
    request: GroupsRequest


@dataclass(eq=False)
class AccountSync:
    """One account's way through a run.

    Attributes:
        planned: What is to be done.
        stage: Where it stands; changed by Progress alone.
        walk_number: Counts its walks, from 1; pages of an earlier one are void.
        answer_order: The number of its first request; None while none has left.
        started_at: When that was, as an aware UTC instant.
        stats: What it has cost so far; alive while it is fetched.
        walk: The proof that no page is missing, from WALKED on.
        landing: The proof that every page is landed, from LANDED on.
        landed_pages: The numbers of the pages that are landed.
    """

    planned: PlannedSync
    stage: Stage = Stage.WAITING
    walk_number: int = 1
    answer_order: int | None = None
    started_at: datetime | None = None
    stats: SyncStats = field(default_factory=SyncStats)
    walk: CompleteWalk | None = None
    landing: CompleteLanding | None = None
    landed_pages: set[int] = field(default_factory=set[int])

    @property
    def id(self) -> str:
        """The integrated account's id."""
        return self.planned.account.id


@dataclass(frozen=True, slots=True)
class ArrivedPage:
    """A page that waits to be landed, and the walk that brought it."""

    sync: AccountSync
    page: Page
    walk_number: int

    @property
    def is_wanted(self) -> bool:
        """Whether its account may still be published, by the walk that brought it."""
        return (
            self.sync.stage in (Stage.WALKING, Stage.WALKED)
            and self.walk_number == self.sync.walk_number
        )


class Progress:
    """All accounts of a run, by where they stand."""

    def __init__(self, planned: Iterable[PlannedSync]) -> None:
        """Let all of them wait, in this order."""
        self._syncs = {one.account.id: AccountSync(one) for one in planned}
        self._at: dict[Stage, dict[str, AccountSync]] = {stage: {} for stage in Stage}
        self._at[Stage.WAITING] = dict(self._syncs)

    def count(self, *stages: Stage) -> int:
        """How many accounts stand there."""
        return sum(len(self._at[stage]) for stage in stages)

    def at(self, *stages: Stage) -> Sequence[AccountSync]:
        """The accounts that stand there, those that came there first first."""
        return [sync for stage in stages for sync in self._at[stage].values()]

    @property
    def is_over(self) -> bool:
        """Whether every account is settled."""
        return self.count(Stage.SETTLED) == len(self._syncs)

    def find(self, integrated_account_id: str) -> AccountSync:
        """The account of that id."""
        return self._syncs[integrated_account_id]

    def queue(self, sync: AccountSync) -> None:
        """It is handed to who fetches."""
        self._move(sync, Stage.QUEUED, allowed=(Stage.WAITING,))

    def begin(self, sync: AccountSync, *, answer_order: int, at: datetime) -> None:
        """Its first request leaves."""
        self._move(sync, Stage.WALKING, allowed=(Stage.QUEUED,))
        sync.answer_order, sync.started_at = answer_order, at

    def start_over(self, sync: AccountSync) -> None:
        """Its walk begins anew: what was landed is void."""
        self._move(sync, Stage.WALKING, allowed=(Stage.WALKING,))
        sync.walk_number += 1
        sync.landed_pages.clear()

    def finish_walk(self, sync: AccountSync, walk: CompleteWalk) -> None:
        """Every page has arrived."""
        self._move(sync, Stage.WALKED, allowed=(Stage.WALKING,))
        sync.walk = walk
        self._prove(sync)

    def land(self, arrived: ArrivedPage) -> None:
        """A page of it is landed."""
        arrived.sync.landed_pages.add(arrived.page.number)
        self._prove(arrived.sync)

    def fail(self, sync: AccountSync) -> None:
        """Nothing of it may be published any more."""
        begun = (Stage.WALKING, Stage.WALKED, Stage.LANDED)
        self._move(sync, Stage.FAILED, allowed=begun)
        sync.landing = None

    def settle(self, sync: AccountSync) -> None:
        """What became of it is committed."""
        self._move(sync, Stage.SETTLED, allowed=(Stage.LANDED, Stage.FAILED))

    def _prove(self, sync: AccountSync) -> None:
        if sync.walk is None:
            return
        sync.landing = prove_landed(sync.walk, sync.landed_pages)
        if sync.landing is not None:
            self._move(sync, Stage.LANDED, allowed=(Stage.WALKED,))

    def _move(self, sync: AccountSync, stage: Stage, *, allowed: Sequence[Stage]) -> None:
        if sync.stage not in allowed:
            raise AssertionError(
                f"Integrated account {sync.id} cannot go from {sync.stage.value} to {stage.value}."
            )
        del self._at[sync.stage][sync.id]
        sync.stage = stage
        self._at[stage][sync.id] = sync
