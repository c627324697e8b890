"""The assets, and the one step that makes four of them.

An account's raw records, groups, breakdown and changes come out of one transaction, so they come
out of one step. It yields a materialization per published account, evaluates the checks, and only
then fails, when accounts failed: the good ones are green, the bad ones red. What a sync does is
sync/refresh.py's; what a check says is checks.py's.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg

from truto_groups import schema
from truto_groups.accounts.discovery import discover_accounts
from truto_groups.accounts.listing import OLDEST_LISTING
from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.defs.dagster_internals import DATA_VERSION_TAG, find_location
from truto_groups.defs.data_versions import ACCOUNTS, provenance_tags, version_of
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.home import store_together
from truto_groups.defs.in_flight import read_account_tags
from truto_groups.defs.metadata import (
    describe_account,
    describe_changes,
    describe_fetch,
    describe_groups,
    describe_listing,
    describe_skipped,
    describe_table,
    table_of,
)
from truto_groups.defs.partitions import find_account_ids
from truto_groups.defs.partitions import integrated_accounts as accounts_partitions
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import tell_verdicts
from truto_groups.drift.unmet import find_unmet_paths
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.run_progress import HumanPace, RunProgress
from truto_groups.session import Session
from truto_groups.sync.refresh import (
    PassedOver,
    rebuild_account_breakdowns,
    refresh_accounts,
    replay_accounts,
)
from truto_groups.sync.settle import AccountResult
from truto_groups.sync.waiting import read_needs
from truto_groups.telemetry import count_sync, counting_run
from truto_groups.text.visible import show
from truto_groups.text.words import name_some, say_count
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.overview_queries import read_newest_changes

GROUP_NAME = "truto_user_directory"
OWNERS = ["team:data-platform"]
KINDS = {"duckdb", "truto"}

RAW_GROUPS = dg.AssetKey(schema.RAW_GROUPS.name)
GROUPS = dg.AssetKey(schema.GROUPS.name)
BREAKDOWN = dg.AssetKey(schema.GROUP_TYPE_BREAKDOWN.name)
CHANGES = dg.AssetKey(schema.GROUP_CHANGES.name)

_NAMED_IN_A_SENTENCE = 5
_NAMED_IN_A_FAILURE = 20
_NEWEST_CHANGES = 200
_VERBS = {"held_back": "Held back", "skipped": "Skipped"}


def _spec(
    table: schema.Table, description: str, *, deps: Sequence[dg.AssetKey], is_partitioned: bool
) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        description=description,
        deps=deps,
        skippable=True,
        group_name=GROUP_NAME,
        owners=OWNERS,
        kinds=KINDS,
        metadata=describe_table(table),
        partitions_def=accounts_partitions if is_partitioned else None,
    )


SPECS = [
    _spec(
        schema.RAW_GROUPS,
        "One row per unified group, exactly as Truto sent it.\n\n"
        "One partition per integrated account. Materializing it fetches the account from Truto, "
        "whole, and publishes groups, breakdown and changes with it. A materialized partition "
        "without rows is an account that has no groups.",
        deps=[ACCOUNTS],
        is_partitioned=True,
    ),
    _spec(
        schema.GROUPS,
        "One row per group, team or department of an integrated account.\n\n"
        "Materialized with raw_groups it is fetched; without, it is rebuilt from raw_groups and "
        "no request is sent. How fresh an account is stands in "
        "integrated_accounts.last_confirmed_at, because an account without groups has no rows.",
        deps=[RAW_GROUPS],
        is_partitioned=True,
    ),
    _spec(
        schema.GROUP_TYPE_BREAKDOWN,
        "How many groups of which type an integrated account has.\n\n"
        "One row per type that occurs; an account without groups has none. Materialized alone it "
        "is counted anew from groups.",
        deps=[GROUPS],
        is_partitioned=True,
    ),
    _spec(
        schema.GROUP_CHANGES,
        "What was added, removed and changed between two published syncs, field by field.\n\n"
        "Over all accounts. The first sync of an account is a beginning and makes no rows; "
        "syncing the same data again adds none. `groups_as_of(instant)` gives the groups as they "
        "were. Written with every publication; materialized alone it only says what it holds.",
        deps=[RAW_GROUPS],
        is_partitioned=False,
    ),
]


@dataclass
class _Tally:
    """What a step did, for its log, its last event and its verdict.

    ``keys`` are the partitions that were selected, by the id of the account.
    """

    progress: RunProgress
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    published: int = 0
    unchanged: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0

    def count(self, result: AccountResult) -> None:
        """Count what became of one account."""
        attempt = result.attempt
        self.progress.count_account(
            attempt.outcome, is_good=result.is_good, group_count=attempt.group_count
        )
        if not result.is_good:
            key = self.keys[attempt.integrated_account_id]
            self.failures[key] = attempt.error or attempt.outcome
        count_sync(
            integration=result.account.integration if result.account else "unknown",
            outcome=attempt.outcome,
            request_count=attempt.request_count or 0,
            retry_count=attempt.retry_count or 0,
            throttled_seconds=attempt.throttled_seconds or 0.0,
        )
        self.published += attempt.outcome == "published"
        self.unchanged += attempt.outcome == "unchanged"
        self.added += result.replacement.added
        self.removed += result.replacement.removed
        self.changed += result.replacement.changed


@dg.multi_asset(
    name="refresh_groups_step",
    specs=SPECS,
    check_specs=CHECK_SPECS,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@keep_secrets
def refreshed_groups(
    context: dg.AssetExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> Iterator[Any]:
    """Fetch, replay or rebuild what was selected, then evaluate the selected checks."""
    with counting_run():
        yield from _refresh(context, truto, duckdb)


def _refresh(
    context: dg.AssetExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> Iterator[Any]:
    tally = _Tally(RunProgress(heard=HumanPace(context.log.info)))
    problem: TrutoGroupsError | None = None
    session: Session | None = None
    try:
        session = open_session(truto, duckdb)
        yield from _materialize(context, session, tally)
    except TrutoGroupsError as error:
        problem = error
    if tally.progress.account_count:
        context.log.info(tally.progress.summarize())
    is_readable = session is not None and session.database.exists
    checks = _find_checks(context)
    if checks and session is not None and (is_readable or problem is None):
        try:
            results = evaluate_checks(session, checks, location=find_location(context.run))
            yield from tell_verdicts(context.instance, results)
        except TrutoGroupsError as error:
            problem = problem or error
    if problem is not None or tally.failures:
        raise _failure(problem, tally.failures) from None


def _find_checks(context: dg.AssetExecutionContext) -> Collection[dg.AssetCheckKey]:
    """The selected checks; all of them where accounts are materialized, whatever was selected."""
    if {RAW_GROUPS, GROUPS, BREAKDOWN} & context.selected_asset_keys:
        return [spec.key for spec in CHECK_SPECS]
    return context.selected_asset_check_keys


def _materialize(
    context: dg.AssetExecutionContext, session: Session, tally: _Tally
) -> Iterator[dg.AssetMaterialization]:
    selected = context.selected_asset_keys
    has_partitions = context.has_partition_key or context.has_partition_key_range
    keys = list(context.partition_keys) if has_partitions else read_account_tags(context.run.tags)
    if {RAW_GROUPS, GROUPS, BREAKDOWN} & selected and not keys:
        raise TrutoGroupsError(
            "No integrated account is selected: the run has no partition, or its range is empty.",
            advice="Launch it with the partition of an account or with a range of them; "
            "refresh_groups_schedule and `truto-groups sync` do so for what is due.",
        )
    if {RAW_GROUPS, GROUPS} & selected:
        tally.progress.account_count = len(keys)
    run_id = context.run.run_id
    account_ids = _find_accounts(context, session, keys, tally)
    if RAW_GROUPS in selected:
        _fetch(context, session, account_ids, tally)
        yield _changes_event(session, tally)
    elif GROUPS in selected:
        for result in _tell(context, replay_accounts(session, account_ids, run_id=run_id), tally):
            metadata = describe_groups(result, is_private=_is_private(session, result))
            yield _event(GROUPS, result, metadata, tally)
            yield _event(BREAKDOWN, result, describe_account(result), tally)
        yield _changes_event(session, tally)
    elif BREAKDOWN in selected:
        for account in rebuild_account_breakdowns(session, account_ids):
            if isinstance(account, PassedOver):
                _warn_of_passed_over(context, account, tally)
                continue
            metadata = {"integration": show(account.integration)}
            yield dg.AssetMaterialization(
                BREAKDOWN, partition=tally.keys[account.id], metadata=metadata
            )
    if CHANGES in selected and not {RAW_GROUPS, GROUPS} & selected:
        yield _changes_event(session, tally)


def _find_accounts(
    context: dg.AssetExecutionContext, session: Session, keys: Sequence[str], tally: _Tally
) -> Sequence[str]:
    """Find the ids of the accounts whose partitions were selected."""
    if not keys:
        return []
    is_fetching = RAW_GROUPS in context.selected_asset_keys
    ids: Mapping[str, str] = {}
    reason = "No known account has this partition key. The next discovery removes it."
    if session.database.exists or not is_fetching:
        ids = find_account_ids(session, keys)
    if len(ids) < len(keys) and is_fetching:
        # The tables may be new, and the partitions older: a listing makes the same keys again.
        try:
            discover_accounts(
                session,
                partition_keys=[],
                in_flight=(),
                run_id=context.run.run_id,
                is_removing=False,
            )
            ids = find_account_ids(session, keys)
        except TrutoGroupsError as error:
            if not ids:
                raise
            reason = f"No known account has this partition key, and no listing told of it. {error}"
    tally.keys = {account_id: key for key, account_id in ids.items()}
    for key in keys:
        if key not in ids:
            tally.failures[key] = reason
            tally.progress.account_count -= 1
            context.log.error("Failed integrated account %s: %s", show(key), show(reason))
    return [ids[key] for key in keys if key in ids]


def _fetch(
    context: dg.AssetExecutionContext, session: Session, account_ids: Sequence[str], tally: _Tally
) -> None:
    """Fetch and publish accounts, and tell Dagster of each.

    Nothing is yielded: who cancels a run ends its step between two events that are, and what was
    committed with the first would stay untold.
    """
    run_id = context.run.run_id
    results = refresh_accounts(
        session,
        account_ids,
        run_id=run_id,
        counted=tally.progress,
        told_together=partial(store_together, context.instance),
    )
    provenance = provenance_tags(context.instance, run_id=run_id)
    # Where telling fails, signals must not wait any longer for what is told next.
    with closing(results):
        for result in _tell(context, results, tally):
            if result.attempt.outcome == "skipped":
                for asset in (RAW_GROUPS, GROUPS, BREAKDOWN):
                    context.log_event(_event(asset, result, describe_skipped(result), tally))
                continue
            # Only here: storing an event with tags takes Dagster a third longer, and groups and
            # breakdown come with every raw_groups.
            version = {DATA_VERSION_TAG: result.attempt.digest or ""}
            tags = {**version, **provenance}
            context.log_event(_event(RAW_GROUPS, result, describe_fetch(result), tally, tags=tags))
            unmet = _find_unmet_paths(session, result)
            if unmet:
                context.log.warning(
                    "Of integrated account %s no group has %s, which its setting remote_data is to "
                    "keep. Correct the path in the settings file, or leave it out.",
                    show(tally.keys[result.attempt.integrated_account_id]),
                    show(", ".join(unmet)),
                )
            metadata = describe_groups(result, is_private=_is_private(session, result), unmet=unmet)
            context.log_event(_event(GROUPS, result, metadata, tally))
            context.log_event(_event(BREAKDOWN, result, describe_account(result), tally))


def _find_unmet_paths(session: Session, result: AccountResult) -> Sequence[str]:
    if result.account is None or result.verdict is None:
        return ()
    settings = session.settings_for(result.account)
    return find_unmet_paths(settings.remote_data, result.verdict.shape)


def _tell(
    context: dg.AssetExecutionContext,
    results: Iterable[AccountResult | PassedOver],
    tally: _Tally,
) -> Iterator[AccountResult]:
    """Count and log what became of accounts, and hand on those that are materialized."""
    for result in results:
        if isinstance(result, PassedOver):
            tally.progress.account_count -= 1
            _warn_of_passed_over(context, result, tally)
            continue
        tally.count(result)
        attempt = result.attempt
        if result.is_good:
            yield result
        else:
            context.log.error(
                "%s integrated account %s: %s",
                _VERBS.get(attempt.outcome, "Failed"),
                show(tally.keys[attempt.integrated_account_id]),
                show(attempt.error or ""),
            )


def _warn_of_passed_over(
    context: dg.AssetExecutionContext, passed: PassedOver, tally: _Tally
) -> None:
    context.log.warning(
        "Passed over integrated account %s. %s",
        show(tally.keys[passed.integrated_account_id]),
        show(passed.reason),
    )


def _event(
    asset: dg.AssetKey,
    result: AccountResult,
    metadata: dict[str, Any],
    tally: _Tally,
    *,
    tags: Mapping[str, str] | None = None,
) -> dg.AssetMaterialization:
    partition = tally.keys[result.attempt.integrated_account_id]
    return dg.AssetMaterialization(asset, partition=partition, metadata=metadata, tags=tags)


def _is_private(session: Session, result: AccountResult) -> bool:
    """Whether nothing of an account's groups is told by name; so is one that is not known."""
    return result.account is None or session.settings_for(result.account).private_values


