"""Which tables a database has, and how one of an earlier version is brought forward.

A database remembers the version of its layout. To change the layout, in one commit:

1. Change the tables in ``schema.py``, and raise its ``SCHEMA_VERSION``; also for a macro or view
   (``sql/views/<name>.sql``, its name in ``DERIVED``), which is made anew with the version alone.
2. Write ``sql/upgrades/<version>.sql``: what it takes from the version before, as statements that
   DuckDB, DuckLake and MotherDuck all run. They run in one transaction and in the order of the
   versions, after the tables that were missing have been made, so ADD COLUMN needs IF NOT EXISTS.
   Earlier upgrades are never touched: they lead to what the next one starts from.
3. Keep ``schema_<version before>.sql`` beside the tests, as the revision before made it; the tests
   bring each of them forward and compare every row.

All functions work on a connection that uses the database. A table, a column or a view that somebody
else added is theirs.
"""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from truto_groups.errors import DatabaseError
from truto_groups.schema import DATABASE_PROPERTIES, SCHEMA_VERSION, TABLES
from truto_groups.version import read_version
from truto_groups.warehouse.partition_keys import give_partition_keys
from truto_groups.warehouse.properties_table import read_copy_mark
from truto_groups.warehouse.statements import statements

logger = logging.getLogger(__name__)

DERIVED = ("groups_as_of", "account_drift")
"""The macro and the view, each made by the SQL file of its name."""

_VERSION = "schema_version"
_ELSEWHERE = "Set TRUTO_GROUPS_DATABASE to another file."


@dataclass(frozen=True)
class Layout:
    """What a database has of ours.

    Attributes:
        version: Of its layout; 1 where none is remembered, as version 1 did not; None without any
            table of ours.
        is_remembered: Whether the database says so itself, and so was ours once.
        columns: The columns of each of our tables that is there.
        derived: The macros and views of ours that are there.
    """

    version: int | None
    is_remembered: bool
    columns: Mapping[str, frozenset[str]]
    derived: frozenset[str]

    @property
    def missing_tables(self) -> list[str]:
        """The tables that are not there."""
        return [table.name for table in TABLES if table.name not in self.columns]

    @property
    def is_present(self) -> bool:
        """Whether nothing is to be made."""
        has_all = not self.missing_tables and self.derived == frozenset(DERIVED)
        return self.version == SCHEMA_VERSION and has_all


def read_layout(connection: duckdb.DuckDBPyConnection, *, shown: str) -> Layout:
    """Read which of our tables are there, and refuse those that we do not know or not any more.

    Args:
        connection: Uses the database.
        shown: The database as it is told.

    Raises:
        DatabaseError: A newer version made it, or somebody else has changed our tables.
    """
    columns = _read_columns(connection)
    remembered = _read_version(connection, columns, shown=shown)
    version = remembered if remembered is not None else 1 if columns else None
    layout = Layout(version, remembered is not None, columns, _read_derived(connection))
    if version == SCHEMA_VERSION:
        _refuse_incomplete(layout, shown=shown)
    return layout


def require_layout(connection: duckdb.DuckDBPyConnection, *, shown: str) -> Layout:
    """Read the layout of a database that is to be read: it has our tables, all of them.

    Raises:
        DatabaseError: As ``read_layout``; or it has none of our tables, or not all of its version.
    """
    layout = read_layout(connection, shown=shown)
    if layout.version is None:
        raise DatabaseError(
            f"{shown} is not a database of truto-groups: it has none of the tables (yet).",
            advice="Run `truto-groups sync` or start Dagster once; or set TRUTO_GROUPS_DATABASE "
            "to where the database lies.",
        )
    if layout.version == SCHEMA_VERSION and layout.missing_tables:
        raise DatabaseError(
            f"{shown} lacks the table {layout.missing_tables[0]}: something else has dropped it.",
            advice="Restore the database from a backup; or run `truto-groups sync --all`, which "
            "makes the table and fills it with what Truto says now.",
        )
    return layout


