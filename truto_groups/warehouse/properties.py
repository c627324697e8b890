"""What the database remembers of itself: which Truto it was filled from."""

import duckdb

from truto_groups.errors import DatabaseError

_BASE_URL = "truto_base_url"


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
            "INSERT INTO database_properties VALUES ($name, $value)",
            {"name": _BASE_URL, "value": base_url},
        ).fetchall()
    elif row[0] != base_url:
        raise DatabaseError(
            f"The database was filled from {row[0]}, and TRUTO_BASE_URL (or base_url) now says "
            f"{base_url}: accounts of two environments would be mixed, and those of the first "
            "would look as if they had gone.",
            advice="Set TRUTO_GROUPS_DATABASE to another file for this Truto.",
        )
