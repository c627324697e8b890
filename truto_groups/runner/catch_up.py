"""Discover and refresh as the daemon does, in this process: what ``sync`` and the demo share.

Partitions change as discovery says, and accounts are refreshed by the same Dagster job, so that
history and checks land in the same instance. What is printed of it is the callers'.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import dagster as dg

from truto_groups.accounts.advice import find_obstacle
from truto_groups.accounts.discovery import Discovery
from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import (
    REFRESH_TICK,
    find_due_at,
    is_due,
    is_syncable,
    plan_due,
)
from truto_groups.accounts.ranges import Limits, PartitionRange, RangeRole, plan_ranges
from truto_groups.accounts.selection import find_states, select_accounts
from truto_groups.definitions import build_definitions
from truto_groups.defs.data_versions import listing_event
from truto_groups.defs.in_flight import find_in_flight
from truto_groups.defs.partitions import (
    apply_partitions,
    discover_partitions,
    read_partition_keys,
)
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.report.run_progress import RunProgress, counting_together
from truto_groups.runner.local_runs import (
    FinishedRun,
    in_this_process,
    open_instance,
    refresh_range,
)
from truto_groups.runner.sync_report import Census, Listener, Refusal, SyncReport, SyncRequest
from truto_groups.session import Session
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.run_queries import read_outcomes


def catch_up(
    request: SyncRequest, *, listener: Listener, cwd: Path, is_verbose: bool = False
) -> SyncReport:
    """Discover the accounts, then refresh those that are wished for.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        TrutoError: The accounts cannot be listed.
        DatabaseError: The database cannot be used.
    """
    session = open_session(TrutoResource(), GroupsDatabase())
    session.find_client()  # without a token nothing can be done: say so before anything is opened
    with (
        open_instance(cwd=cwd) as instance,
        in_this_process(instance, session.database) as tags,
    ):
        found = _discover(session, instance)
        listener.discovered(_take_census(session, found))
        sync = _Sync(session, instance, tags, listener, is_verbose=is_verbose)
        sync.run(_choose(session, found.accounts, request, report=sync.report))
        if any(not verdict.is_passed for verdict in sync.report.verdicts):
            with session.database.reading() as connection:
                sync.report.pending = read_pending(connection)
        return sync.report


@dataclass
class _Sync:
    """The state of one call of catch_up."""

    session: Session
    instance: dg.DagsterInstance
    tags: dict[str, str]
    listener: Listener
    is_verbose: bool = field(kw_only=True)
    report: SyncReport = field(default_factory=SyncReport)
    tried: set[str] = field(default_factory=set[str])

    def run(self, wanted: frozenset[str] | None) -> None:
        """Plan and run until nothing that is wanted is left; each account is tried once."""
        definitions = build_definitions()
        while True:
            known = self._read_known()
            keys = read_partition_keys(self.instance)
            busy = find_in_flight(self.instance, keys)
            self.report.in_flight = [
                account
                for account in known.values()
                if account.partition_key in busy - self.tried and self._is_wanted(account, wanted)
            ]
            self.report.overdue = find_stale_accounts(
                self.report.in_flight,
                max_age_of=self.session.max_age_of,
                now=self.session.clock(),
            )
            ranges = self._plan(known.values(), keys, busy | self.tried, wanted)
            if not ranges:
                self.report.due_at = self._find_next_due_at(known.values())
                return
            by_key = {account.partition_key: account for account in known.values()}
            covers = [
                [
                    by_key[key]
                    for key in _cut(keys, one)
                    if key in by_key and self._is_syncable(by_key[key])
                ]
                for one in ranges
            ]
            progress = self._begin(sum(len(covered) for covered in covers))
            for one, covered in zip(ranges, covers, strict=True):
                self.tried |= {account.partition_key for account in covered}
                with counting_together(progress):
                    finished = refresh_range(
                        definitions, self.instance, one, tags=self.tags, is_verbose=self.is_verbose
                    )
                if not self._settle(finished, covered):
                    return

    def _begin(self, account_count: int) -> RunProgress:
        if self.report.progress is None:
            self.report.progress = RunProgress(heard=self.listener.progressed)
        self.report.progress.account_count += account_count
        self.listener.begun(account_count)
        return self.report.progress

    def _plan(
        self,
        known: Iterable[KnownAccount],
        keys: Sequence[str],
        excluded: Collection[str],
        wanted: frozenset[str] | None,
    ) -> list[PartitionRange]:
        if wanted is None:
            plan = plan_due(
                known,
                partition_keys=keys,
                in_flight=excluded,
                pace_of=self.session.pace_of,
                now=self.session.clock(),
                next_tick=REFRESH_TICK,
                # They run one after the other, and flood no queue.
                limits=Limits(ranges=len(keys)),
            )
            return list(plan.ranges)
        roles: dict[str, RangeRole] = {}
        for account in known:
            key = account.partition_key
            if key not in excluded:
                if not self._is_syncable(account):
                    roles[key] = RangeRole.PASSED_OVER
                elif account.id in wanted:
                    roles[key] = RangeRole.DUE
        return plan_ranges(keys, roles=roles, limits=Limits(ranges=len(keys), in_all=len(keys)))

    def _settle(self, finished: FinishedRun, covered: Sequence[KnownAccount]) -> bool:
        """Take what a run did; False when the next one would only meet the same problem."""
        with self.session.database.reading() as connection:
            outcomes = read_outcomes(connection, run_id=finished.run_id)
        outcomes = [one for one in outcomes if one.outcome != "running"]
        self.listener.settled(outcomes)
        if finished.is_interrupted:
            raise KeyboardInterrupt
        reached = {one.integrated_account_id for one in outcomes}
        unreached = [account for account in covered if account.id not in reached]
        self.report.run_ids.append(finished.run_id)
        self.report.outcomes += outcomes
        self.report.unreached += unreached
        self.report.verdicts = finished.verdicts
        if finished.problem and (unreached or all(one.is_good for one in outcomes)):
            self.report.problems.append(finished.problem)
        return not unreached and all(one.error_kind != "token_rejected" for one in outcomes)

    def _read_known(self) -> dict[str, KnownAccount]:
        with self.session.database.reading() as connection:
            return {account.id: account for account in read_known_accounts(connection)}

    def _find_next_due_at(self, known: Iterable[KnownAccount]) -> datetime | None:
        dues = [
            find_due_at(account, pace=self.session.pace_of(account), next_tick=REFRESH_TICK)
            for account in known
        ]
        # What is due already is in flight, and told as such.
        now = self.session.clock()
        return min((due_at for due_at in dues if due_at and due_at > now), default=None)

    def _is_syncable(self, account: KnownAccount) -> bool:
        return is_syncable(account, skip=self.session.pace_of(account).skip)

    def _is_wanted(self, account: KnownAccount, wanted: frozenset[str] | None) -> bool:
        if wanted is not None:
            return account.id in wanted
        pace = self.session.pace_of(account)
        return is_due(account, pace=pace, now=self.session.clock(), next_tick=REFRESH_TICK)


def _discover(session: Session, instance: dg.DagsterInstance) -> Discovery:
    """Keep table and partitions in step with Truto, as the sensor does."""
    found = discover_partitions(
        session, instance, run_id="truto-groups sync", within_seconds=None
    ).found
    apply_partitions(instance, found)
    event = session.database.retried(lambda: listing_event(session, found.accounts))
    instance.report_runless_asset_event(event)
    return found


def _take_census(session: Session, found: Discovery) -> Census:
    """Sort out who is listed and yet not synced."""
    idle: dict[str, list[KnownAccount]] = {}
    listed = [account for account in found.accounts if account.gone_at is None]
    for account in listed:
        skip = session.pace_of(account).skip
        if not is_syncable(account, skip=skip):
            no_groups = account.supports_groups is False
            why = "skipped" if skip else "without groups" if no_groups else "to be reconnected"
            idle.setdefault(why, []).append(account)
    return Census(found, len(listed) - sum(map(len, idle.values())), idle)


def _choose(
    session: Session, accounts: Sequence[KnownAccount], request: SyncRequest, *, report: SyncReport
) -> frozenset[str] | None:
    """Say which accounts are wanted, None for what is due; refuse names that cannot be synced."""
    if request.wanted.is_empty and not request.is_all:
        return None
    stale = find_stale_accounts(accounts, max_age_of=session.max_age_of, now=session.clock())
    selection = select_accounts(accounts, request.wanted, states_of=find_states(stale))
    reasons = {
        account.id: find_obstacle(account, skip=session.pace_of(account).skip)
        for account in selection.accounts
    }
    chosen = frozenset(key for key, reason in reasons.items() if reason is None)
    report.is_choice = not request.wanted.is_empty
    report.unknown = selection.unknown
    if request.wanted.names or (report.is_choice and not chosen):
        # Of all accounts of a tenant, those that cannot be synced are told with the listing.
        report.refusals += [
            Refusal(account, reason)
            for account in selection.accounts
            if (reason := reasons[account.id]) is not None
        ]
    return chosen


def _cut(keys: Sequence[str], found: PartitionRange) -> Sequence[str]:
    position: Mapping[str, int] = {key: index for index, key in enumerate(keys)}
    return keys[position[found.first] : position[found.last] + 1]
