"""What a lake's files and its catalogue hold, value by value, for who searches them.

Files are compressed, and a catalogue in Postgres is on another machine, so that a search of bytes
would find nothing. What is looked for, and what a person is told, is not known here.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

CATALOGUE = "catalogue"
"""The name under which the catalogue is attached."""

_ROWS_AT_ONCE = 2000
_TABLES = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $catalogue "
    r"AND (table_name LIKE 'ducklake\_%' ESCAPE '\' OR schema_name = 'truto_groups_coordination') "
    "ORDER BY ALL"
)
_DATA_PATH = "SELECT value FROM catalogue.ducklake_metadata WHERE key = 'data_path'"
_FILES = """
WITH known AS (
    SELECT path FROM catalogue.ducklake_data_file
    UNION
    SELECT path FROM catalogue.ducklake_delete_file
)
SELECT file, parse_filename(file) IN (SELECT parse_filename(path) FROM known)
FROM glob($pattern)
ORDER BY file
"""


@dataclass(frozen=True, slots=True)
class LakePlace:
    """A table of a lake's catalogue, or a file below the place where its files lie.

    Attributes:
        where: How it is told.
        source: What stands behind ``FROM``.
        is_known: Whether the lake knows it; a publication that was killed leaves files that it does
            not, and so does another lake that has its files there too.
    """

    where: str
    source: str
    is_known: bool


def list_lake_places(connection: duckdb.DuckDBPyConnection) -> list[LakePlace]:
    """List what a lake consists of, on a connection of ``Database.catalogue``."""
    tables = connection.execute(_TABLES, {"catalogue": CATALOGUE}).fetchall()
    ((data_path,),) = connection.execute(_DATA_PATH).fetchall()
    pattern = f"{glob.escape(data_path)}**/*.parquet"
    files = connection.execute(_FILES, {"pattern": pattern}).fetchall()
    return [
        *(
            LakePlace(f"table {table} of the lake's catalogue", _name(schema, table), True)
            for schema, table in tables
        ),
        *(
            LakePlace(path, "read_parquet('" + path.replace("'", "''") + "')", is_known)
            for path, is_known in files
        ),
    ]


def iterate_values(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> Iterator[bytes]:
    """Go through the values of a place, a row at a time, as bytes.

    Raises:
        duckdb.Error: It cannot be read, or is gone.
    """
    rows = connection.execute(f"FROM {place.source}")
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        yield b"\n".join(_to_bytes(value) for row in some for value in row)


def _to_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def _name(schema: str, table: str) -> str:
    parts = (part.replace('"', '""') for part in (CATALOGUE, schema, table))
    return ".".join(f'"{part}"' for part in parts)