def require_readable(layout: Layout, *, shown: str) -> None:
    """Make sure that tables which are read where they are have all that is asked for.

    Raises:
        DatabaseError: They are of an earlier version, which lacks some of it.
    """
    has_all = all(
        layout.columns.get(table.name, frozenset()).issuperset(table.column_names)
        for table in TABLES
    )
    if layout.version is not None and layout.version < SCHEMA_VERSION and not has_all:
        raise explain_earlier(layout.version, shown=shown)


def explain_earlier(version: int, *, shown: str) -> DatabaseError:
    """Say why tables of an earlier version cannot be read where they are."""
    return DatabaseError(
        f"The tables of {shown} are of version {version}, and lack what is read of version "
        f"{SCHEMA_VERSION}, which this truto-groups ({read_version()}) knows.",
        advice="Run `truto-groups sync` or start Dagster once: whoever writes first brings them "
        "forward, after which older programs refuse them.",
    )


def refuse_earlier_tables(
    connection: duckdb.DuckDBPyConnection, layout: Layout, *, shown: str
) -> None:
    """Refuse to copy into tables of an earlier version: to bring them forward shuts out their own.

    Args:
        connection: Uses the database.
        layout: As it was read.
        shown: The database as it is told.

    Raises:
        DatabaseError: It has such tables, and they are not of a copy that is not whole yet.
    """
    if layout.version in (None, SCHEMA_VERSION):
        return
    with contextlib.suppress(duckdb.CatalogException):
        if read_copy_mark(connection) is not None:
            return
    raise DatabaseError(
        f"{shown} holds tables of version {layout.version} already, which a copy would replace.",
        advice="Nothing was changed. Name a database that holds nothing yet.",
    )


def is_current(connection: duckdb.DuckDBPyConnection, *, shown: str) -> bool:
    """Whether tables that were there are of our version still: one query, for who comes again.

    Raises:
        DatabaseError: A newer version has brought them forward since, or they are gone.
    """
    try:
        return _read_remembered(connection, shown=shown) == SCHEMA_VERSION
    except duckdb.CatalogException:
        raise DatabaseError(
            f"{shown} had the tables, and has them no more: something else has removed or "
            "replaced it.",
            advice="Nothing was written. See that nothing else does so, and restore the database "
            "from a backup; or start again, and its tables are made anew.",
        ) from None


def bring_forward(
    connection: duckdb.DuckDBPyConnection, layout: Layout, *, shown: str, compression: str = ""
) -> None:
    """Make what is missing, and bring an earlier version forward; to be done in one transaction.

    Args:
        connection: Uses the database, in a transaction.
        layout: As it was read.
        shown: The database as it is told.
        compression: DuckDB's method for the long columns; its own choice without.

    Raises:
        DatabaseError: Its tables are not those of its version. Nothing must be committed.
    """
    version = SCHEMA_VERSION if layout.version is None else layout.version
    try:
        for table in TABLES:
            if table.name not in layout.columns:
                connection.execute(table.ddl(compression=compression)).fetchall()
        for number in range(version + 1, SCHEMA_VERSION + 1):
            for text in statements(f"upgrades/{number}"):
                connection.execute(text).fetchall()
        give_partition_keys(connection)
        _refuse_foreign(connection, layout, shown=shown)
        for name in DERIVED:
            for text in statements(f"views/{name}"):
                connection.execute(text).fetchall()
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.DependencyException) as error:
        _refuse_foreign(connection, layout, shown=shown)
        raise DatabaseError(
            f"{shown} holds tables or views that are not ours: {str(error).partition(chr(10))[0]}",
            advice=_ELSEWHERE,
        ) from error
    connection.execute(
        "DELETE FROM database_properties WHERE name = $name", {"name": _VERSION}
    ).fetchall()
    connection.execute(
        "INSERT INTO database_properties BY NAME SELECT $name AS name, $value AS value",
        {"name": _VERSION, "value": str(SCHEMA_VERSION)},
    ).fetchall()


