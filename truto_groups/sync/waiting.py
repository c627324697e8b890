"""Read what waits for a person: what drifted, what is held back, and who needs somebody at all.

Only read; what accepting does is accept.py's, how it is told report/pending.py's and
report/needs.py's.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from truto_groups.accounts.model import KnownAccount
from truto_groups.drift.findings import findings_from_json
from truto_groups.drift.shape import Shape
from truto_groups.report.needs import Need, find_needs
from truto_groups.report.pending import PendingAcceptance
from truto_groups.session import Session
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.check_queries import UNREADABLE_ROW, LostPermissions
from truto_groups.warehouse.connections import Connection, reset_variables, set_variables
from truto_groups.warehouse.overview_queries import read_drift_starts, read_troubles
from truto_groups.warehouse.statements import statement

logger = get_logger(__name__)


def read_pending(
    connection: Connection,
    *,
    integrated_account_ids: Sequence[str] = (),
    integrations: Sequence[str] = (),
) -> list[PendingAcceptance]:
    """Read the accounts that drifted or are held back; all of them when none are named."""
    if integrated_account_ids or integrations:
        # Chosen before anything is compared: what others send must not be in the way of these.
        set_variables(
            connection,
            chosen_ids=list(integrated_account_ids),
            chosen_integrations=list(integrations),
        )
    try:
        rows = connection.execute(statement("accept/read_waiting")).fetchall()
    finally:
        reset_variables(connection, "chosen_ids")
    lost = LostPermissions.read(connection)
    pending = [_read_row(row, lost) for row in rows]
    return [one for one in pending if one is not None and _waits(one)]


def _read_row(row: tuple[Any, ...], lost: LostPermissions) -> PendingAcceptance | None:
    """Read what waits of one account; None where it cannot be read, and so cannot be accepted."""
    try:
        return PendingAcceptance(
            integrated_account_id=row[0],
            partition_key=row[1],
            label=row[2],
            integration=row[3],
            tenant_id=row[4],
            run_id=row[5],
            is_published=row[6],
            group_count=row[7],
            shape=Shape.from_json(row[8]),
            findings=lost.explain(row[0], findings_from_json(row[9])),
            volume=row[10],
            volume_reason=lost.explain_volume(row[0], row[11]),
            would_add=row[12],
            would_remove=row[13],
            would_change=row[14],
        )
    except UNREADABLE_ROW as error:
        logger.warning(
            "What run %s found of integrated account %s cannot be read (%s), so that it cannot be "
            "accepted. See the check groups_match_contract for what to do.",
            row[5],
            row[1],
            type(error).__name__,
        )
        return None


def read_needs(
    session: Session, connection: Connection, accounts: Sequence[KnownAccount]
) -> list[Need]:
    """Read which of the known accounts need a person, the worst first.

    Of an account that is private, nothing that it sent is told.
    """
    private = {one.id for one in accounts if session.settings_for(one).private_values}
    pending = {
        one.integrated_account_id: one.without_values()
        if one.integrated_account_id in private
        else one
        for one in read_pending(connection)
    }
    return find_needs(
        accounts,
        max_age_of=session.max_age_of,
        troubles=read_troubles(connection),
        pending=pending,
        drifted_since=read_drift_starts(connection),
        now=session.clock(),
    )


def digest_of(pending: Sequence[PendingAcceptance]) -> str:
    """Digest of what is shown: these accounts, and what each of them sent last."""
    parts = sorted((one.integrated_account_id, one.run_id, one.shape.digest) for one in pending)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:12]


def _waits(one: PendingAcceptance) -> bool:
    has_drifted = any(finding.severity != "information" for finding in one.findings)
    return not one.is_published or has_drifted or one.volume != "ok"
