"""Data versions: what lets Dagster tell whether an account's partitions are up to date.

A listing is recorded every few minutes. Without a version of what it holds, and without a note in
each partition of which one it was made from, the UI would show all of them as out of sync.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields

import dagster as dg

from truto_groups import schema
from truto_groups.accounts.model import KnownAccount
from truto_groups.defs.dagster_internals import DATA_VERSION_TAG, tag_inputs
from truto_groups.defs.metadata import describe_listing
from truto_groups.session import Session
from truto_groups.sync.waiting import read_needs

ACCOUNTS = dg.AssetKey(schema.INTEGRATED_ACCOUNTS.name)

_LISTED = [
    field.name
    for field in fields(KnownAccount)
    if field.name in schema.INTEGRATED_ACCOUNTS.column_names and not field.name.endswith("_at")
]


def version_of(accounts: Sequence[KnownAccount]) -> dg.DataVersion:
    """Digest of a listing: who is there, and how Truto describes them, instants aside."""
    rows = sorted(
        [*(getattr(account, name) for name in _LISTED), account.gone_at is None]
        for account in accounts
    )
    return dg.DataVersion(hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32])


def listing_event(session: Session, accounts: Sequence[KnownAccount]) -> dg.AssetMaterialization:
    """The materialization of ``integrated_accounts`` that discovery reports.

    Raises:
        DatabaseError: Who needs a person cannot be read.
    """
    with session.database.reading() as connection:
        needs = read_needs(session, connection, accounts)
    return dg.AssetMaterialization(
        ACCOUNTS,
        metadata=describe_listing(accounts, needs, now=session.clock()),
        tags={DATA_VERSION_TAG: version_of(accounts).value},
    )


def provenance_tags(instance: dg.DagsterInstance, *, run_id: str) -> Mapping[str, str]:
    """Which listing ``raw_groups`` are made from now: tags of their materializations."""
    return tag_inputs(instance, [ACCOUNTS], run_id=run_id)
