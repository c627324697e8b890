"""Sync many accounts: fetch, land, audit and publish, side by side.

Others fetch, this thread owns the database. An account is published when all of its pages are
landed and its audit lets it through; accounts that are ready at the same time share a transaction.
No Dagster here: what comes out are results, account by account, as they become final.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from truto_groups.errors import (
    DatabaseError,
    EnvelopeError,
    TrutoError,
    TrutoGroupsError,
    UnforeseenError,
)
from truto_groups.report.run_progress import RunProgress
from truto_groups.sync.fetch import (
    Arrived,
    Began,
    Broken,
    Event,
    Failed,
    Fetches,
    StartedOver,
    Throttled,
)
from truto_groups.sync.judge import LandedSync
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.progress import AccountSync, ArrivedPage, PlannedSync, Progress, Stage
from truto_groups.sync.settle import AccountResult, settle
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.interruption import find_interruption, raise_interruption
from truto_groups.warehouse.ledger_table import Attempt, Start, interrupt_attempts, start_attempts

logger = get_logger(__name__)

_PAGES_LANDED_TOGETHER = 100
_BYTES_LANDED_TOGETHER = 8 << 20
_ACCOUNTS_SETTLED_TOGETHER = 250
_BYTES_SETTLED_TOGETHER = 48 << 20
# When all that is left is being fetched, the run waits for what is published last.
_BYTES_SETTLED_AT_THE_END = 8 << 20
_SECONDS_TO_WAIT = 1.0
# A transaction of its own for attempts that began costs some milliseconds.
_SECONDS_BETWEEN_RECORDS = 0.25
_SECONDS_TO_INTERRUPT = 3.0


def sync_accounts(
    planned: Sequence[PlannedSync],
    *,
    fetcher: AbstractContextManager[Fetches],
    count_order: Callable[[], int],
    database: Database,
    run_id: str,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float] = time.monotonic,
    counted: RunProgress | None = None,
    told_together: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[AccountResult]:
    """Sync accounts and publish each as soon as it is whole.

    Args:
        planned: The accounts; the largest known ones are begun first.
        fetcher: Fetches them; opened and closed here.
        count_order: Counts first requests, for an attempt that comes to nothing before its own.
        database: Where to publish.
        run_id: The Dagster run, for the ledger.
        clock: Gives the present as an aware UTC instant.
        monotonic: Seconds since any moment, which never go back.
        counted: Where pages, throttling and waiting are counted; results are for the receiver to.
        told_together: Makes the block in which results are handed over that were committed as one.

    Yields:
        One result per account, when what it says is committed.

    Raises:
        TokenRejectedError: Truto refuses the token; what was whole by then is published.
        DatabaseError: Nothing can be written any more; what was published stays.
    """
    order = sorted(planned, key=lambda one: -(one.account.group_count or 0))
    with Staging(database.connect()) as staging, fetcher as fetches:
        run = _Run(
            staging,
            fetches,
            database,
            Progress(order),
            count_order=count_order,
            run_id=run_id,
            clock=clock,
            monotonic=monotonic,
            counted=counted,
            told_together=told_together,
        )
        try:
            yield from run.results()
        except BaseException as error:
            # A signal, or nobody who takes the results any more; else it broke off by itself.
            is_cancelled = isinstance(error, GeneratorExit) or find_interruption(error) is not None
            run.interrupt(is_cancelled=is_cancelled)
            raise_interruption(error)
            raise


@dataclass
class _Run:
    """The state of one call of sync_accounts."""

    staging: Staging
    fetches: Fetches
    database: Database
    progress: Progress
    count_order: Callable[[], int] = field(kw_only=True)
    run_id: str = field(kw_only=True)
    clock: Callable[[], datetime] = field(kw_only=True)
    monotonic: Callable[[], float] = field(kw_only=True)
    counted: RunProgress | None = field(kw_only=True)
    told_together: Callable[[], AbstractContextManager[None]] = field(kw_only=True)
    pages: list[ArrivedPage] = field(default_factory=list[ArrivedPage])
    unrecorded: list[AccountSync] = field(default_factory=list[AccountSync])
    failures: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    broken: BaseException | None = None
    ready_since: float = 0.0
    recorded_at: float | None = None

    def results(self) -> Iterator[AccountResult]:
        while not self.progress.is_over and self.broken is None:
            self._queue()
            for event in self._drain():
                self._take(event)
            if self._is_time_to_settle():
                yield from self._settle()
            elif self._is_time_to_land():
                self._land()
            if self._is_time_to_record():
                self._record()
        if self.broken is not None:
            yield from self._settle_what_is_whole(self.broken)
            raise self.broken

    def interrupt(self, *, is_cancelled: bool) -> None:
        """Say in the ledger what became of what is under way, if that can be said soon."""
        with (
            contextlib.suppress(DatabaseError),
            self.database.writing(within_seconds=_SECONDS_TO_INTERRUPT) as connection,
        ):
            self._write_starts(connection)
            interrupt_attempts(connection, self.run_id, is_cancelled=is_cancelled, now=self.clock())

    def _queue(self) -> None:
        """Hand on so many ahead that fetching never waits for publishing, nor for its results."""
        window = max(2 * self.fetches.accounts_at_once, _ACCOUNTS_SETTLED_TOGETHER)
        under_way = self.progress.count(Stage.QUEUED, Stage.WALKING)
        if under_way <= window // 2:
            for sync in self.progress.at(Stage.WAITING)[: window - under_way]:
                self.progress.queue(sync)
                self.fetches.fetch(sync.planned.request)

    def _drain(self) -> Iterator[Event]:
        """Wait for one event, then take what else has come, up to what is landed together."""
        is_open = self.unrecorded or self.progress.count(Stage.WALKED, Stage.LANDED)
        is_patient = not is_open and self.counted is None
        seconds = None if is_patient else _SECONDS_TO_WAIT
        if self.progress.count(Stage.FAILED):
            seconds = 0  # of one that was given up no event may come any more
        event = self.fetches.next_event(timeout=seconds)
        if event is None and self.counted is not None:
            self.counted.wait()
        count = byte_count = 0
        while event is not None:
            yield event
            count += 1
            byte_count += event.page.byte_count if isinstance(event, Arrived) else 0
            # Before another is taken out, which nobody would have then.
            if count >= 16 * _PAGES_LANDED_TOGETHER or byte_count > _BYTES_LANDED_TOGETHER:
                return
            event = self.fetches.next_event(timeout=0)

    def _take(self, event: Event) -> None:
        if isinstance(event, Broken):
            self.broken = event.error
            return
        if self.counted is not None:
            _count(event, self.counted)
        if isinstance(event, Throttled):
            return
        sync = self.progress.find(event.integrated_account_id)
        if isinstance(event, Arrived):
            self.pages.append(ArrivedPage(sync, event.page, sync.walk_number))
        elif sync.stage not in (Stage.QUEUED, Stage.WALKING):
            return  # given up already; what was under way still comes
        elif isinstance(event, Began):
            sync.stats = event.stats
            self._begin(sync, answer_order=event.answer_order, at=event.at)
        elif isinstance(event, StartedOver):
            refusal = sync.planned.account.name_in(event.reason)
            logger.info("%s All of the account is walked anew.", refusal)
            self.progress.start_over(sync)
            self.staging.forget([sync.id])
        elif isinstance(event, Failed):
            sync.stats = event.stats
            self._fail(sync, event.error)
        else:
            if not self.progress.count(Stage.WALKED, Stage.LANDED):
                self.ready_since = self.monotonic()
            self.progress.finish_walk(sync, event.walk)

    def _begin(self, sync: AccountSync, *, answer_order: int, at: datetime) -> None:
        self.progress.begin(sync, answer_order=answer_order, at=at)
        self.unrecorded.append(sync)

    def _is_time_to_record(self) -> bool:
        return bool(self.unrecorded) and (
            self.recorded_at is None
            or self.monotonic() - self.recorded_at >= _SECONDS_BETWEEN_RECORDS
        )

    def _record(self) -> None:
        """Write into the ledger what has begun."""
        if self.unrecorded:

            def write() -> None:
                with self.database.writing(self.staging.connection) as connection:
                    self._write_starts(connection)

            self.database.retried(write)
            self.unrecorded.clear()
            self.recorded_at = self.monotonic()

    def _write_starts(self, connection: Connection) -> None:
        start_attempts(connection, _list_starts(self.unrecorded), run_id=self.run_id)

    def _land(self) -> None:
        while self.pages:
            batch = self.pages[:_PAGES_LANDED_TOGETHER]
            del self.pages[:_PAGES_LANDED_TOGETHER]
            wanted = [arrived for arrived in batch if arrived.is_wanted]
            unreadable = self.staging.land([_stage(arrived) for arrived in wanted])
            self.fetches.release(sum(arrived.page.byte_count for arrived in batch))
            for arrived in wanted:
                if arrived.sync.id not in unreadable:
                    self.progress.land(arrived)
            for account_id, reason in unreadable.items():
                self.fetches.give_up(account_id)
                self._fail(self.progress.find(account_id), _unreadable(account_id, reason))

    def _is_time_to_land(self) -> bool:
        """Whether enough pages wait for a statement of their own, which costs some milliseconds."""
        return (
            len(self.pages) >= _PAGES_LANDED_TOGETHER
            or sum(arrived.page.byte_count for arrived in self.pages) >= _BYTES_LANDED_TOGETHER
        )

    def _is_time_to_settle(self) -> bool:
        """Whether to publish now what is ready, or to wait for more to share the transaction.

        Opening the database, looking through it for the accounts' rows, and rewriting the last row
        group of each table cost as much as publishing some thousand groups; waiting costs a second
        of freshness.
        """
        progress = self.progress
        under_way = progress.count(Stage.QUEUED, Stage.WALKING)
        if progress.count(Stage.FAILED) or not under_way:
            return True
        whole = progress.at(Stage.WALKED, Stage.LANDED)
        if not whole:
            return False
        is_ending = not progress.count(Stage.WAITING) and under_way <= self.fetches.accounts_at_once
        enough = _BYTES_SETTLED_AT_THE_END if is_ending else _BYTES_SETTLED_TOGETHER
        return (
            len(whole) >= _ACCOUNTS_SETTLED_TOGETHER
            or sum(one.walk.stats.byte_count for one in whole if one.walk is not None) >= enough
            or self.monotonic() - self.ready_since >= _SECONDS_TO_WAIT
        )

    def _settle(self) -> Iterator[AccountResult]:
        self._land()
        for sync in self.progress.at(Stage.WALKED):
            self._fail(sync, _incomplete(sync.id))
        self._record()
        syncs = self.progress.at(Stage.LANDED, Stage.FAILED)
        if not syncs:
            return
        settled = settle(
            self.staging,
            self.database,
            [landed for sync in syncs if (landed := _as_landed(sync)) is not None],
            [self.failures.pop(sync.id) for sync in syncs if sync.stage is Stage.FAILED],
            starts={start.integrated_account_id: start for start in _list_starts(syncs)},
            run_id=self.run_id,
            clock=self.clock,
        )
        with contextlib.closing(settled):
            for results in settled:
                account_ids = [result.attempt.integrated_account_id for result in results]
                self.staging.forget(account_ids)
                for account_id in account_ids:
                    self.progress.settle(self.progress.find(account_id))
                with self.told_together():
                    for result in results:
                        sync = self.progress.find(result.attempt.integrated_account_id)
                        yield replace(result, account=sync.planned.account)

    def _settle_what_is_whole(self, error: BaseException) -> Iterator[AccountResult]:
        """Before the run ends: publish what is whole; with the token, what is under way failed."""
        if isinstance(error, TrutoError):
            for sync in self.progress.at(Stage.WALKING):
                self._fail(sync, error)
        if isinstance(error, TrutoGroupsError):
            failed = {sync.id for sync in self.progress.at(Stage.FAILED)}
            for result in self._settle():
                if result.attempt.integrated_account_id not in failed:
                    yield result

    def _fail(self, sync: AccountSync, error: TrutoGroupsError) -> None:
        if sync.stage is Stage.FAILED:
            return  # another page of it was useless, too
        if sync.stage is Stage.QUEUED:  # nothing was sent, because everything is paused
            self._begin(sync, answer_order=self.count_order(), at=self.clock())
        self.progress.fail(sync)
        account, settings = sync.planned.account, sync.planned.settings
        self.failures[sync.id] = Attempt(
            integrated_account_id=sync.id,
            outcome="failed",
            request_count=sync.stats.request_count,
            retry_count=sync.stats.retry_count,
            throttled_seconds=sync.stats.throttled_seconds,
            byte_count=sync.stats.byte_count,
            error_kind=error.kind,
            error=account.name_in(str(error)),
            conditions=account.conditions(settings.digest),
        )


def _count(event: Event, counted: RunProgress) -> None:
    if isinstance(event, Arrived):
        counted.count_page()
    elif isinstance(event, Throttled):
        counted.count_throttling(event.seconds)


def _stage(arrived: ArrivedPage) -> StagedPage:
    page = arrived.page
    remote_data = arrived.sync.planned.settings.remote_data
    return StagedPage(arrived.sync.id, page.number, page.records, remote_data, page.listing)


def _list_starts(syncs: Sequence[AccountSync]) -> list[Start]:
    return [
        Start(sync.id, sync.answer_order, sync.started_at)
        for sync in syncs
        if sync.answer_order is not None and sync.started_at is not None
    ]


def _as_landed(sync: AccountSync) -> LandedSync | None:
    if sync.landing is None or sync.answer_order is None or sync.started_at is None:
        return None
    return LandedSync(
        account=sync.planned.account,
        settings=sync.planned.settings,
        landing=sync.landing,
        answer_order=sync.answer_order,
        started_at=sync.started_at,
    )


def _unreadable(account_id: str, reason: str) -> EnvelopeError:
    return EnvelopeError(
        f"The groups of integrated account {account_id} cannot be read, {reason}.",
        advice="Nothing was published. Ask Truto's support, naming the account; the next "
        "sync tries again.",
        integrated_account_id=account_id,
    )


def _incomplete(account_id: str) -> UnforeseenError:
    return UnforeseenError(
        f"Not every page of integrated account {account_id} could be landed.",
        advice="Nothing was published; the next sync tries again. Please report it.",
    )
