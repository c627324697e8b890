"""What checks, the command and people read: questions on the tables, answered as plain values.

All functions work on a connection that Database.writing or .reading gave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import msgspec

from truto_groups.drift.attribution import Attribution
from truto_groups.drift.findings import Finding, findings_from_json
from truto_groups.drift.ignored_filters import IgnoredFilter
from truto_groups.drift.shape import LandedCounts
from truto_groups.warehouse.statements import statement

_COUNTS = msgspec.json.Decoder(LandedCounts)
_EXAMPLES = msgspec.json.Decoder(dict[str, str])
_TOLD_FILTERS = msgspec.json.Decoder(list[IgnoredFilter])
UNREADABLE_ROW = (msgspec.DecodeError, TypeError, UnicodeError, RecursionError)
"""What reading JSON of another version, or of somebody else who wrote it, raises."""


@dataclass(frozen=True, slots=True)
class LastAudit:
    """What the last audited attempt of an account found.

    Attributes:
        integrated_account_id: The account.
        integration: The app's kind.
        run_id: The run of the attempt.
        observed_at: When it was.
        is_published: Whether the attempt was published; else it was held back.
        group_count: Groups received, each id once.
        findings: What changed against the baseline.
        volume: Whether the count is plausible: ok, warn or hold_back.
        volume_reason: Why it is not, with the numbers.
        counts: What its records' values were.
        examples: Path to one shortened value of what drifted there.
        told_filters: Filters of the account's query that seem to be ignored.
        unreadable: Why what was kept cannot be read, which leaves the fields above empty; or None.
    """

    integrated_account_id: str
    integration: str
    run_id: str
    observed_at: datetime
    is_published: bool
    group_count: int
    findings: Sequence[Finding]
    volume: str
    volume_reason: str | None
    counts: LandedCounts
    examples: Mapping[str, str]
    told_filters: Sequence[IgnoredFilter]
    unreadable: str | None = None

    @property
    def is_permission_lost(self) -> bool:
        """Whether a lost permission explains that the count is not plausible."""
        return "permission lost: " in (self.volume_reason or "").lower()

    def without_values(self) -> "LastAudit":
        """The same without anything that the account sent as a value."""
        return replace(
            self,
            findings=[finding.without_values() for finding in self.findings],
            counts=msgspec.structs.replace(self.counts, group_types={}),
            examples={},
            told_filters=[told.without_values() for told in self.told_filters],
        )


@dataclass(frozen=True, slots=True)
class StandingFinding:
    """Since when a finding stands without a break, and whose change it was; None: not known."""

    since: datetime
    attributed_to: Attribution | None


@dataclass(frozen=True, slots=True)
class DuplicateId:
    """An id that more than one row of an account has."""

    integrated_account_id: str
    id: str
    row_count: int


@dataclass(frozen=True, slots=True)
class WrongBreakdown:
    """An account whose breakdown does not add up to its groups."""

    integrated_account_id: str
    group_count: int
    broken_down_count: int


def read_last_audits(connection: duckdb.DuckDBPyConnection) -> list[LastAudit]:
    """Read what the last audited attempt of each account found.

    What cannot be read of one account is that account's problem, and is told as such.
    """
    lost = LostPermissions.read(connection)
    rows = connection.execute(statement("checks/read_last_audits")).fetchall()
    return [_read_audit(row, lost) for row in rows]


def _read_audit(row: tuple[Any, ...], lost: "LostPermissions") -> LastAudit:
    audit = LastAudit(
        integrated_account_id=row[0],
        integration=row[1],
        run_id=row[2],
        observed_at=row[3],
        is_published=row[4],
        group_count=row[5],
        findings=(),
        volume=row[7],
        volume_reason=lost.explain_volume(row[0], row[8]),
        counts=LandedCounts(record_count=0),
        examples={},
        told_filters=(),
    )
    try:
        return replace(
            audit,
            findings=lost.explain(row[0], findings_from_json(row[6])),
            counts=_COUNTS.decode(row[9]),
            examples=_EXAMPLES.decode(row[10]),
            told_filters=_TOLD_FILTERS.decode(row[11]),
        )
    except UNREADABLE_ROW as error:
        return replace(audit, unreadable=type(error).__name__)


def read_standing(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str, str], StandingFinding]:
    """Read what ``account_drift`` knows of findings, by account, kind and path of the finding."""
    rows = connection.execute(
        "SELECT integrated_account_id, kind, coalesce(path, '') AS path, since, attributed_to "
        "FROM account_drift"
    ).fetchall()
    return {(row[0], row[1], row[2]): StandingFinding(*row[3:]) for row in rows}


class LostPermissions:
    """What lost permissions explain of all that stands: by account, kind and path, in words."""

    def __init__(self, words: Mapping[tuple[str, str, str], str]) -> None:
        """Take the words of ``account_drift``."""
        self._words = words

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> "LostPermissions":
        """Read them; where nothing was refused, that takes no time."""
        (is_any,) = connection.execute(statement("checks/find_refusals")).fetchall()[0]
        if not is_any:
            return cls({})
        rows = connection.execute(
            "SELECT integrated_account_id, kind, coalesce(path, '') AS path, now "
            "FROM account_drift WHERE attributed_to = 'permission_lost'"
        ).fetchall()
        return cls({(row[0], row[1], row[2]): row[3] for row in rows})

    def explain(self, integrated_account_id: str, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings, those that a lost permission explains with it in their words."""
        return [
            finding
            if (now := self._words.get((integrated_account_id, finding.kind, finding.path))) is None
            else finding.hidden(now)
            for finding in findings
        ]

    def explain_volume(self, integrated_account_id: str, reason: str | None) -> str | None:
        """Return why a number of groups is not plausible, with the permission where it is that."""
        return self._words.get((integrated_account_id, "volume", ""), reason)


def find_duplicate_ids(connection: duckdb.DuckDBPyConnection) -> list[DuplicateId]:
    """Find ids that more than one row of an account has."""
    return [
        DuplicateId(*r)
        for r in connection.execute(statement("checks/find_duplicate_ids")).fetchall()
    ]


def find_wrong_breakdowns(connection: duckdb.DuckDBPyConnection) -> list[WrongBreakdown]:
    """Find accounts whose breakdown does not add up to their groups, type by type."""
    rows = connection.execute(statement("checks/find_wrong_breakdowns")).fetchall()
    return [WrongBreakdown(*row) for row in rows]
