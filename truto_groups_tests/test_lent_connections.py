"""What one test leaves in a connection to DuckDB, the next one that is lent it does not find."""

import contextlib
from pathlib import Path

import duckdb
import pytest

from truto_groups.sync.land import StagedPage, Staging
from truto_groups.warehouse import database as database_module
from truto_groups_tests.lent_connections import lent_connections
from truto_groups_tests.stand import A

LEFT = """
    SELECT 'table', table_name FROM duckdb_tables()
    UNION ALL SELECT 'function', function_name FROM duckdb_functions() WHERE NOT internal
    UNION ALL SELECT 'variable', name FROM duckdb_variables()
    UNION ALL SELECT 'database', database_name FROM duckdb_databases() WHERE NOT internal
    UNION ALL SELECT 'used', current_database()
"""


def look(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    return set(connection.execute(LEFT).fetchall())


def test_a_connection_is_lent_as_new(tmp_path: Path) -> None:
    with lent_connections():
        first = database_module.connect()
        new = look(first)
        first.execute(f"ATTACH '{tmp_path / 'a.duckdb'}' AS warehouse").fetchall()
        first.execute('USE "warehouse"').fetchall()
        first.execute("BEGIN").fetchall()
        first.execute("CREATE TABLE kept AS SELECT 1 AS one").fetchall()
        first.execute("-- Why.\nCREATE OR REPLACE TEMP TABLE listed AS\nSELECT 1").fetchall()
        first.execute("CREATE OR REPLACE TEMP MACRO is_compared(key) AS\n key > 1").fetchall()
        first.execute("SET VARIABLE chosen = $value", {"value": [1]}).fetchall()
        instance = first.execute("SELECT 1")
        first.close()
        second = database_module.connect()

        assert second.execute("SELECT 1") is instance
        assert look(second) == new
        with pytest.raises(duckdb.ConnectionException, match="closed"):
            first.execute("SELECT 1")
        second.close()


@pytest.mark.parametrize(
    "text",
    [
        "SET memory_limit = '100MB'",
        "CREATE TEMP TABLE whatever AS SELECT 1",
        "SELECT 1; CREATE TEMP TABLE whatever AS SELECT 1",
        "PRAGMA disable_optimizer",
        "SELECT no_such_column",
    ],
)
def test_where_it_is_not_known_how_to_undo_something_the_connection_is_closed(text: str) -> None:
    with lent_connections():
        first = database_module.connect()
        instance = first.execute("SELECT 1")
        with contextlib.suppress(duckdb.BinderException):
            first.execute(text)
        first.close()
        second = database_module.connect()

        assert second.execute("SELECT 1") is not instance
        second.close()


def test_a_staging_that_is_lent_is_empty() -> None:
    counts: list[int] = []
    with lent_connections():
        for _ in range(2):
            with Staging() as staging:
                ((count,),) = staging.connection.execute(
                    "SELECT count(*) FROM staging.landed"
                ).fetchall()
                counts.append(count)
                assert not staging.land([StagedPage(A, 1, '[{"id": "g1"}]')])
    assert counts == [0, 0]
