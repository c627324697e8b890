"""Read what waits for a person to accept it: what drifted, and what is held back.

Only read; what accepting does is accept.py's, and how it is told report/pending.py's.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from truto_groups.drift.findings import findings_from_json
from truto_groups.drift.shape import Shape
from truto_groups.report.pending import PendingAcceptance
from truto_groups.warehouse.database import Connection, set_variables
from truto_groups.warehouse.statements import statement


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
        rows = connection.execute(statement("read_waiting")).fetchall()
    finally:
        connection.execute("RESET VARIABLE chosen_ids").fetchall()
    pending = [
        PendingAcceptance(
            integrated_account_id=row[0],
            partition_key=row[1],
            label=row[2],
            integration=row[3],
            tenant_id=row[4],
            run_id=row[5],
            is_published=row[6],
            group_count=row[7],
            shape=Shape.from_json(row[8]),
            findings=findings_from_json(row[9]),
            volume=row[10],
            volume_reason=row[11],
            would_add=row[12],
            would_remove=row[13],
            would_change=row[14],
        )
        for row in rows
    ]
    return [one for one in pending if _waits(one)]


def digest_of(pending: Sequence[PendingAcceptance]) -> str:
    """Digest of what is shown: these accounts, and what each of them sent last."""
    parts = sorted((one.integrated_account_id, one.run_id, one.shape.digest) for one in pending)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:12]


def _waits(one: PendingAcceptance) -> bool:
    has_drifted = any(finding.severity != "information" for finding in one.findings)
    return not one.is_published or has_drifted or one.volume != "ok"
