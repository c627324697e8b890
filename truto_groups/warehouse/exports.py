"""Rows written to a file, whole or not at all: Parquet, CSV or JSON, with what is said of them.

Which rows, and what is said of them, is the caller's.
"""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Literal, get_args

import duckdb

from truto_groups.errors import ExportError
from truto_groups.text.visible import is_utf_8, show
from truto_groups.warehouse.connections import name_spill_folder, set_variables
from truto_groups.warehouse.duckdb_errors import first_line
from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.readable import Relation

Form = Literal["parquet", "csv", "json"]
FORMS: tuple[Form, ...] = get_args(Form)

COVERAGE_KEY = "truto_groups_coverage"
"""The key in the metadata of a Parquet file under which the coverage statement stands, as JSON."""

COVERAGE_SUFFIX = ".coverage.json"
"""What is added to a file's name for the coverage statement beside it."""

# To the microsecond and in UTC, which is the zone of every snapshot.
_COPY: dict[Form, str] = {
    "parquet": "COPY (FROM exported_rows) TO (getvariable('export_path')) (FORMAT parquet, "
    "COMPRESSION zstd, KV_METADATA {truto_groups_coverage: getvariable('coverage')})",
    "csv": "COPY (FROM exported_rows) TO (getvariable('export_path')) (FORMAT csv, HEADER, "
    "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ')",
    "json": "COPY (FROM exported_rows) TO (getvariable('export_path')) (FORMAT json, ARRAY, "
    "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ')",
}


def write_file(
    connection: duckdb.DuckDBPyConnection,
    rows: Relation,
    path: Path,
    *,
    form: Form,
    coverage: str,
) -> int:
    """Write rows to a file, and the coverage statement beside it.

    Both are written under other names first. At no moment does a statement stand beside rows that
    it was not made for.

    Args:
        connection: The connection that the rows are of.
        rows: The rows.
        path: Where; what is there is replaced.
        form: As what.
        coverage: The coverage statement, as JSON.

    Returns:
        How many rows were written.

    Raises:
        ExportError: It cannot be written there; what was there before stays.
    """
    path = path.resolve()
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise ExportError(
            f"{show(str(path))} is no file that can be replaced.",
            advice="Name a file; without --out the rows go to stdout.",
        )
    if not is_utf_8(str(path)):
        raise ExportError(
            f"{show(str(path))} holds bytes that are not UTF-8, where DuckDB can write no file.",
            advice="Name another file; without --out the rows go to stdout.",
        )
    beside = path.with_name(f"{path.name}{COVERAGE_SUFFIX}")
    with _explaining(path), _partial(path) as rows_file, _partial(beside) as coverage_file:
        count = _copy(connection, rows, rows_file, form=form, coverage=coverage)
        coverage_file.write_text(f"{coverage}\n", encoding="utf-8")
        for one in (rows_file, coverage_file):
            with one.open("rb") as written:
                os.fsync(written.fileno())
        beside.unlink(missing_ok=True)
        rows_file.replace(path)
        coverage_file.replace(beside)
    return count


@contextlib.contextmanager
def written_aside(
    connection: duckdb.DuckDBPyConnection, rows: Relation, *, form: Form, coverage: str
) -> Generator[Path]:
    """Give a file with the rows that is gone when the block ends, for who hands it on.

    Raises:
        ExportError: It cannot be written.
    """
    path = Path(name_spill_folder())
    try:
        with _explaining(path):
            _copy(connection, rows, path, form=form, coverage=coverage)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    rows: Relation,
    path: Path,
    *,
    form: Form,
    coverage: str,
) -> int:
    set_variables(connection, export_path=str(path), coverage=coverage)
    # DuckDB finds the rows by the name of this variable; a view would have to be written.
    exported_rows = rows
    written = connection.execute(_COPY[form]).fetchall()
    del exported_rows
    return written[0][0]


@contextlib.contextmanager
def _partial(path: Path) -> Generator[Path]:
    """Give a name beside a file, for what becomes it when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _explaining(path: Path) -> Generator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise_interruption(error)
        reason = first_line(error) if isinstance(error, duckdb.Error) else error.strerror or error
        raise ExportError(
            f"The export cannot be written to {show(str(path))}: {reason}.",
            advice="Nothing was written. Let this user write that folder, and leave room on its "
            "disk; or name another with --out.",
        ) from error
