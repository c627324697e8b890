"""Sync many accounts: fetch, land, audit and publish, side by side.

One thread fetches, this one owns the database. An account is published when all of its pages are
landed and its audit lets it through; accounts that are ready at the same time share a transaction.
No Dagster here: what comes out are results, account by account, as they become final.
"""

import queue
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from truto_groups.accounts import KnownAccount
from truto_groups.client import GroupsRequest, TrutoClient
from truto_groups.errors import EnvelopeError, TrutoGroupsError
from truto_groups.fetching import Arrived, Broken, Event, Failed, Fetcher, Walked
from truto_groups.logs import get_logger
from truto_groups.settings import AccountSettings
from truto_groups.walks import Page, SyncStats
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.ledger import Attempt, finish_attempts, start_attempts
from truto_groups.warehouse.settling import AccountResult, CompleteSync, settle
from truto_groups.warehouse.staging import StagedPage, Staging

logger = get_logger(__name__)

_PAGES_LANDED_TOGETHER = 100
_BYTES_LANDED_TOGETHER = 8 << 20
_ACCOUNTS_SETTLED_TOGETHER = 250
_BYTES_SETTLED_TOGETHER = 48 << 20
# When all that is left is being fetched, the run waits for what is published last.
_BYTES_SETTLED_AT_THE_END = 8 << 20
_SECONDS_TO_WAIT = 1.0


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


def sync_accounts(
    planned: Sequence[PlannedSync],
    *,
    open_client: Callable[[], TrutoClient],
    accounts_at_once: int,
    database: Database,
    run_id: str,
    clock: Callable[[], datetime],
) -> Generator[AccountResult]:
    """Sync accounts and publish each as soon as it is whole.

    Args:
        planned: The accounts; the largest known ones are begun first.
        open_client: Makes the client, in the thread that fetches.
        accounts_at_once: How many are fetched side by side.
        database: Where to publish.
        run_id: The Dagster run, for the ledger.
        clock: Gives the present as an aware UTC instant.

    Yields:
        One result per account, when what it says is committed.

    Raises:
        TokenRejectedError: Truto refuses the token; accounts not yet published have failed.
        DatabaseError: Nothing can be written any more; what was published stays.
    """
    order = sorted(planned, key=lambda one: -(one.account.group_count or 0))
    with (
        Staging() as staging,
        Fetcher(open_client, accounts_at_once=accounts_at_once) as fetcher,
    ):
        run = _Run(staging, fetcher, database, run_id=run_id, clock=clock, waiting=order)
        # So many are begun ahead that fetching never waits for publishing, or for whoever takes the
        # results, and that small accounts fill a transaction.
        yield from run.results(window=max(2 * accounts_at_once, _ACCOUNTS_SETTLED_TOGETHER))


