"""The least and the greatest text of each column, which a lake keeps for its planner.

They are values of rows, and stay when the rows are deleted: DuckLake has no call that narrows them
unless it writes a file of the table anew. So this module alone writes in the tables of a catalogue.
"""

import duckdb

from truto_groups.warehouse.statements import statement


def narrow_statistics(connection: duckdb.DuckDBPyConnection, lake: str) -> None:
    """Set them to what the tables hold now, in a transaction of the caller's.

    Args:
        connection: A connection on which the lake is attached, alone.
        lake: The name under which it is attached.
    """
    metadata = f'"__ducklake_metadata_{lake}"'
    text = statement("lake/find_text_statistics").replace("{metadata}", metadata)
    for table_id, column_id, schema, table, column, is_whole in connection.execute(text).fetchall():
        bounds = (None, None)
        if is_whole:
            name = ".".join(map(_quote, (lake, schema, table)))
            ((*bounds,),) = connection.execute(
                f"SELECT min({_quote(column)})::VARCHAR, "  # noqa: S608 - quoted
                f"max({_quote(column)})::VARCHAR FROM {name}"
            ).fetchall()
        connection.execute(
            f"UPDATE {metadata}.ducklake_table_column_stats "  # noqa: S608 - a name of ours
            "SET min_value = $least, max_value = $greatest "
            "WHERE table_id = $table_id AND column_id = $column_id",
            {"least": bounds[0], "greatest": bounds[1], "table_id": table_id,
             "column_id": column_id},
        ).fetchall()  # fmt: skip
    # A process keeps the statistics of a state by the number that the next file gets (DuckLake
    # 1.0), and would write the old ones back with its next publication.
    connection.execute(
        f"UPDATE {metadata}.ducklake_snapshot "  # noqa: S608 - a name of ours
        "SET next_file_id = next_file_id + 1"
    ).fetchall()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