def tell_brought_forward(layout: Layout, *, shown: str) -> None:
    """Say what was done, where there is something that a person must know."""
    if layout.version is None:
        return
    if layout.version < SCHEMA_VERSION:
        logger.warning(
            "The database %s was brought forward from version %d of its tables to version %d. "
            "Programs of before it should no longer write it.",
            shown,
            layout.version,
            SCHEMA_VERSION,
        )
    elif layout.missing_tables:
        missing = ", ".join(layout.missing_tables)
        logger.warning("The database %s lacked tables, now made empty: %s.", shown, missing)


def _read_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    rows = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() "
        "JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name = current_database() AND schema_name = current_schema() "
        "GROUP BY table_name"
    ).fetchall()
    # Sorted out here: to bind a parameter, DuckDB imports pandas, for which readers have no time.
    names = {table.name for table in TABLES}
    return {name: frozenset(columns) for name, columns in rows if name in names}


def _read_derived(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    views = connection.execute(
        "SELECT view_name FROM duckdb_views() "
        "WHERE database_name = current_database() AND schema_name = current_schema()"
    ).fetchall()
    found = {name for (name,) in views if name in DERIVED}
    # Not from duckdb_functions(), which takes six times as long: it lists thousands.
    with contextlib.suppress(duckdb.CatalogException, duckdb.BinderException):
        connection.execute("DESCRIBE FROM groups_as_of(now())").fetchall()
        found.add("groups_as_of")
    return frozenset(found)


def _read_version(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, frozenset[str]], *, shown: str
) -> int | None:
    """Read which version is remembered; None where none is."""
    if not {"name", "value"} <= columns.get(DATABASE_PROPERTIES.name, frozenset()):
        return None
    return _read_remembered(connection, shown=shown)


def _read_remembered(connection: duckdb.DuckDBPyConnection, *, shown: str) -> int | None:
    texts = connection.execute(
        f"SELECT value FROM database_properties WHERE name = '{_VERSION}'"  # noqa: S608
    ).fetchall()
    try:
        version = max((int(text) for (text,) in texts), default=None)
    except (TypeError, ValueError):
        raise DatabaseError(
            f"{shown} does not say which version its tables are of: {_VERSION} in "
            f"{DATABASE_PROPERTIES.name} is no number.",
            advice="Restore the database from a backup.",
        ) from None
    if version is not None and version > SCHEMA_VERSION:
        raise DatabaseError(
            f"The tables of {shown} are of version {version}, and this truto-groups "
            f"({read_version()}) knows them up to version {SCHEMA_VERSION}.",
            advice="Nothing was changed. Install the truto-groups that wrote it, or a later one; "
            "or set TRUTO_GROUPS_DATABASE to another file.",
        )
    return version


def _refuse_foreign(connection: duckdb.DuckDBPyConnection, layout: Layout, *, shown: str) -> None:
    columns = _read_columns(connection)
    _refuse_incomplete(replace(layout, columns=columns), shown=shown)


def _refuse_incomplete(layout: Layout, *, shown: str) -> None:
    """Refuse tables that lack a column of ours."""
    for table in TABLES:
        found = layout.columns.get(table.name, frozenset(table.column_names))
        lacking = next((name for name in table.column_names if name not in found), None)
        if lacking is None:
            continue
        if layout.is_remembered:
            raise DatabaseError(
                f"The table {table.name} of {shown} lacks the column {lacking}: something else "
                "has changed it.",
                advice="Restore the database from a backup, or set TRUTO_GROUPS_DATABASE to "
                "another file.",
            )
        raise DatabaseError(
            f"{shown} holds a table {table.name} that is not ours: it lacks the column {lacking}.",
            advice=_ELSEWHERE,
        )
