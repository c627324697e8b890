"""A table for others: which rows, and the coverage statement that goes with them, of one look.

How a file is written is warehouse/exports.py's, what is said in the shell cli/'s.
"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from truto_groups.accounts.coverage import Coverage, find_coverage
from truto_groups.accounts.selection import (
    AccountFilter,
    Unknown,
    explain_unknown,
    select_accounts,
)
from truto_groups.errors import ExportError
from truto_groups.runner.reading_session import open_reading
from truto_groups.warehouse.accounts_table import (
    read_accounts_as_of,
    read_hindsight,
    read_known_accounts,
)
from truto_groups.warehouse.connections import Connection, transaction
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.exports import Form, write_file, written_aside
from truto_groups.warehouse.readable import EXPORTED, Relation, select_rows
from truto_groups.warehouse.snapshot import reading_snapshot


@dataclass(frozen=True)
class ExportRequest:
    """What a person wants to have.

    Attributes:
        table: The table's name, one of EXPORTED.
        wanted: Of which accounts.
        as_of: Of a table of EXPORTED_AS_OF, the rows that there were at this aware instant; None:
            as they are.
    """

    table: str
    wanted: AccountFilter
    as_of: datetime | None = None


@dataclass(frozen=True)
class Export:
    """What can be written, and what is to be said of it.

    Attributes:
        coverage: How much of what should be in it is in it.
        unknown: What was named and is nobody's.
    """

    coverage: Coverage
    unknown: Sequence[Unknown]
    _request: ExportRequest
    _exported_at: datetime
    _database: Database
    _connection: Connection
    _rows: Relation

    def write_to(self, path: Path, *, form: Form) -> int:
        """Write the rows and the coverage statement to a file and beside it; how many rows it were.

        Raises:
            ExportError: It cannot be written there.
        """
        self._database.guard(path, what="The export")
        return write_file(self._connection, self._rows, path, form=form, coverage=self._describe())

    @contextmanager
    def written(self, *, form: Form) -> Generator[Path]:
        """Give a file with the rows that is gone when the block ends.

        Raises:
            ExportError: It cannot be written.
        """
        coverage = self._describe()
        with written_aside(self._connection, self._rows, form=form, coverage=coverage) as path:
            yield path

    def _describe(self) -> str:
        wanted = self._request.wanted
        return json.dumps(
            {
                "table": self._request.table,
                "exported_at": self._exported_at.astimezone(UTC).isoformat(timespec="seconds"),
                "of": {
                    "accounts": list(wanted.names),
                    "tenants": list(wanted.tenants),
                    "integrations": list(wanted.integrations),
                },
                **self.coverage.to_json(),
            },
            indent=2,
        )


@contextmanager
def open_export(request: ExportRequest, *, cwd: Path) -> Generator[Export]:
    """Look at the database once, for the rows and for what is said of them.

    Args:
        request: What is wanted.
        cwd: Where to look for the project.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be read.
        ExportError: The instant has not come yet.
    """
    session = open_reading(cwd)
    now = session.clock()
    if request.as_of is not None and request.as_of > now:
        raise ExportError(
            f"{request.as_of.isoformat()} has not come yet.", advice="Leave --as-of out."
        )
    # A database that is no file is read in one transaction; of a file there is a copy anyhow.
    with reading_snapshot(session.database) as connection, transaction(connection):
        known = read_known_accounts(connection)
        accounts, hindsight = known, None
        if request.as_of is not None:
            accounts = read_accounts_as_of(connection, request.as_of)
            hindsight = read_hindsight(connection, request.as_of)
        selection = select_accounts(accounts, request.wanted)
        unknown = selection.unknown
        if request.as_of is not None:
            unknown = explain_unknown(unknown, known, instant=request.as_of)
        coverage = find_coverage(
            selection.accounts,
            max_age_of=session.max_age_of,
            now=request.as_of or now,
            hindsight=hindsight,
        )
        is_choice = not request.wanted.is_empty
        rows = select_rows(
            connection,
            EXPORTED[request.table],
            account_ids=[account.id for account in selection.accounts] if is_choice else None,
            as_of=request.as_of,
        )
        yield Export(coverage, unknown, request, now, session.database, connection, rows)