def _changes_event(session: Session, tally: _Tally) -> dg.AssetMaterialization:
    with session.database.reading() as connection:
        changes = read_newest_changes(connection, most=_NEWEST_CHANGES)
        private = {
            account.id
            for account in read_known_accounts(connection)
            if session.settings_for(account).private_values
        }
    return dg.AssetMaterialization(
        CHANGES,
        metadata={
            **describe_changes(changes, private=private, most=_NEWEST_CHANGES),
            "groups_added": tally.added,
            "groups_removed": tally.removed,
            "groups_changed": tally.changed,
            "accounts_published": tally.published,
            "accounts_unchanged": tally.unchanged,
        },
    )


def _failure(problem: TrutoGroupsError | None, failures: dict[str, str]) -> dg.Failure:
    lines = [show(str(problem))] if problem else []
    if failures:
        named = show(name_some(sorted(failures), most=_NAMED_IN_A_SENTENCE))
        count = say_count(len(failures), "integrated account")
        lines.append(f"Not published: {count} ({named}).")
        lines += [
            f"- {show(key)}: {show(error)}"
            for key, error in list(failures.items())[:_NAMED_IN_A_FAILURE]
        ]
    if len(failures) > _NAMED_IN_A_FAILURE:
        lines.append(f"- and {len(failures) - _NAMED_IN_A_FAILURE} more; see account_syncs.")
    rows = [{"account": key, "error": error} for key, error in failures.items()]
    return dg.Failure(
        description="\n".join(lines),
        metadata={"failed_accounts": table_of(rows)} if rows else None,
        allow_retries=False,
    )


