"""What must hold in the tables after a trial, beside what integrity.py asks of any database.

Here it is known what Truto has answered, and that every answer was another one.
"""

from collections.abc import Mapping

from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster.truto import count_groups
from truto_groups_tests.integrity import find_faults, find_running
from truto_groups_tests.stand import read_rows

_VERSION = "CAST(regexp_extract(name, ' as of (\\d+)$', 1) AS INTEGER)"
_VERSIONS = f"""
    SELECT integrated_account_id, min({_VERSION}), max({_VERSION}), count(*)
    FROM groups GROUP BY ALL
"""  # noqa: S608 - of our own making
_OUTCOMES = "SELECT outcome, count(*) FROM account_syncs GROUP BY ALL ORDER BY ALL"
# Published in another order than the one in which they were begun.
_OVERTAKEN = """
    SELECT integrated_account_id, finished_at, answer_order, before
    FROM (
        SELECT *, max(answer_order) OVER (
            PARTITION BY integrated_account_id ORDER BY finished_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before
        FROM account_syncs WHERE outcome IN ('published', 'unchanged')
    )
    WHERE answer_order < before
"""
# Every answer renames every group, so that what one run changed at one instant has one version.
_MIXED_CHANGES = f"""
    SELECT integrated_account_id, changed_at, run_id
    FROM group_changes WHERE change <> 'removed'
    GROUP BY ALL HAVING count(DISTINCT {_VERSION}) > 1
"""  # noqa: S608 - of our own making

Versions = dict[str, tuple[int, int, int]]


def read_versions(database: Database) -> Versions:
    """By account, the smallest and the largest version of its rows, and how many they are."""
    return {account: (least, most, n) for account, least, most, n in read_rows(database, _VERSIONS)}


def find_torn(versions: Versions) -> list[str]:
    """Find accounts whose rows are not the whole of one answer."""
    return [
        account
        for account, (least, most, count) in versions.items()
        if least != most or count != count_groups(least)
    ]


def judge(database: Database, *, last_whole: Mapping[str, int]) -> list[str]:
    """Say what is wrong, a sentence each; nothing where all is well.

    Args:
        database: The tables, after every account was synced once more while nothing went wrong.
        last_whole: By account, the version that Truto has answered last.
    """
    versions = read_versions(database)
    found: dict[str, list[object]] = {what: [*rows] for what, rows in find_faults(database).items()}
    found["attempts that run for ever"] = [*find_running(database)]
    found["accounts whose rows are not one answer"] = [*find_torn(versions)]
    found["accounts with another answer than Truto's last"] = [
        (account, version, versions.get(account))
        for account, version in last_whole.items()
        if versions.get(account, (0,))[0] != version
    ]
    found["older answers published over newer ones"] = [*read_rows(database, _OVERTAKEN)]
    found["changes of one instant out of several answers"] = [*read_rows(database, _MIXED_CHANGES)]
    return [f"{what}: {len(rows)}, as {rows[:3]}" for what, rows in found.items() if rows]


def sum_up(database: Database) -> str:
    """How the attempts ended, for a person."""
    return ", ".join(f"{count} {outcome}" for outcome, count in read_rows(database, _OUTCOMES))
