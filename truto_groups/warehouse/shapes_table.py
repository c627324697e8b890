"""What accounts looked like: their baselines and newest syncs, kept as one row per audited attempt.

All functions work on a connection that Database.writing or .reading gave.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import msgspec

from truto_groups.drift.audit import PastSync
from truto_groups.drift.findings import findings_from_json, findings_to_json
from truto_groups.drift.ignored_filters import IgnoredFilter
from truto_groups.drift.shape import Shape
from truto_groups.drift.verdict import KnownShapes, Verdict
from truto_groups.schema import NORMALIZATION_VERSION
from truto_groups.warehouse.statements import statement

ShapeRow = tuple[bool, str, str]
"""Whether it is the baseline, the shape, and the findings; both as JSON text."""


def read_shape_rows(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str]
) -> dict[str, list[ShapeRow]]:
    """Read what accounts looked like, oldest first; one that was never published is missing."""
    rows = connection.execute(
        statement("shapes/read_shapes"), {"ids": list(integrated_account_ids)}
    ).fetchall()
    found: dict[str, list[ShapeRow]] = {}
    for account_id, is_baseline, shape, findings in rows:
        found.setdefault(account_id, []).append((is_baseline, shape, findings))
    return found


def decode_shapes(rows: Sequence[ShapeRow]) -> KnownShapes:
    """Decode what an account looked like."""
    baseline: Shape | None = None
    history: list[PastSync] = []
    for is_baseline, shape_text, findings_text in rows:
        shape = Shape.from_json(shape_text)
        history.append(PastSync(shape, findings_from_json(findings_text)))
        baseline = shape if is_baseline else baseline
    return KnownShapes(baseline, history)


def forget_waiting(
    connection: duckdb.DuckDBPyConnection, integrated_account_ids: Sequence[str]
) -> None:
    """Drop what was held back for accounts before they were confirmed: it waits no longer."""
    connection.execute(
        "DELETE FROM account_shapes WHERE NOT is_published "
        "AND integrated_account_id IN (SELECT unnest($ids))",
        {"ids": list(integrated_account_ids)},
    ).fetchall()


@dataclass(frozen=True)
class AuditedShape:
    """What an attempt looked like, and what a person wants to see of it.

    Attributes:
        verdict: What the audit said.
        settings_digest: Of the settings that decide how an answer looks.
        examples: Path to one shortened value of what drifted there.
        told_filters: Filters of the account's query that seem to be ignored.
    """

    verdict: Verdict
    settings_digest: str
    examples: Mapping[str, str]
    told_filters: Sequence[IgnoredFilter]


def write_shapes(
    connection: duckdb.DuckDBPyConnection,
    audited: Mapping[str, AuditedShape],
    *,
    published: Collection[str],
    run_id: str,
    now: datetime,
) -> None:
    """Keep what attempts looked like; an account's first published one is its baseline."""
    if not audited:
        return
    account_ids = list(audited)
    verdicts = {account_id: one.verdict for account_id, one in audited.items()}
    having = {
        row[0]
        for row in connection.execute(
            "SELECT integrated_account_id FROM account_shapes "
            "WHERE is_baseline AND integrated_account_id IN (SELECT unnest($ids))",
            {"ids": account_ids},
        ).fetchall()
    }
    parameters = {
        "integrated_account_id": account_ids,
        "is_published": [account_id in published for account_id in account_ids],
        "is_baseline": [
            account_id in published and account_id not in having for account_id in account_ids
        ],
        "group_count": [verdict.volume.observed for verdict in verdicts.values()],
        "digest": [verdict.shape.digest for verdict in verdicts.values()],
        "shape": [verdict.shape.to_json() for verdict in verdicts.values()],
        "findings": [findings_to_json(verdict.findings) for verdict in verdicts.values()],
        "volume": [verdict.volume.outcome for verdict in verdicts.values()],
        "volume_reason": [verdict.volume.reason or None for verdict in verdicts.values()],
        "examples": [msgspec.json.encode(one.examples).decode() for one in audited.values()],
        "told_filters": [
            msgspec.json.encode(one.told_filters).decode() for one in audited.values()
        ],
        "settings_digest": [one.settings_digest for one in audited.values()],
        "normalization_version": NORMALIZATION_VERSION,
    }
    connection.execute(
        statement("shapes/write_shapes"), {**parameters, "run_id": run_id, "now": now}
    ).fetchall()
    connection.execute(statement("shapes/prune_shapes"), {"ids": account_ids}).fetchall()