# A multi_asset, because only there a backfill policy is no beta; with one, a range of accounts can
# be launched together with what lies above them.
@dg.multi_asset(
    name=schema.INTEGRATED_ACCOUNTS.name,
    specs=[
        dg.AssetSpec(
            ACCOUNTS,
            description=(
                "One row per integrated account, as Truto last listed it.\n\n"
                "The sensor discover_integrated_accounts keeps it, and the partitions, in step. "
                "Materialized by hand it lists the accounts too, but leaves the partitions alone."
            ),
            group_name=GROUP_NAME,
            owners=OWNERS,
            kinds=KINDS,
            metadata=describe_table(schema.INTEGRATED_ACCOUNTS),
            # Whether discovery runs. On the other assets it would speak for whichever account came
            # last; of accounts speaks the check every_account_is_fresh.
            freshness_policy=dg.FreshnessPolicy.time_window(fail_window=OLDEST_LISTING),
        )
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@keep_secrets
def integrated_accounts(
    context: dg.AssetExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> dg.MaterializeResult[Any]:
    """List the accounts and keep the listing."""
    try:
        session = open_session(truto, duckdb)
        found = discover_accounts(
            session, partition_keys=[], in_flight=(), run_id=context.run.run_id, is_removing=False
        )
        with session.database.reading() as connection:
            needs = read_needs(session, connection, found.accounts)
    except TrutoGroupsError as error:
        raise make_failure(error) from None
    return dg.MaterializeResult(
        metadata=describe_listing(found.accounts, needs, now=session.clock()),
        data_version=version_of(found.accounts),
    )
