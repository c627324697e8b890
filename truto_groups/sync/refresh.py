"""Refresh the accounts of a run: fetched from Truto, replayed from raw records, or rebuilt.

Takes ids of accounts and yields what became of each. Which there are, and what a result looks like
in the UI, is defs/'s.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial

from truto_groups.accounts.advice import find_obstacle
from truto_groups.accounts.model import KnownAccount, ListedAccount
from truto_groups.errors import (
    NotFoundError,
    RawRecordsError,
    TooLargeError,
    TrutoError,
    TrutoGroupsError,
    tell_unforeseen,
)
from truto_groups.report.run_progress import RunProgress
from truto_groups.session import Session
from truto_groups.sync.fetch import Fetcher, OpenFetcher
from truto_groups.sync.pipeline import sync_accounts
from truto_groups.sync.progress import PlannedSync
from truto_groups.sync.replay import find_replayable, rebuild_breakdowns, replay_account
from truto_groups.sync.settle import AccountResult
from truto_groups.text.logs import get_logger
from truto_groups.text.visible import show
from truto_groups.truto import GroupsRequest
from truto_groups.truto.blocking import look_up_accounts
from truto_groups.warehouse.accounts_table import (
    begin_listing,
    find_told_since,
    read_known_accounts,
    remember_look_up,
    write_listing,
)
from truto_groups.warehouse.answer_order import count_first_request, resume_count
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.ledger_table import (
    Attempt,
    Start,
    end_killed_attempts,
    finish_attempts,
    start_attempts,
)
from truto_groups.warehouse.properties_table import claim_base_url

logger = get_logger(__name__)
_UNBOUNDED = 1 << 31
_NEVER_SYNCED = "It was never synced: materialize raw_groups for it."


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An account of the range that cannot be synced now, and why."""

    integrated_account_id: str
    reason: str


