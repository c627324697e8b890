"""Keep a listing: the table of accounts, who is new or gone, and which partitions that means.

What a listing means is decided in listing.py; here it is fetched and written. Dagster's
partitions are the caller's to change, as told.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from truto_groups.accounts.listing import find_expired, find_gone, plan_questions
from truto_groups.accounts.model import KnownAccount, Listing
from truto_groups.accounts.planning import is_syncable, is_wanted
from truto_groups.contracts.declared import KeptRow
from truto_groups.contracts.refresh_contracts import (
    advise_parameter,
    find_accounts_lacking_parameters,
)
from truto_groups.errors import TrutoError
from truto_groups.session import Session
from truto_groups.settings import find_unused_settings
from truto_groups.sync.remove import remove_accounts
from truto_groups.text.logs import get_logger
from truto_groups.text.visible import show
from truto_groups.truto.blocking import ask_support, list_accounts
from truto_groups.warehouse.accounts_table import (
    ListingTurn,
    begin_listing,
    find_told_since,
    mark_gone,
    read_capabilities,
    read_known_accounts,
    read_present_ids,
    remember_listing,
    write_capabilities,
    write_listing,
)
from truto_groups.warehouse.commits import Commits
from truto_groups.warehouse.contracts_table import read_contracts
from truto_groups.warehouse.ledger_table import end_killed_attempts
from truto_groups.warehouse.properties_table import claim_base_url

logger = get_logger(__name__)

# What was told of the settings file in this process; the sensor discovers every five minutes.
_told: set[str] = set()


@dataclass(frozen=True)
class Discovery:
    """What a listing means.

    Attributes:
        accounts: All known accounts now.
        listed_count: Accounts that were listed.
        added_keys: Keys that want a partition, in the order in which they were first listed.
        removed_keys: Keys that want none any more.
        gone: Accounts that this listing lacks and that were known before it was asked for.
    """

    accounts: Sequence[KnownAccount]
    listed_count: int
    added_keys: Sequence[str]
    removed_keys: Sequence[str]
    gone: Sequence[str]


def discover_accounts(
    session: Session,
    *,
    partition_keys: Sequence[str],
    in_flight: Collection[str],
    run_id: str,
    is_removing: bool = True,
    within_seconds: float | None = None,
) -> Discovery:
    """List all integrated accounts and keep what the listing means.

    Args:
        session: What to work with.
        partition_keys: Dagster's keys.
        in_flight: Keys of accounts that a queued or running run covers; these are not removed.
        run_id: Names who removed the groups of accounts that are gone, in ``group_changes``.
        is_removing: Whether accounts whose grace period is over are removed.
        within_seconds: How long Truto may take in all; None: as long as the knobs allow.

    Returns:
        What to do with the partitions.

    Raises:
        TrutoError: The listing failed, broke off or is doubtful; nothing was changed.
        DatabaseError: Nothing was changed.
    """
    listing_seconds, asking_seconds = _share_out(within_seconds)
    open_client = session.find_client()
    turn = begin_listing(session.database)
    listing = list_accounts(open_client, within_seconds=listing_seconds)
    _warn_of_unreadable(listing.unreadable)
    now = session.clock()
    kept = _keep(session, listing, turn, now=now)
    known = _ask(session, kept.questions, kept.known, within_seconds=asking_seconds)
    _warn_of_settings(session, known)
    _warn_of_missing_parameters(session, known, kept.contracts)
    removed: list[str] = []
    if is_removing:
        expired = find_expired(
            known,
            in_flight=in_flight,
            grace_period=session.settings.discovery.grace_period,
            now=now,
        )
        if expired:
            removed = remove_accounts(
                session.database,
                [account for account in known if account.id in set(expired)],
                run_id=run_id,
                clock=session.clock,
            )
    return _conclude(
        session,
        [account for account in known if account.id not in set(removed)],
        listed_count=len(listing.accounts),
        gone=kept.gone,
        partition_keys=partition_keys,
        in_flight=in_flight,
    )


@dataclass(frozen=True)
class _Kept:
    """What stands in the tables once a listing is written, and what it says."""

    gone: Sequence[str]
    known: list[KnownAccount]
    questions: Sequence[KnownAccount]
    contracts: Sequence[KeptRow]


def _keep(session: Session, listing: Listing, turn: ListingTurn, *, now: datetime) -> _Kept:
    """Write a listing, in one transaction."""
    commits = Commits[_Kept](session.database)

    def write() -> _Kept:
        with session.database.writing() as connection:
            if (committed := commits.find(connection)) is not None:
                return committed
            claim_base_url(connection, session.knobs.base_url)
            end_killed_attempts(
                connection, is_alive=session.database.coordination.is_alive, now=now
            )
            gone: list[str] = []
            told_since = find_told_since(connection, turn)
            if told_since is None:
                logger.info(
                    "A newer listing of integrated accounts is written already: this one, which "
                    "took longer, changes nothing."
                )
            else:
                # What another has added or looked up meanwhile, this listing is too old to tell of.
                gone = find_gone(
                    listing.accounts,
                    present=read_present_ids(connection) & (turn.known - told_since),
                    max_missing_share=session.settings.discovery.max_missing_share,
                )
                if listing.unreadable:
                    gone = []  # whoever is missing may be one of these
                listed = [one for one in listing.accounts if one.id not in told_since]
                write_listing(connection, listed, now=now)
                mark_gone(connection, gone, now=now)
                remember_listing(connection, turn, now=now)
            known = read_known_accounts(connection)
            capabilities = read_capabilities(connection)
            kept = _Kept(
                gone,
                known,
                plan_questions(known, capabilities=capabilities, now=now),
                read_contracts(connection),
            )
            commits.note(connection, kept)
            return kept

    return session.database.retried(write)


def _share_out(seconds: float | None) -> tuple[float | None, float | None]:
    """Give the listing most of the time: a question that fails is asked again next time."""
    return (None, None) if seconds is None else (seconds * 0.75, seconds * 0.25)


def _ask(
    session: Session,
    questions: Sequence[KnownAccount],
    known: list[KnownAccount],
    *,
    within_seconds: float | None,
) -> list[KnownAccount]:
    """Ask whether integrations list groups; a question that fails is asked again next time."""
    if not questions:
        return known
    asked = {account.id: account for account in questions}
    answers = ask_support(session.find_client(), list(asked), within_seconds=within_seconds)
    supports: dict[str, bool | None] = {}
    for account_id, answer in answers.items():
        account = asked[account_id]
        if isinstance(answer, TrutoError):
            told = account.name_in(str(answer))
            logger.warning("Not known whether %s lists groups: %s", account.integration, told)
        else:
            supports[account.integration] = answer
    now = session.clock()

    def write() -> list[KnownAccount]:
        with session.database.writing() as connection:
            write_capabilities(connection, supports, now=now)
            return read_known_accounts(connection)

    return session.database.retried(write)


def _warn_of_unreadable(rows: Sequence[str]) -> None:
    if rows:
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        logger.warning(
            "Truto's listing names no account in %s%s: the id cannot be read. No account is taken "
            "as gone until it can. Ask Truto's support.",
            ", ".join(rows[:5]),
            more,
        )


def _warn_of_settings(session: Session, known: Sequence[KnownAccount]) -> None:
    """Tell, once in a process, of settings that only a listing shows to be wrong."""
    settings = session.settings
    unused = find_unused_settings(
        settings,
        account_names={name for account in known for name in (account.id, account.partition_key)},
        integrations={account.integration for account in known},
    )
    mistakes = map(session.find_mistake, known)
    for told in [*unused, *(str(mistake) for mistake in mistakes if mistake)]:
        if told not in _told:
            _told.add(told)
            logger.warning("%s", told)


def _warn_of_missing_parameters(
    session: Session, known: Sequence[KnownAccount], contracts: Sequence[KeptRow]
) -> None:
    """Tell of accounts whose first sync would be answered with 400.

    Once: of those that wait for a sync. After that the ledger and declared_contracts_are_stable
    tell of them.
    """
    waiting = [
        account
        for account in known
        if is_wanted(account) and is_syncable(account, skip=session.settings_for(account).skip)
    ]
    for missing in find_accounts_lacking_parameters(session, waiting, rows=contracts):
        logger.warning(
            "Integrated account %s needs the query parameter %s, which no setting gives. %s",
            show(missing.account.partition_key),
            missing.parameter,
            advise_parameter(missing),
        )


def _conclude(
    session: Session,
    known: Sequence[KnownAccount],
    *,
    listed_count: int,
    gone: Sequence[str],
    partition_keys: Sequence[str],
    in_flight: Collection[str],
) -> Discovery:
    keys = set(partition_keys)
    own = {account.partition_key for account in known}
    return Discovery(
        accounts=known,
        listed_count=listed_count,
        added_keys=[
            account.partition_key
            for account in known
            if account.partition_key not in keys
            and is_syncable(account, skip=session.settings_for(account).skip)
        ],
        removed_keys=[key for key in partition_keys if key not in own and key not in in_flight],
        gone=gone,
    )
