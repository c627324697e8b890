"""The private room of a run: pages are landed here as they come, before anything is published.

A connection in memory that spills to disk, which no other process sees: a run that dies leaves
nothing behind. Records are kept letter by letter; what DuckDB parses out of them is only for
asking. Whether they may be published is audit's and publishing's business.
"""

import contextlib
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import duckdb
import msgspec

from truto_groups.drift.examples import find_example_place
from truto_groups.drift.findings import Finding
from truto_groups.drift.ignored_filters import ObservedValues
from truto_groups.drift.shape import LandedCounts
from truto_groups.drift.verdict import LandedAccount
from truto_groups.errors import DatabaseError, UnforeseenError
from truto_groups.schema import GROUP_TYPES
from truto_groups.settings import RemoteData
from truto_groups.sync.split import SplitPage, split_records
from truto_groups.text.logs import get_logger
from truto_groups.warehouse.connections import connect, set_variables
from truto_groups.warehouse.duckdb_errors import first_line
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.statements import statement, statements

T = TypeVar("T")

logger = get_logger(__name__)

_MEMORY_LIMIT = "176MB"
# DuckDB works on 2,048 records at once, which is much where each has some hundred kilobytes.
_MEMORY_LIMIT_OF_LONG_RECORDS = "2GB"
# A record's position: its listing, its page, and its place in the page.
_POSITIONS_OF_A_LISTING = 1 << 48
_POSITIONS_OF_A_PAGE = 1 << 24
# What no account can be blamed for; everything else is the failure of the account it happened to.
_OF_NO_ACCOUNT = (DatabaseError, duckdb.FatalException, MemoryError)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NOTHING = LandedAccount(LandedCounts(record_count=0), group_count=0, records_digest="")


@dataclass(frozen=True)
class StagedPage:
    """One page of one account.

    Attributes:
        integrated_account_id: The account.
        number: From 1, over the sync.
        records: The JSON text of the array of unified groups, as received.
        remote_data: What of ``remote_data`` is kept in ``groups``.
        listing: Which of the account's listings it belongs to. Of an id that came in several, the
            last one's copy is kept, whichever came in first.
    """

    integrated_account_id: str
    number: int
    records: str
    remote_data: RemoteData = "all"
    listing: int = 0