def refresh_accounts(
    session: Session,
    account_ids: Sequence[str],
    *,
    run_id: str,
    open_fetcher: OpenFetcher = Fetcher,
    counted: RunProgress | None = None,
    told_together: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[AccountResult | PassedOver]:
    """Fetch accounts and publish each as soon as it is whole.

    Args:
        session: What the run works with.
        account_ids: Integrated account ids; those not known yet are looked up.
        run_id: The Dagster run.
        open_fetcher: Makes who fetches: a thread of its own, unless somebody else keeps the time.
        counted: Where pages, throttling and waiting are counted; results are for the receiver to.
        told_together: Makes the block in which results are handed over that were committed as one.

    Yields:
        One result per account that was tried, when what it says is committed; and the accounts
        that are not active, gone, skipped or without groups, which leave no trace.

    Raises:
        SettingsError: The token is missing.
        TokenRejectedError: Truto refuses the token.
        DatabaseError: Nothing can be written.
    """
    open_client = session.find_client()
    with session.database.coordination.mark_alive(run_id):
        known = _prepare(session, account_ids)
        doubtful = _find_doubtful(account_ids, known)
        yield from _look_up(session, doubtful, known, run_id=run_id)
        planned = yield from _plan_syncs(session, account_ids, known, run_id=run_id)
        count_order = partial(count_first_request, session.database)
        results = sync_accounts(
            planned,
            fetcher=open_fetcher(
                open_client,
                accounts_at_once=session.knobs.accounts_at_once,
                count_order=count_order,
                clock=session.clock,
            ),
            count_order=count_order,
            database=session.database,
            run_id=run_id,
            clock=session.clock,
            monotonic=session.monotonic,
            counted=counted,
            told_together=told_together,
        )
        with closing(results):
            yield from results


def _find_doubtful(account_ids: Sequence[str], known: Mapping[str, KnownAccount]) -> list[str]:
    """Find who is not known, and the one that a person picks and may have reconnected."""
    if len(account_ids) == 1 and account_ids[0] in known:
        return [] if known[account_ids[0]].is_active else list(account_ids)
    return [account_id for account_id in account_ids if account_id not in known]


def _plan_syncs(
    session: Session,
    account_ids: Sequence[str],
    known: Mapping[str, KnownAccount],
    *,
    run_id: str,
) -> Generator[AccountResult | PassedOver, None, list[PlannedSync]]:
    """Plan the accounts that can be synced; yield what became of the others."""
    planned: list[PlannedSync] = []
    for account_id in account_ids:
        account = known.get(account_id)
        if account is None:
            continue
        settings = session.settings_for(account)
        obstacle = find_obstacle(account, skip=settings.skip)
        mistake = session.find_mistake(account)
        if obstacle is not None:
            yield PassedOver(account_id, obstacle)
        elif mistake is not None:
            conditions = account.conditions(settings.digest)
            yield _record_failure(
                session, account_id, mistake, conditions=conditions, run_id=run_id
            )
        else:
            planned.append(plan_sync(session, account))
    return planned


def replay_accounts(
    session: Session, account_ids: Sequence[str], *, run_id: str
) -> Iterator[AccountResult | PassedOver]:
    """Rebuild groups and what lies below from raw_groups, without a request.

    Yields:
        One result per account; those that were never synced have nothing to rebuild from.

    Raises:
        DatabaseError: Nothing can be written.
    """
    known = _read_synced(session, account_ids)
    for account_id in account_ids:
        if account_id in known:
            yield _replay(session, known[account_id], run_id=run_id)
        else:
            yield PassedOver(account_id, _NEVER_SYNCED)


def rebuild_account_breakdowns(
    session: Session, account_ids: Sequence[str]
) -> list[KnownAccount | PassedOver]:
    """Count the groups of accounts anew by type, without a request.

    Returns:
        The accounts, in their order; those that were never synced have nothing to count.

    Raises:
        DatabaseError: Nothing can be written.
    """
    synced = _read_synced(session, account_ids)
    rebuild_breakdowns(session.database, list(synced))
    return [synced.get(one) or PassedOver(one, _NEVER_SYNCED) for one in account_ids]


def _prepare(session: Session, account_ids: Sequence[str]) -> dict[str, KnownAccount]:
    with session.database.writing() as connection:
        claim_base_url(connection, session.knobs.base_url)
        end_killed_attempts(
            connection,
            is_alive=session.database.coordination.is_alive,
            now=session.clock(),
        )
        resume_count(session.database, connection)
        wanted = set(account_ids)
        return {a.id: a for a in read_known_accounts(connection) if a.id in wanted}


def _read_synced(session: Session, account_ids: Sequence[str]) -> dict[str, KnownAccount]:
    """Read those of the accounts that were ever published."""
    with session.database.reading() as connection:
        synced = find_replayable(connection, account_ids)
        return {a.id: a for a in read_known_accounts(connection) if a.id in synced}


def _replay(session: Session, account: KnownAccount, *, run_id: str) -> AccountResult:
    settings = session.settings_for(account)
    try:
        return replay_account(
            session.database, account, settings, run_id=run_id, clock=session.clock
        )
    except (RawRecordsError, TooLargeError) as error:
        kind, told = error.kind, account.name_in(str(error))
    except TrutoGroupsError:
        raise
    except Exception as error:
        raise_interruption(error)
        # Whatever its records do to us, it is this account's failure and nobody else's.
        logger.exception("Integrated account %s could not be replayed", show(account.partition_key))
        unforeseen = tell_unforeseen(account.partition_key, error)
        kind, told = unforeseen.kind, str(unforeseen)
    return AccountResult(
        Attempt(account.id, "failed", error_kind=kind, error=told), account=account
    )


def _look_up(
    session: Session, account_ids: Sequence[str], known: dict[str, KnownAccount], *, run_id: str
) -> Iterator[AccountResult]:
    """Ask Truto for accounts that no listing told of, or that may be active by now."""
    if not account_ids:
        return
    open_client = session.find_client()
    turn = begin_listing(session.database)
    answers = look_up_accounts(open_client, account_ids)
    found = [answer for answer in answers.values() if isinstance(answer, ListedAccount)]
    if found:
        with session.database.writing() as connection:
            told_since = find_told_since(connection, turn)
            if told_since is not None:
                newest = [account for account in found if account.id not in told_since]
                write_listing(connection, newest, now=session.clock())
                remember_look_up(connection, [account.id for account in newest], turn)
            ids = {account.id for account in found}
            known |= {a.id: a for a in read_known_accounts(connection) if a.id in ids}
    for account_id, answer in answers.items():
        if account_id in known:
            continue
        error = answer if isinstance(answer, TrutoError) else _not_listed(account_id)
        yield _record_failure(session, account_id, error, run_id=run_id)


def _not_listed(account_id: str) -> NotFoundError:
    return NotFoundError(
        f"Integrated account {account_id} was there when it was looked up, and a listing that was "
        "asked for later does not hold it.",
        advice="It was removed meanwhile. If it was not, the next listing adds it.",
        integrated_account_id=account_id,
    )


def plan_sync(session: Session, account: KnownAccount) -> PlannedSync:
    """Say what to ask Truto for."""
    settings = session.settings_for(account)
    request = GroupsRequest(
        integrated_account_id=account.id,
        integration=account.integration,
        query=settings.query,
        requests_at_once=settings.requests_at_once_per_account or _UNBOUNDED,
        requests_per_10_seconds=settings.requests_per_10_seconds_per_account,
        max_pages=settings.max_pages or _UNBOUNDED,
        complete=settings.complete,
        page_size=settings.page_size,
    )
    return PlannedSync(account, settings, request)


def _record_failure(
    session: Session,
    account_id: str,
    error: TrutoGroupsError,
    *,
    run_id: str,
    conditions: str | None = None,
) -> AccountResult:
    """Write an attempt that failed before anything could be fetched."""
    attempt = Attempt(
        account_id, "failed", error_kind=error.kind, error=str(error), conditions=conditions
    )
    now = session.clock()

    def write() -> None:
        with session.database.writing() as connection:
            start = Start(account_id, count_first_request(session.database), now)
            start_attempts(connection, [start], run_id=run_id)
            finish_attempts(connection, [attempt], run_id=run_id, now=now)

    session.database.retried(write)
    return AccountResult(attempt)
