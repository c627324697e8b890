"""One Dagster partition per integrated account; only discovery adds or removes keys.

A partition's key is the account's, kept in integrated_accounts; past this point accounts are ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from truto_groups.accounts.discovery import Discovery, discover_accounts
from truto_groups.defs.in_flight import find_in_flight
from truto_groups.session import Session
from truto_groups.warehouse import partition_keys

integrated_accounts = dg.DynamicPartitionsDefinition(name="integrated_accounts")
_NAME = str(integrated_accounts.name)


@dataclass(frozen=True)
class DiscoveredPartitions:
    """What discovery found, beside the partitions as they were.

    Attributes:
        found: What the listing means, and which keys to add and to remove.
        keys: Dagster's keys, once it was followed.
        in_flight: Those that a run or a backfill covers.
    """

    found: Discovery
    keys: Sequence[str]
    in_flight: set[str]


def read_partition_keys(instance: dg.DagsterInstance) -> Sequence[str]:
    """Dagster's keys, in its order."""
    return instance.get_dynamic_partitions(_NAME)


def find_account_ids(session: Session, keys: Sequence[str]) -> Mapping[str, str]:
    """Find the integrated account id of each key; a key that is nobody's is left out.

    An id is a key too, so that a partition of an earlier version can be materialized.

    Raises:
        DatabaseError: The tables cannot be read.
    """
    with session.database.reading() as connection:
        known = partition_keys.read_partition_keys(connection)
    ids = {key: account_id for account_id, key in known.items()} | {one: one for one in known}
    return {key: ids[key] for key in keys if key in ids}


def discover_partitions(
    session: Session, instance: dg.DagsterInstance, *, run_id: str, within_seconds: float | None
) -> DiscoveredPartitions:
    """List the accounts, keep the table, and say which partitions to add and to remove.

    Args:
        session: What to work with.
        instance: Dagster's; its runs say which accounts must not be removed.
        run_id: Names who removed the groups of accounts that are gone.
        within_seconds: How long Truto may take; None: as long as the knobs allow.

    Raises:
        TrutoError: The listing failed, broke off or is doubtful; nothing was changed.
        DatabaseError: Nothing was changed.
    """
    keys = read_partition_keys(instance)
    in_flight = find_in_flight(instance, keys)
    found = discover_accounts(
        session,
        partition_keys=keys,
        in_flight=in_flight,
        run_id=run_id,
        within_seconds=within_seconds,
    )
    removed = set(found.removed_keys)
    kept = [key for key in keys if key not in removed]
    return DiscoveredPartitions(found, [*kept, *found.added_keys], in_flight)


def apply_partitions(instance: dg.DagsterInstance, found: Discovery) -> None:
    """Add and remove partitions at once; a sensor requests it from its daemon instead."""
    if found.added_keys:
        add_partitions(instance, found.added_keys)
    remove_partitions(instance, found.removed_keys)


def add_partitions(instance: dg.DagsterInstance, keys: Sequence[str]) -> None:
    """Add partitions at once; those that are there already stay."""
    instance.add_dynamic_partitions(_NAME, list(keys))


def remove_partitions(instance: dg.DagsterInstance, keys: Sequence[str]) -> None:
    """Remove partitions at once."""
    for key in keys:
        instance.delete_dynamic_partition(_NAME, key)