class Staging:
    """Where the pages of a run wait until their account is whole.

    Used from one thread. Close it, or leave it to a ``with``.

    Args:
        connection: One of its own, as of ``Database.connect``, where a database will be attached.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self.connection = connect() if connection is None else connection
        self._limit_memory(_MEMORY_LIMIT)
        self._execute("ATTACH ':memory:' AS staging")
        self._execute("SET preserve_insertion_order = false")
        self._is_within = False
        self._with_copies: dict[str, LandedCounts] = {}
        self._record_counts: Counter[str] = Counter()
        set_variables(self.connection, group_types=list(GROUP_TYPES))
        for text in (*statements("land/instants"), *statements("land/staging")):
            self._execute(text)

    def __enter__(self) -> "Staging":
        """Open since it was made."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        self.close()

    def close(self) -> None:
        """Forget everything that was landed."""
        self.connection.close()

    def with_room(self, work: Callable[[], T]) -> T:
        """Do what can be done again; once more with more memory when the usual is not enough.

        Work inside of other such work leaves that to it: a transaction is done again as a whole.

        Raises:
            duckdb.OutOfMemoryException: That is not enough either.
        """
        if self._is_within:
            return work()
        self._is_within = True
        try:
            return work()
        except duckdb.OutOfMemoryException:
            logger.info("Records are so long that more memory is taken.")
            self._limit_memory(_MEMORY_LIMIT_OF_LONG_RECORDS)
            try:
                return work()
            finally:
                # What was done stays done where more is in use than the usual.
                with contextlib.suppress(duckdb.OutOfMemoryException):
                    self._limit_memory(_MEMORY_LIMIT)
        finally:
            self._is_within = False

    def land(self, pages: Sequence[StagedPage]) -> dict[str, str]:
        """Land pages of any accounts.

        Returns:
            The accounts with a page that no JSON parser can read whole, and why. Their pages
            are not landed; all others are.
        """
        unreadable: dict[str, str] = {}
        splits: list[tuple[StagedPage, SplitPage]] = []
        for page in pages:
            try:
                splits.append((page, split_records(page.records, keep=page.remote_data)))
            except Exception as error:  # noqa: BLE001 - it becomes this account's failure
                raise_interruption(error)
                reason = _explain(error, page.records)
                unreadable[page.integrated_account_id] = f"page {page.number}: {reason}"
        try:
            self._insert(splits)
        except _OF_NO_ACCOUNT:
            raise
        except Exception as error:  # noqa: BLE001 - one record fails the statement: find whose
            raise_interruption(error)
            for page, split in splits:
                try:
                    self._insert([(page, split)], is_again=True)
                except _OF_NO_ACCOUNT:
                    raise
                except Exception as error:  # noqa: BLE001 - it becomes this account's failure
                    raise_interruption(error)
                    reason = _explain(error, page.records)
                    unreadable[page.integrated_account_id] = f"page {page.number}: {reason}"
        return unreadable

    def inspect(self, integrated_account_ids: Sequence[str]) -> dict[str, LandedAccount]:
        """Count what was landed for accounts, and keep of each id the later copy only.

        Copies that were dropped are counted again when it is asked again.

        Raises:
            UnforeseenError: Of an account there are not as many records as were landed.
        """
        ids = {"ids": list(integrated_account_ids)}
        copies = self._count_copies(ids)
        if copies:
            before = self._count(ids, copies)
            self._ask("land/drop_duplicates", ids=list(copies))
            self._with_copies |= {account_id: before[account_id].counts for account_id in copies}
        inspected = {
            account_id: replace(landed, counts=self._with_copies.get(account_id, landed.counts))
            for account_id, landed in self._count(ids, copies).items()
        }
        for account_id, landed in inspected.items():
            expected, found = self._record_counts[account_id], landed.counts.record_count
            if found != expected:
                raise UnforeseenError(
                    f"Of integrated account {account_id} {expected:,} records were landed, and "
                    f"{found:,} are there.",
                    advice="Nothing was published; the next sync tries again. Please report it.",
                )
        return inspected

    def profile(self, integrated_account_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """Find the distinct JSON structures of accounts' records, with how many have each."""
        found: dict[str, list[tuple[str, int]]] = {}
        if integrated_account_ids:
            rows = self._ask("profile/structures", ids=list(integrated_account_ids))
            for account_id, structure, count in rows:
                found.setdefault(account_id, []).append((structure, count))
        return found

    def preview(self, integrated_account_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the first groups of accounts: id, name and group_type of each."""
        return dict(self._ask("land/preview_landed", ids=list(integrated_account_ids)))

    def read_landed(self, integrated_account_id: str) -> list[dict[str, Any]]:
        """Read each record of an account and what it became, in the order of the answer."""
        cursor = self.connection.execute(
            statement("land/read_landed"), {"id": integrated_account_id}
        )
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def find_example(self, integrated_account_id: str, finding: Finding) -> str | None:
        """Find one shortened value of what a finding is about; None where nothing stands there."""
        place = find_example_place(finding)
        try:
            rows = self._ask(
                "profile/example_value",
                integrated_account_id=integrated_account_id,
                path=place.path,
                is_many=place.is_many,
                types=list(place.types),
            )
        except duckdb.OutOfMemoryException:
            return None  # records are that long; an example is no reason to refuse them
        return rows[0][0] if rows else None

    def observe_values(self, integrated_account_id: str) -> ObservedValues:
        """Count what an account's groups have in the fields that a filter can ask for."""
        values: dict[str, dict[str, int]] = {}
        for field, value, count in self._ask("profile/filter_values", id=integrated_account_id):
            values.setdefault(field, {})[value] = count
        bounds = self._ask("profile/instant_bounds", id=integrated_account_id)[0]
        earliest = {"created_at": bounds[0], "updated_at": bounds[2]}
        latest = {"created_at": bounds[1], "updated_at": bounds[3]}
        return ObservedValues(
            record_count=max((sum(v.values()) for v in values.values()), default=0),
            values=values,
            earliest={name: at for name, at in earliest.items() if at is not None},
            latest={name: at for name, at in latest.items() if at is not None},
        )

    def forget(self, integrated_account_ids: Sequence[str]) -> None:
        """Drop what was landed for accounts, because they are published or have failed."""
        if integrated_account_ids:
            self._execute(
                "DELETE FROM staging.landed WHERE integrated_account_id IN (SELECT unnest($ids))",
                {"ids": list(integrated_account_ids)},
            )
            for account_id in integrated_account_ids:
                self._with_copies.pop(account_id, None)
                self._record_counts.pop(account_id, None)

    def _count_copies(self, ids: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
        rows = self._ask("land/count_duplicates", **ids)
        return {row[0]: (row[1], row[2]) for row in rows}

    def _count(
        self, ids: Mapping[str, Sequence[str]], copies: Mapping[str, tuple[int, int]]
    ) -> dict[str, LandedAccount]:
        values: dict[str, dict[str, dict[str, int]]] = {}
        for account_id, what, value, count in self._ask("profile/values", **ids):
            values.setdefault(account_id, {}).setdefault(what, {})[value] = count
        landed = {account_id: _NOTHING for account_id in ids["ids"]}
        for row in self._ask("land/count_landed", **ids):
            account_id = row[0]
            counts = LandedCounts(
                record_count=row[1],
                missing_id_count=row[3],
                unreadable_instants={"created_at": row[4], "updated_at": row[5]},
                unmapped_count=row[6],
                group_types=values.get(account_id, {}).get("group_type", {}),
                id_forms=values.get(account_id, {}).get("id_form", {}),
                duplicate_id_count=copies.get(account_id, (0, 0))[0],
                differing_id_count=copies.get(account_id, (0, 0))[1],
            )
            landed[account_id] = LandedAccount(
                counts, group_count=row[2], records_digest=row[8], repeated_field_count=row[7]
            )
        return landed

    def _ask(self, name: str, **parameters: object) -> list[Any]:
        """Run one of our statements, which does nothing at all when it fails."""
        return self.with_room(lambda: self._execute(statement(name), parameters))

    def _execute(self, text: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        """Run a statement that touches nothing but what lies here.

        Raises:
            DatabaseError: The temporary folder cannot be used.
        """
        try:
            return self.connection.execute(text, parameters).fetchall()
        except duckdb.IOException as error:
            raise DatabaseError(
                f"The temporary folder, {tempfile.gettempdir()}, cannot hold what does not fit "
                f"into memory: {first_line(error)}",
                advice="Make room in it, or let TMPDIR name another folder.",
            ) from error

    def _limit_memory(self, limit: str) -> None:
        self._execute("SET memory_limit = $limit", {"limit": limit})

    def _insert(
        self, splits: Sequence[tuple[StagedPage, SplitPage]], *, is_again: bool = False
    ) -> None:
        import numpy as np  # takes 0.1 s, which loading the definitions must not

        columns: dict[str, list[Any]] = {
            "integrated_account_id": [],
            "position": [],
            "record": [],
            "remote_data": [],
            "other_fields": [],
        }
        for page, split in splits:
            count = len(split.records)
            first = page.listing * _POSITIONS_OF_A_LISTING + page.number * _POSITIONS_OF_A_PAGE
            columns["integrated_account_id"] += [page.integrated_account_id] * count
            columns["position"] += range(first, first + count)
            columns["record"] += split.records
            columns["remote_data"] += split.remote_data
            columns["other_fields"] += split.other_fields
        if not columns["record"]:
            return
        arrays = {
            name: np.array(values, dtype=np.int64 if name == "position" else object)
            for name, values in columns.items()
        }
        self.connection.register("arrived", arrays)
        try:
            self._insert_arrived(is_again=is_again)
        finally:
            with contextlib.suppress(duckdb.Error):
                self.connection.unregister("arrived")
        self._record_counts.update(columns["integrated_account_id"])

    def _insert_arrived(self, *, is_again: bool) -> None:
        tries = itertools.count(is_again)

        def insert() -> None:
            if next(tries):
                # What seems to have failed may be there all the same.
                self._execute(statement("land/unland"))
            self._execute(statement("land/land"))

        self.with_room(insert)


def _explain(error: Exception, records: str) -> str:
    """Say why a page cannot be read; of a library's message only what quotes no record."""
    if _SURROGATE.search(records):
        return "a text holds half a character (a lone surrogate such as \\ud800)"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "it needs more memory at once than a run takes"
    if isinstance(error, duckdb.InvalidInputException):
        return first_line(error).partition(" Input:")[0]
    if isinstance(error, msgspec.MsgspecError | UnicodeError):
        return str(error)
    return f"something unforeseen went wrong ({type(error).__name__})"
