"""What the database remembers of itself: which Truto it was filled from, and its last instant."""

from collections.abc import Callable
from datetime import datetime, timedelta

import duckdb

from truto_groups.errors import DatabaseError

_BASE_URL = "truto_base_url"
_LAST_INSTANT = "last_published_at"
_COPY_MARK = "copied_from"
_PRUNED_BEFORE = "ledger_pruned_before"
_TICK = timedelta(microseconds=1)


def claim_base_url(connection: duckdb.DuckDBPyConnection, base_url: str) -> None:
    """Take the database for one Truto; the first that fills it claims it.

    Raises:
        DatabaseError: It was filled from another base URL.
    """
    row = connection.execute(
        "SELECT value FROM database_properties WHERE name = $name", {"name": _BASE_URL}
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO database_properties (name, value) VALUES ($name, $value)",
            {"name": _BASE_URL, "value": base_url},
        ).fetchall()
    elif row[0] != base_url:
        raise DatabaseError(
            f"The database was filled from {row[0]}, and TRUTO_BASE_URL (or base_url) now says "
            f"{base_url}: accounts of two environments would be mixed, and those of the first "
            "would look as if they had gone.",
            advice="Set TRUTO_GROUPS_DATABASE to another file for this Truto.",
        )


def read_copy_mark(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Read of which database this is to become a copy; None where it is none, or is whole."""
    row = connection.execute(
        # Not bound: for that DuckDB imports pandas, for which readers have no time.
        f"SELECT value FROM database_properties WHERE name = '{_COPY_MARK}'"  # noqa: S608
    ).fetchone()
    return None if row is None else row[0]


def refuse_half_a_copy(connection: duckdb.DuckDBPyConnection, *, shown: str) -> None:
    """Refuse a database into which tables are being copied, or were until a copy was ended.

    Args:
        connection: Uses the database.
        shown: The database as it is told.

    Raises:
        DatabaseError: It is one.
    """
    try:
        origin = read_copy_mark(connection)
    except duckdb.CatalogException:
        return  # what has no such table is no copy, and whether it is ours is its layout's to say
    if origin is not None:
        raise DatabaseError(
            f"{shown} is a copy of {origin} that is not whole yet.",
            advice="Run `truto-groups copy` again, which goes on with it.",
        )


def write_copy_mark(connection: duckdb.DuckDBPyConnection, origin: str) -> None:
    """Remember of which database this becomes a copy."""
    connection.execute(
        "INSERT INTO database_properties VALUES ($name, $value)",
        {"name": _COPY_MARK, "value": origin},
    ).fetchall()


def delete_copy_mark(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that the copy is whole."""
    connection.execute(
        "DELETE FROM database_properties WHERE name = $name", {"name": _COPY_MARK}
    ).fetchall()


def take_instant(connection: duckdb.DuckDBPyConnection, clock: Callable[[], datetime]) -> datetime:
    """Take the instant of a publication: what the clock says, and after every one before.

    To be called inside the transaction that publishes, so that the order of instants is the order
    of commits: an instant that a reader has seen pass gets no changes any more.

    Returns:
        An aware UTC instant.
    """
    last = _read_instant(connection, _LAST_INSTANT)
    now = clock() if last is None else max(clock(), last + _TICK)
    _write_instant(connection, _LAST_INSTANT, now, is_new=last is None)
    return now


def remember_pruned(connection: duckdb.DuckDBPyConnection, before: datetime) -> None:
    """Remember that the ledger holds no longer all attempts of before an instant."""
    known = read_pruned(connection)
    if known is not None and known >= before:
        return
    _write_instant(connection, _PRUNED_BEFORE, before, is_new=known is None)


def read_pruned(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Read since when the ledger holds every attempt; None: none was ever deleted."""
    return _read_instant(connection, _PRUNED_BEFORE)


def _read_instant(connection: duckdb.DuckDBPyConnection, name: str) -> datetime | None:
    row = connection.execute(
        "SELECT value::TIMESTAMPTZ FROM database_properties WHERE name = $name", {"name": name}
    ).fetchone()
    return None if row is None else row[0]


def _write_instant(
    connection: duckdb.DuckDBPyConnection, name: str, instant: datetime, *, is_new: bool
) -> None:
    connection.execute(
        "INSERT INTO database_properties (name, value) "
        "VALUES ($name, $instant::TIMESTAMPTZ::VARCHAR)"
        if is_new
        else "UPDATE database_properties SET value = $instant::TIMESTAMPTZ::VARCHAR "
        "WHERE name = $name",
        {"name": name, "instant": instant},
    ).fetchall()
