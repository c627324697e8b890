"""The job diagnose: one page of one account in Truto's debug format, as metadata of its run.

What is asked and what it means is sync/debug_answer.py's.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import dagster as dg

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import Unknown, find_named
from truto_groups.defs.dagster_internals import MAX_RETRIES_TAG
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.launchpad import ACCOUNT
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.diagnosis import write_diagnosis
from truto_groups.sync.debug_answer import diagnose as look_at
from truto_groups.text.visible import show
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database

DIAGNOSE_OP = "look_at_one_page"


_CONFIG = {
    "account": dg.Field(
        ACCOUNT, description="The account, by its key, its id, or a beginning of either."
    )
}


@dg.op(name=DIAGNOSE_OP, config_schema=_CONFIG)
@keep_secrets
def diagnose_step(
    context: dg.OpExecutionContext,
    truto: TrutoResource,
    duckdb: GroupsDatabase,
) -> None:
    """Ask for one page and show what we make of it."""
    named = context.op_config["account"]
    try:
        session = open_session(truto, duckdb)
        account, unknown = find_one(session.database, named)
        if account is None:
            told = f"{show(named)}: {unknown.what}; {unknown.hint}" if unknown else ""
            raise dg.Failure(told, allow_retries=False)
        found = look_at(session, account)
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    context.add_output_metadata({"diagnosis": dg.MetadataValue.md(write_diagnosis(found))})
    if found.problem:
        context.log.warning(found.problem)


@dg.job(
    description="Ask for one page of one account in Truto's debug format, and show the vendor's "
    "answer beside what we make of it. Writes to no table; credentials are left out.",
    config={"ops": {DIAGNOSE_OP: {"config": {"account": ""}}}},
    tags={MAX_RETRIES_TAG: "0"},
)
def diagnose() -> None:
    """Look at one page of one account."""
    diagnose_step()


def find_one(database: Database, name: str) -> tuple[KnownAccount | None, Unknown | None]:
    """Find the account that a person names; else what may have been meant.

    Raises:
        DatabaseError: The database cannot be read.
    """
    with database.reading() as connection:
        known = read_known_accounts(connection)
    ids, unknown = find_named([name], known)
    account = next((one for one in known if one.id in ids), None)
    return account, unknown[0] if unknown else None
