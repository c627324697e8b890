"""What must hold after a trial, in the tables beside what integrity.py asks of any, and of runs.

Here it is known what Truto has answered, that every answer was another one, and what was killed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from truto_groups.warehouse.database import Database
from truto_groups_tests.cluster.mischief import Done
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

# Within which a killed run is ended, where nothing else happens to those who have to notice it.
_NOTICED_WITHIN_SECONDS = 120.0
_WHO_NOTICE = ("database", "code", "daemon")

Versions = dict[str, tuple[int, int, int]]


@dataclass
class Found:
    """What somebody found: what is wrong, a sentence each, and what a person is told."""

    wrong: list[str] = field(default_factory=list[str])
    told: str = ""


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


def find_unnoticed(instance: dg.DagsterInstance, done: Sequence[Done]) -> Found:
    """Find runs that were killed and not ended soon after."""
    outages = [(one.began_at, one.ended_at) for one in done if one.host in _WHO_NOTICE]
    seconds: list[float] = []
    found = Found()
    for kill in done:
        if not kill.killed_runs:
            continue
        for record in instance.get_run_records(dg.RunsFilter(run_ids=[*kill.killed_runs])):
            end = record.end_time or math.inf
            if end <= kill.ended_at:
                continue  # it had just ended of its own
            seconds.append(end - kill.began_at)
            if end > find_deadline(kill.ended_at, outages):
                found.wrong.append(
                    f"a run whose worker was killed was ended after {seconds[-1]:.0f} s: "
                    f"{record.dagster_run.run_id}"
                )
    statuses = Counter(one.status.value.lower() for one in instance.get_runs())
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    found.told = (
        f"Runs: {counts}; {len(seconds)} killed ones were ended after "
        f"{', '.join(f'{one:.0f} s' for one in seconds) or 'no time'}."
    )
    return found


def find_deadline(killed_at: float, outages: Iterable[tuple[float, float]]) -> float:
    """Until when a run that was killed must be ended.

    Args:
        killed_at: When.
        outages: Of those who have to notice it, from when to when; each lets the time begin anew.
    """
    since = killed_at
    for began_at, ended_at in sorted(outages):
        if began_at <= since + _NOTICED_WITHIN_SECONDS:
            since = max(since, ended_at)
    return since + _NOTICED_WITHIN_SECONDS
