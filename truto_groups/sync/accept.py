"""Accept what accounts send now: it becomes their baseline, and what was held back is published.

Nothing is fetched: a sync that waits is published from its kept records, and counts as old as it
is. Whoever accepts sees before what it would do, with a digest; when the accounts have moved on
since, accepting refuses.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from truto_groups.accounts.selection import find_named
from truto_groups.drift.audit import audit
from truto_groups.drift.findings import findings_to_json
from truto_groups.errors import AcceptanceRefusedError
from truto_groups.report.pending import PendingAcceptance
from truto_groups.settings import AccountSettings
from truto_groups.sync.access_review import note_privileged_changes
from truto_groups.sync.judge import digest_answer
from truto_groups.sync.land import Staging
from truto_groups.sync.land_stored import land_held_back
from truto_groups.sync.publish import ReplacedAccount, Replacement, release_held_back, replace_rows
from truto_groups.sync.waiting import digest_of, read_pending
from truto_groups.text.logs import get_logger
from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.commits import Commits
from truto_groups.warehouse.connections import Connection, set_variables
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.duckdb_errors import first_line
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.ledger_table import read_confirmations
from truto_groups.warehouse.properties_table import take_instant
from truto_groups.warehouse.statements import statements

logger = get_logger(__name__)

# What an account's own records do; a full disk is nobody's.
_BLAMABLE = (duckdb.OutOfMemoryException, duckdb.DataError, duckdb.ProgrammingError)


@dataclass(frozen=True)
class Acceptance:
    """Who accepts what, and why.

    Attributes:
        account_names: These accounts, as people name them, and
        integrations: all accounts of these integrations, but for those of which no rows can be
            made.
        reason: Why it is right.
        accepted_by: Who says so.
        digest: Of what was shown; "" accepts whatever waits now.
    """

    account_names: Sequence[str]
    integrations: Sequence[str]
    reason: str
    accepted_by: str
    digest: str = ""


@dataclass(frozen=True)
class AcceptedAccount:
    """An account whose last answer is the baseline now."""

    pending: PendingAcceptance
    replacement: Replacement


def accept(
    database: Database,
    acceptance: Acceptance,
    *,
    settings_for: Callable[[PendingAcceptance], AccountSettings],
    run_id: str,
    clock: Callable[[], datetime],
) -> list[AcceptedAccount]:
    """Accept what the named accounts sent last.

    Args:
        database: The database.
        acceptance: Who accepts what, and why.
        settings_for: Gives what holds for an account.
        run_id: The run that accepts, for ``group_changes``.
        clock: Gives the present as an aware UTC instant.

    Returns:
        The accepted accounts, all in one transaction.

    Raises:
        AcceptanceRefusedError: Nothing is named or waits, the accounts have moved on, or no rows
            can be made of what one sent that is named itself. Nothing was written.
        DatabaseError: Nothing was written.
    """
    commits = Commits[list[AcceptedAccount]](database)
    return database.retried(
        lambda: _accept(
            database,
            acceptance,
            settings_for=settings_for,
            run_id=run_id,
            clock=clock,
            commits=commits,
        )
    )


def _accept(
    database: Database,
    acceptance: Acceptance,
    *,
    settings_for: Callable[[PendingAcceptance], AccountSettings],
    run_id: str,
    clock: Callable[[], datetime],
    commits: Commits[list[AcceptedAccount]],
) -> list[AcceptedAccount]:
    with Staging(database.connect()) as staging, database.owning(staging.connection) as turn:
        connection = staging.connection
        if (committed := commits.find(connection)) is not None:
            return committed
        pending = staging.with_room(lambda: _choose(connection, acceptance))
        settings = {one.integrated_account_id: settings_for(one) for one in pending}
        held = [one for one in pending if not one.is_published]
        digests = {
            one.integrated_account_id: _land(staging, one, settings[one.integrated_account_id])
            for one in held
        }

        under_way: list[PendingAcceptance] = []

        def write(parts: Sequence[Sequence[PendingAcceptance]]) -> list[AcceptedAccount]:
            replaced: dict[str, Replacement] = {}
            with database.committing(connection, turn):
                now = take_instant(connection, clock)
                for part in parts:
                    under_way[:] = part
                    replaced |= _publish(
                        connection, part, settings, digests, run_id=run_id, now=now
                    )
                release_held_back(connection, [one.integrated_account_id for one in pending])
                _move_baselines(connection, pending, acceptance, now=now)
                accounts = [
                    AcceptedAccount(one, replaced.get(one.integrated_account_id, Replacement()))
                    for one in pending
                ]
                commits.note(connection, accounts)
            return accounts

        with _blaming(under_way):
            try:
                return staging.with_room(lambda: write([held]))
            except _BLAMABLE as error:
                raise_interruption(error)
                # One by one they need less memory, and the one that cannot be published is known.
                return staging.with_room(lambda: write([[one] for one in held]))


def _choose(connection: Connection, acceptance: Acceptance) -> list[PendingAcceptance]:
    if not acceptance.account_names and not acceptance.integrations:
        raise AcceptanceRefusedError(
            "Neither accounts nor integrations are named.",
            advice="Give integrated_account_ids or integrations.",
        )
    account_ids, unknown = find_named(acceptance.account_names, read_known_accounts(connection))
    if unknown:
        raise AcceptanceRefusedError(
            f"{show(unknown[0].name)}: {unknown[0].what}.", advice=unknown[0].hint
        )
    pending = read_pending(
        connection,
        integrated_account_ids=account_ids,
        integrations=acceptance.integrations,
    )
    if not pending:
        raise AcceptanceRefusedError(
            "None of the named accounts drifted or is held back: there is nothing to accept.",
            advice="See the checks no_unaccepted_drift and group_counts_are_plausible for those "
            "that wait.",
        )
    chosen = _leave_out_hopeless(pending, named=account_ids)
    shown = digest_of(chosen)
    if acceptance.digest and acceptance.digest != shown:
        raise AcceptanceRefusedError(
            f"The accounts have moved on: what waits now has the digest {shown}, and what was "
            f"shown had {acceptance.digest}.",
            advice="Look again at what acceptance would do, and take the digest from there.",
        )
    return chosen


def _leave_out_hopeless(
    pending: Sequence[PendingAcceptance], *, named: Sequence[str]
) -> list[PendingAcceptance]:
    """Leave out of what no rows can be made of: of its whole integration, one account is no reason.

    Raises:
        AcceptanceRefusedError: It is named itself, or nothing else is left.
    """
    chosen = [one for one in pending if one.obstacle is None]
    for one in pending:
        if one.obstacle is None:
            continue
        if one.integrated_account_id in named or not chosen:
            raise AcceptanceRefusedError(
                f"Integrated account {one.partition_key} cannot be accepted, because no "
                f"rows can be made of what it sent. {one.obstacle}",
                advice="Have the mapping mended at Truto, then sync again.",
            )
        logger.warning(
            "Integrated account %s is left out, because no rows can be made of what it sent. %s",
            show(one.partition_key),
            show(one.obstacle),
        )
    return chosen


def _land(staging: Staging, one: PendingAcceptance, settings: AccountSettings) -> str:
    """Land what waits of an account, and return the digest of the answer.

    Raises:
        AcceptanceRefusedError: Some of it is missing, or it is too long.
    """
    account_id = one.integrated_account_id
    with _blaming([one]):
        land_held_back(staging, account_id, settings=settings)
        landed = staging.inspect([account_id])[account_id]
    if landed.group_count != one.group_count:
        raise AcceptanceRefusedError(
            f"Of integrated account {one.partition_key} {landed.group_count:,} groups wait in "
            f"held_back_groups, and it had {one.group_count:,} when it was held back: something "
            "else has changed them.",
            advice="Nothing was accepted. Sync the account again.",
        )
    return digest_answer(
        landed, integration=one.integration, tenant_id=one.tenant_id, settings=settings
    )


@contextlib.contextmanager
def _blaming(accounts: Sequence[PendingAcceptance]) -> Generator[None]:
    """Name the accounts whose records cannot be published, or not with the memory that there is.

    Raises:
        AcceptanceRefusedError: That is so.
    """
    try:
        yield
    except _BLAMABLE as error:
        raise_interruption(error)
        names = ", ".join(one.partition_key for one in accounts)
        is_too_long = isinstance(error, duckdb.OutOfMemoryException)
        reason = (
            "need more memory at once than a run takes"
            if is_too_long
            else f"cannot be published: {redact(first_line(error))}"
        )
        raise AcceptanceRefusedError(
            f"The groups of integrated account {names} {reason}.",
            advice="Nothing was accepted. Accept the other accounts without it; of this one leave "
            "out what is long, `query: {truto_exclude_fields: [remote_data]}` in the settings "
            "file, and sync it again.",
        ) from error


def _publish(
    connection: Connection,
    held: Sequence[PendingAcceptance],
    settings: Mapping[str, AccountSettings],
    digests: Mapping[str, str],
    *,
    run_id: str,
    now: datetime,
) -> Mapping[str, Replacement]:
    """Publish what was held back, from its kept records."""
    confirmed = read_confirmations(connection, [one.integrated_account_id for one in held])
    published = [
        ReplacedAccount(
            one.integrated_account_id,
            one.integration,
            one.tenant_id,
            is_initial=one.integrated_account_id not in confirmed
            and not settings[one.integrated_account_id].record_initial_sync,
            digest=digests[one.integrated_account_id],
        )
        for one in held
    ]
    replaced = replace_rows(connection, published, run_id=run_id, now=now)
    if published:
        privileged = {account_id: one.privileged for account_id, one in settings.items()}
        note_privileged_changes(connection, privileged, run_id=run_id, now=now)
    return replaced


def _move_baselines(
    connection: Connection,
    pending: Sequence[PendingAcceptance],
    acceptance: Acceptance,
    *,
    now: datetime,
) -> None:
    set_variables(
        connection,
        published_at=now,
        accepted_by=acceptance.accepted_by,
        reason=acceptance.reason,
        digest=digest_of(pending),
    )
    for one in pending:
        set_variables(
            connection,
            accepted_id=one.integrated_account_id,
            accepted_run_id=one.run_id,
            findings=findings_to_json(audit(one.shape, baseline=one.shape)),
        )
        for text in statements("accept/set_baseline"):
            connection.execute(text).fetchall()