@dataclass
class _Run:
    """The state of one call of sync_accounts."""

    staging: Staging
    fetcher: Fetcher
    database: Database
    run_id: str = field(kw_only=True)
    clock: Callable[[], datetime] = field(kw_only=True)
    waiting: list[PlannedSync] = field(kw_only=True)
    begun: dict[str, PlannedSync] = field(default_factory=dict[str, PlannedSync])
    started_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    pages: list[tuple[str, Page]] = field(default_factory=list[tuple[str, Page]])
    walked: list[CompleteSync] = field(default_factory=list[CompleteSync])
    failed: list[Attempt] = field(default_factory=list[Attempt])
    ready_since: float = 0.0

    def results(self, *, window: int) -> Iterator[AccountResult]:
        self.waiting.reverse()
        while self.waiting or self.begun:
            under_way = len(self.begun) - len(self.walked)
            if self.waiting and under_way <= window // 2:
                self._begin(window - under_way)
            for event in self._drain():
                self._take(event)
            is_settling = self._is_time_to_settle()
            if is_settling or self._is_time_to_land():
                self._land()
            if is_settling:
                yield from self._settle()

    def _begin(self, count: int) -> None:
        chosen = [self.waiting.pop() for _ in range(min(count, len(self.waiting)))]
        now = self.clock()
        keys = [one.account.id for one in chosen]
        with self.database.writing() as connection:
            start_attempts(connection, keys, run_id=self.run_id, now=now)
        for one in chosen:
            self.begun[one.account.id] = one
            self.started_at[one.account.id] = now
            self.fetcher.fetch(one.request)

    def _drain(self) -> Iterator[Event]:
        """Wait for one event, then take what else has come, up to what is landed together."""
        try:
            yield self.fetcher.events.get(timeout=_SECONDS_TO_WAIT if self.walked else None)
        except queue.Empty:
            return
        byte_count = 0
        for _ in range(16 * _PAGES_LANDED_TOGETHER):
            try:
                event = self.fetcher.events.get_nowait()
            except queue.Empty:
                return
            yield event
            if isinstance(event, Arrived):
                byte_count += event.page.byte_count
                if byte_count > _BYTES_LANDED_TOGETHER:
                    return

    def _take(self, event: Event) -> None:
        if isinstance(event, Broken):
            self._break(event.error)
        elif isinstance(event, Arrived):
            if event.integrated_account_id in self.begun:
                self.pages.append((event.integrated_account_id, event.page))
            else:
                self.fetcher.release(event.page.byte_count)
        elif event.integrated_account_id not in self.begun:
            return
        elif isinstance(event, Failed):
            self._fail(event.integrated_account_id, event.error, event.stats)
        else:
            self._finish_walk(event)

    def _finish_walk(self, event: Walked) -> None:
        one = self.begun[event.integrated_account_id]
        if not self.walked:
            self.ready_since = time.monotonic()
        self.walked.append(
            CompleteSync(
                account=one.account,
                settings=one.settings,
                walk=event.walk,
                started_at=self.started_at[one.account.id],
            )
        )

    def _land(self) -> None:
        while self.pages:
            batch = self.pages[:_PAGES_LANDED_TOGETHER]
            del self.pages[:_PAGES_LANDED_TOGETHER]
            unreadable = self.staging.land(
                [
                    StagedPage(
                        key,
                        page.number,
                        page.records,
                        self.begun[key].settings.remote_data,
                        page.listing,
                    )
                    for key, page in batch
                    if key in self.begun
                ]
            )
            self.fetcher.release(sum(page.byte_count for _, page in batch))
            for key, reason in unreadable.items():
                self.fetcher.give_up(key)
                self._fail(key, _unreadable(key, reason), SyncStats())

    def _is_time_to_land(self) -> bool:
        """Whether enough pages wait for a statement of their own, which costs some milliseconds."""
        return (
            len(self.pages) >= _PAGES_LANDED_TOGETHER
            or sum(page.byte_count for _, page in self.pages) >= _BYTES_LANDED_TOGETHER
        )

    def _is_time_to_settle(self) -> bool:
        """Whether to publish now what is ready, or to wait for more to share the transaction.

        Opening the database, looking through it for the accounts' rows, and rewriting the last row
        group of each table cost as much as publishing some thousand groups; waiting costs a second
        of freshness.
        """
        if self.failed or len(self.walked) + len(self.failed) >= len(self.begun):
            return True
        if not self.walked:
            return False
        under_way = len(self.begun) - len(self.walked)
        is_ending = not self.waiting and under_way <= self.fetcher.accounts_at_once
        enough = _BYTES_SETTLED_AT_THE_END if is_ending else _BYTES_SETTLED_TOGETHER
        return (
            len(self.walked) >= _ACCOUNTS_SETTLED_TOGETHER
            or sum(sync.walk.stats.byte_count for sync in self.walked) >= enough
            or time.monotonic() - self.ready_since >= _SECONDS_TO_WAIT
        )

    def _settle(self) -> Iterator[AccountResult]:
        walked = [sync for sync in self.walked if sync.account.id in self.begun]
        self.walked.clear()
        failed = list(self.failed)
        self.failed.clear()
        if not walked and not failed:
            return
        results = settle(
            self.staging, self.database, walked, failed, run_id=self.run_id, now=self.clock()
        )
        self.staging.forget([result.attempt.integrated_account_id for result in results])
        for result in results:
            self.begun.pop(result.attempt.integrated_account_id, None)
            yield result

    def _fail(self, key: str, error: TrutoGroupsError, stats: SyncStats) -> None:
        if any(attempt.integrated_account_id == key for attempt in self.failed):
            return  # another page of it was useless, too
        one = self.begun[key]
        self.walked = [sync for sync in self.walked if sync.account.id != key]
        self.failed.append(
            Attempt(
                integrated_account_id=key,
                outcome="failed",
                request_count=stats.request_count,
                retry_count=stats.retry_count,
                throttled_seconds=stats.throttled_seconds,
                byte_count=stats.byte_count,
                error_kind=error.kind,
                error=str(error),
                conditions=one.account.conditions(one.settings.digest),
            )
        )

    def _break(self, error: BaseException) -> None:
        """Write that what was begun has failed, and end the run."""
        if isinstance(error, TrutoGroupsError):
            for key in self.begun:
                self._fail(key, error, SyncStats())
            with self.database.writing() as connection:
                finish_attempts(connection, self.failed, run_id=self.run_id, now=self.clock())
        raise error


def _unreadable(key: str, reason: str) -> EnvelopeError:
    return EnvelopeError(
        f"The groups of integrated account {key} cannot be read, {reason}.",
        advice="Nothing was published. Ask Truto's support, naming the account; the next "
        "sync tries again.",
        integrated_account_id=key,
    )
