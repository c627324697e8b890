"""The access review: what became privileged waits for a person, who says that it is right.

A publication writes what waits in its own transaction. Which groups are privileged is
privileged.py's to say; marking as reviewed changes no group.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from truto_groups.accounts.selection import AccountFilter, select_accounts
from truto_groups.errors import ReviewRefusedError
from truto_groups.privileged import make_rules, tell_change
from truto_groups.report.privileged_changes import UnreviewedChange
from truto_groups.settings import PrivilegedSettings
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.commits import Commits
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.privileged_table import (
    Candidate,
    PrivilegedChange,
    read_candidates,
    read_unreviewed,
    write_privileged_changes,
    write_review,
)


@dataclass(frozen=True)
class Review:
    """Who reviewed what, and why it is right.

    Attributes:
        wanted: The accounts.
        reason: Why.
        reviewed_by: Who says so.
        until: Aware instant of the newest change that was seen; None: all that wait now.
    """

    wanted: AccountFilter
    reason: str
    reviewed_by: str
    until: datetime | None = None


def note_privileged_changes(
    connection: Connection,
    settings_of: Mapping[str, PrivilegedSettings],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Write down what became privileged by the publication of just now.

    Args:
        connection: In the transaction of ``replace_rows``, right after it.
        settings_of: What is called privileged, by integrated account id.
        run_id: The run that publishes.
        now: Aware UTC instant of the publication.
    """
    found = [
        change
        for one in read_candidates(connection)
        if (change := _judge(one, settings_of[one.integrated_account_id])) is not None
    ]
    write_privileged_changes(connection, found, run_id=run_id, now=now)


def _judge(group: Candidate, settings: PrivilegedSettings) -> PrivilegedChange | None:
    rules = make_rules(settings)
    after = rules.find_matches(group.name, group.group_type)
    if not after:
        return None
    before = rules.find_matches(group.name_before, group.group_type_before)
    told = tell_change(is_added=group.is_added, before=before, after=after)
    return None if told is None else PrivilegedChange(group, told[0], ", ".join(told[1]))


def mark_reviewed(
    database: Database, review: Review, *, clock: Callable[[], datetime]
) -> list[UnreviewedChange]:
    """Mark the changes that wait of the named accounts as reviewed.

    Returns:
        What was marked, the newest first.

    Raises:
        ReviewRefusedError: Nothing is named or waits, a name is nobody's, or the reason or the
            person is missing. Nothing was written.
        DatabaseError: Nothing was written.
    """
    empty = [name for name in ("reason", "reviewed_by") if not getattr(review, name).strip()]
    if empty:
        raise ReviewRefusedError(
            f"{' and '.join(empty)} must be filled in: they are kept with each change.",
            advice="Say who reviewed the changes, and why they are right.",
        )
    if review.wanted.is_empty:
        raise ReviewRefusedError(
            "Neither accounts, tenants nor integrations are named.",
            advice="Give integrated_account_ids, tenants or integrations.",
        )
    commits = Commits[list[UnreviewedChange]](database)

    def write() -> list[UnreviewedChange]:
        with database.writing() as connection:
            if (committed := commits.find(connection)) is not None:
                return committed
            chosen = choose_unreviewed(connection, review.wanted, until=review.until)
            if not chosen:
                raise ReviewRefusedError(
                    "Nothing of the named accounts waits for a review.",
                    advice="See the check privileged_changes_are_reviewed for what waits.",
                )
            write_review(
                connection,
                list({one.integrated_account_id for one in chosen}),
                until=review.until,
                reviewed_at=clock(),
                reviewed_by=review.reviewed_by.strip(),
                reason=review.reason.strip(),
            )
            commits.note(connection, chosen)
        return chosen

    return database.retried(write)


def choose_unreviewed(
    connection: Connection, wanted: AccountFilter, *, until: datetime | None = None
) -> list[UnreviewedChange]:
    """Choose what waits for a review of the wanted accounts, the newest first.

    Raises:
        ReviewRefusedError: A name is nobody's.
    """
    selection = select_accounts(read_known_accounts(connection), wanted)
    if selection.unknown:
        unknown = selection.unknown[0]
        raise ReviewRefusedError(f"{show(unknown.name)}: {unknown.what}.", advice=unknown.hint)
    ids = {account.id for account in selection.accounts}
    return [
        one
        for one in read_unreviewed(connection)
        if one.integrated_account_id in ids and (until is None or one.changed_at <= until)
    ]
