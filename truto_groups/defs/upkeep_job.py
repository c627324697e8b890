"""The job maintain_lake: a lake's files merged and its old states dropped, once a day.

What is done stands in warehouse/upkeep.py. A database that is no lake needs none of it.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.defs.dagster_internals import MAX_RETRIES_TAG
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import TrutoGroupsError
from truto_groups.settings import format_duration
from truto_groups.text.words import say_count
from truto_groups.warehouse.upkeep import maintain_lake as maintain


@dg.op(name="maintain_lake_step")
@keep_secrets
def maintain_lake_step(
    context: dg.OpExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> None:
    """Merge the files of a lake and drop its old states."""
    try:
        session = open_session(truto, duckdb)
        kept_for = session.settings.history.snapshots_kept_for
        sizes = maintain(session.database, before=session.clock() - kept_for)
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    if sizes is None:
        context.log.info("The database is no lake: there is nothing to do.")
        return
    before, after = sizes
    context.log.info(
        f"{say_count(before.file_count, 'file')} of {before.byte_count / 1e6:,.1f} MB became "
        f"{after.file_count} of {after.byte_count / 1e6:,.1f} MB; of "
        f"{say_count(before.snapshot_count, 'snapshot')} those of the last "
        f"{format_duration(kept_for)} stay, {after.snapshot_count}."
    )
    context.add_output_metadata(
        {
            "files_before": before.file_count,
            "files": after.file_count,
            "bytes": after.byte_count,
            "snapshots": after.snapshot_count,
        }
    )


@dg.job(
    description="Write rows out of a lake's catalogue, merge its files, and drop its states that "
    "are older than the settings file keeps them (history:). Does nothing where the database is no "
    "lake.",
    tags={MAX_RETRIES_TAG: "0"},
)
def maintain_lake() -> None:
    """Keep a lake small and quick."""
    maintain_lake_step()


@dg.schedule(
    name="maintain_lake_schedule",
    job=maintain_lake,
    cron_schedule="11 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Merges a lake's files and drops its old states, once a day.",
)
@keep_secrets
def maintain_lake_schedule(duckdb: GroupsDatabase) -> dg.RunRequest | dg.SkipReason:
    """Request the upkeep of a lake."""
    if duckdb.open().lake_name is None:
        return dg.SkipReason("The database is no lake.")
    return dg.RunRequest()
