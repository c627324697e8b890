"""Runs whose process is gone, reported as failed soon, wherever they lived.

Dagster's own watch asks the launcher, and not every launcher knows: Celery says of a run whose
machine died that it has started, for ever. Who is present is warehouse/'s to tell.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.defs.failures import keep_secrets
from truto_groups.defs.in_flight import end_abandoned_runs
from truto_groups.defs.resources import TICK_PATIENCE_SECONDS, GroupsDatabase
from truto_groups.text.words import say_count


@dg.sensor(
    name="end_killed_runs",
    # A dead run's accounts stay in flight, and it is not run again, until it is ended: within a
    # minute and a half after its machine is gone, where presence lapses after one.
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports as failed the runs whose process was killed while it refreshed accounts, "
    "also on another machine, so that Dagster runs them again.",
)
@keep_secrets
def end_killed_runs(context: dg.SensorEvaluationContext, duckdb: GroupsDatabase) -> dg.SkipReason:
    """End what nobody executes any more."""
    database = duckdb.open(patience_seconds=TICK_PATIENCE_SECONDS)
    ended = end_abandoned_runs(context.instance, database)
    return dg.SkipReason(f"{say_count(ended, 'run')} ended whose process was killed.")
