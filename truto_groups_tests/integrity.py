"""Find what no fault may ever leave behind in the tables, whatever went before.

Pure SQL over a database at rest, as any reader sees it; what the rows should be is known only to
who serves them.
"""

from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import read_rows

_FAULTS = {
    "an id twice in groups": """
        SELECT integrated_account_id, id FROM groups GROUP BY ALL HAVING count(*) > 1
    """,
    "an id twice in raw_groups": """
        SELECT integrated_account_id, id FROM raw_groups GROUP BY ALL HAVING count(*) > 1
    """,
    "a group without its raw record, or the other way round": """
        SELECT coalesce(g.integrated_account_id, r.integrated_account_id), coalesce(g.id, r.id)
        FROM groups AS g FULL JOIN raw_groups AS r USING (integrated_account_id, id)
        WHERE g.id IS NULL OR r.id IS NULL
    """,
    "a group that is not what its raw record says": """
        SELECT integrated_account_id, id
        FROM groups JOIN raw_groups USING (integrated_account_id, id)
        WHERE name IS DISTINCT FROM (record ->> '$.name')
    """,
    "a breakdown that does not add up": """
        SELECT integrated_account_id, g.n, b.group_count
        FROM (
            SELECT integrated_account_id, coalesce(group_type, '') AS type, count(*) AS n
            FROM groups GROUP BY ALL
        ) AS g
        FULL JOIN (
            SELECT integrated_account_id, coalesce(group_type, '') AS type, group_count
            FROM group_type_breakdown
        ) AS b USING (integrated_account_id, type)
        WHERE g.n IS DISTINCT FROM b.group_count
    """,
    "an account that has other rows than its last confirmed sync received": """
        SELECT s.integrated_account_id, s.received, coalesce(g.n, 0)
        FROM (
            SELECT integrated_account_id, arg_max(group_count, answer_order) AS received
            FROM account_syncs WHERE outcome IN ('published', 'unchanged') GROUP BY ALL
        ) AS s
        LEFT JOIN (
            SELECT integrated_account_id, count(*) AS n FROM groups GROUP BY ALL
        ) AS g USING (integrated_account_id)
        WHERE s.received <> coalesce(g.n, 0)
    """,
    "a change after which the groups are other ones": """
        (SELECT integrated_account_id, id, name FROM groups
         EXCEPT SELECT integrated_account_id, id, name FROM groups_as_of('infinity'::TIMESTAMPTZ))
        UNION ALL
        (SELECT integrated_account_id, id, name FROM groups_as_of('infinity'::TIMESTAMPTZ)
         EXCEPT SELECT integrated_account_id, id, name FROM groups)
    """,
    "a number that two attempts have": """
        SELECT answer_order FROM account_syncs GROUP BY ALL HAVING count(*) > 1
    """,
}


def find_faults(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Find what must not be in the tables; by what it is, the rows that show it."""
    found = {what: read_rows(database, sql) for what, sql in _FAULTS.items()}
    return {what: rows for what, rows in found.items() if rows}


def find_running(database: Database) -> list[tuple[object, ...]]:
    """Find attempts that the ledger takes for running."""
    return read_rows(
        database,
        "SELECT integrated_account_id, run_id FROM account_syncs WHERE outcome = 'running'",
    )
