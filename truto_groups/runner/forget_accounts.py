"""Forget accounts, with proof: removed everywhere, then searched for, then certified.

What is to be forgotten is written down beside the database first, so that a process that is killed
at any step can be followed by another that does the rest. How each part is done is
warehouse/forget_in_tables.py's and defs/forget_in_history.py's; by what it is recognized,
forget_plan.py's; how it is searched for, forget_search.py's; what is printed,
cli/forget_command.py's.
"""

import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import AccountFilter, Unknown, select_accounts
from truto_groups.definitions import build_definitions
from truto_groups.defs.dagster_internals import LOG_SUFFIXES, find_log_folder
from truto_groups.defs.forget_in_history import (
    forget_in_history,
    read_keys_of_events,
)
from truto_groups.defs.in_flight import find_in_flight
from truto_groups.defs.partitions import read_partition_keys
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.report.certificate import (
    Certificate,
    ForgottenAccount,
    digest_markers,
    write_certificate,
)
from truto_groups.runner.accept_accounts import find_user
from truto_groups.runner.forget_plan import (
    ForgetPlan,
    ForgetRequest,
    Journal,
    make_plan,
    name_by_events,
    read_removed,
)
from truto_groups.runner.forget_search import Search, list_files
from truto_groups.runner.local_runs import evaluate_here, in_this_process, open_instance
from truto_groups.session import Session
from truto_groups.version import read_version
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.forget_in_tables import (
    delete_rows,
)
from truto_groups.warehouse.snapshot import reading_snapshot
from truto_groups.warehouse.temporary_folders import FOLDER_PREFIX, is_left_behind

_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and where it stands.

    Attributes:
        certificate: What it says.
        where: The file that it was written to; None: to none.
        problem: Why it is not in the file that was wanted; empty otherwise.
    """

    certificate: Certificate
    where: Path | None
    problem: str = ""


@dataclass
class ForgetReport:
    """What became of a request.

    Attributes:
        unknown: What was named and is nobody's; nothing was done then.
        in_flight: Accounts that a run covers; nothing was done then.
        listed: Accounts that Truto still lists, where that was not confirmed; nothing was done.
        returning: Forgotten accounts that the next discovery finds again.
        finished: Accounts whose forgetting an earlier process had begun.
        certificates: One for each request that was carried out; the asked one last.
    """

    unknown: Sequence[Unknown] = ()
    in_flight: Sequence[KnownAccount] = ()
    listed: Sequence[KnownAccount] = ()
    returning: Sequence[KnownAccount] = ()
    finished: Sequence[str] = ()
    certificates: list[Issued] = field(default_factory=list[Issued])

    @property
    def exit_code(self) -> int:
        """0 when nothing is left, 1 when it was refused, something is, or a file is not written."""
        is_refused = any((self.unknown, self.in_flight, self.listed))
        is_done = all(one.certificate.is_clean and not one.problem for one in self.certificates)
        return int(is_refused or not is_done)


def forget(request: ForgetRequest, *, cwd: Path) -> ForgetReport:
    """Remove accounts from everything that is kept, search for what is left, and certify it.

    What an earlier process began and did not finish is finished first.

    Raises:
        SettingsError: A variable or the settings file is wrong.
        DatabaseError: The database cannot be used; calling again goes on with it.
        ExportError: The certificate would replace the database; nothing was changed.
    """
    session = open_session(TrutoResource(), GroupsDatabase())
    if request.certificate is not None:
        session.database.guard(request.certificate, what="The certificate")
    report = ForgetReport()
    with (
        open_instance(cwd=cwd) as instance,
        in_this_process(instance, session.database) as tags,
    ):
        forgetting = _Forgetting(session, instance, tags)
        plan = forgetting.journal.read()
        if plan is not None:
            report.finished = plan.ids
            if plan.asked == request.asked:
                plan.certificate = request.where
            report.certificates.append(forgetting.carry_out(plan))
            if plan.asked == request.asked:
                return report
        plan = forgetting.make_plan(request, report)
        if plan is not None:
            report.certificates.append(forgetting.carry_out(plan))
    return report


@dataclass
class _Forgetting:
    """The state of one call of forget."""

    session: Session
    instance: dg.DagsterInstance
    tags: dict[str, str]

    @property
    def database(self) -> Database:
        return self.session.database

    @property
    def journal(self) -> Journal:
        return Journal.beside(self.database.companion)

    def make_plan(self, request: ForgetRequest, report: ForgetReport) -> ForgetPlan | None:
        """Say what is to be forgotten; None when it is refused, for the reason that is reported."""
        now = self.session.clock()
        with reading_snapshot(self.database) as connection:
            known = read_known_accounts(connection)
            everybody = [*known, *read_removed(connection, now=now)]
            wanted = AccountFilter(names=request.names, tenants=request.tenants)
            selection = select_accounts(everybody, wanted, states_of=lambda account: ())
            chosen = self._name_as_dagster(selection.accounts, known)
            if selection.unknown:
                report.unknown = selection.unknown
                return None
            if self._refuse(request, chosen, report):
                return None
            user = request.requested_by or find_user()
            return make_plan(
                connection, chosen, everybody, request=request, requested_by=user, now=now
            )

    def _name_as_dagster(
        self, chosen: Sequence[KnownAccount], known: Sequence[KnownAccount]
    ) -> list[KnownAccount]:
        if all(account in known for account in chosen):
            return list(chosen)
        return name_by_events(chosen, known, keys_of_events=read_keys_of_events(self.instance))

    def _refuse(
        self, request: ForgetRequest, chosen: Sequence[KnownAccount], report: ForgetReport
    ) -> bool:
        busy = find_in_flight(self.instance, read_partition_keys(self.instance))
        report.in_flight = [
            account for account in chosen if busy & {account.partition_key, account.id}
        ]
        listed = [account for account in chosen if account.gone_at is None]
        report.returning = listed
        if not request.is_confirmed:
            # One that is skipped comes back as a row of the listing, and without its groups.
            report.listed = [one for one in listed if not self.session.settings_for(one).skip]
        return bool(report.in_flight or report.listed)

    def carry_out(self, plan: ForgetPlan) -> Issued:
        """Do what a plan says, whatever of it is done already, and certify it."""
        self.journal.keep(plan)
        with self.database.writing() as connection:
            delete_rows(connection, plan.ids)
        # Before events are deleted: their numbers must not be given out again to others, which
        # sensors would take for seen.
        definitions = build_definitions()
        evaluate_here(definitions, self.instance, tags=self.tags)
        scrubbed = forget_in_history(self.instance, plan.keys, plan.words)
        _add(plan.history_deleted, scrubbed.deleted)
        _add(plan.history_replaced, scrubbed.replaced)
        plan.deleted_runs += scrubbed.runs
        self.journal.keep(plan)
        # So that verdicts stay in sight: those that told of the accounts are gone.
        evaluate_here(definitions, self.instance, tags=self.tags)
        for account_id in plan.ids:
            self.database.coordination.forget_starts(account_id)
        plan.removed_folders += _remove_abandoned_folders()
        plan.is_rewritten = self.database.rewrite()
        self._mask_texts(plan)
        self.journal.keep(plan)
        certificate = self._search(plan)
        issued = _write(certificate, plan.certificate)
        if certificate.is_clean:
            self.journal.remove()
        return issued

    def _mask_texts(self, plan: ForgetPlan) -> None:
        """Overwrite the names in what Dagster writes as plain text: what steps and ticks printed.

        In nothing else that lies in its folder: a database, or its journal, would be damaged.
        """
        folder = find_log_folder(self.instance)
        for path in list_files([folder]) if folder else ():
            with suppress(OSError):
                if path.suffix in LOG_SUFFIXES and plan.in_bytes.find_in_file(path):
                    plan.in_bytes.mask_in_file(path)
                    plan.masked_files.append(str(path))

    def _search(self, plan: ForgetPlan) -> Certificate:
        search = Search(plan.in_bytes, plan.words)
        # The certificate of an attempt before names them too.
        apart = [self.journal.path, *([Path(plan.certificate)] if plan.certificate else [])]
        search.look_everywhere(self.session, self.instance, apart=apart)
        salt = secrets.token_hex(16)
        return Certificate(
            accounts=[ForgottenAccount(**account) for account in plan.accounts],
            reason=plan.reason,
            requested_by=plan.requested_by,
            begun_at=datetime.fromisoformat(plan.begun_at),
            finished_at=self.session.clock(),
            version=read_version(),
            database=self.database.shown,
            rows=plan.rows,
            history_deleted=plan.history_deleted,
            history_replaced=plan.history_replaced,
            deleted_runs=plan.deleted_runs,
            is_rewritten=plan.is_rewritten,
            removed_folders=plan.removed_folders,
            masked_files=sorted(set(plan.masked_files)),
            marker_count=len(search.in_bytes.texts),
            common_count=plan.common_count,
            marker_salt=salt,
            marker_digest=digest_markers(search.in_bytes.texts, salt=salt),
            searched=search.searched,
            searched_bytes=search.searched_bytes,
            searched_lake=search.searched_lake,
            remains=search.remains,
            yours=search.yours,
        )


def _write(certificate: Certificate, where: str) -> Issued:
    """Write a certificate to its file; what is done is told, also where that cannot be written."""
    if not where:
        return Issued(certificate, None)
    path = Path(where)
    text = write_certificate(certificate, is_json=path.suffix.lower() == ".json")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        return Issued(certificate, None, f"{where}: {error.strerror}")
    return Issued(certificate, path)


def _remove_abandoned_folders() -> list[str]:
    """Remove temporary folders of ours that nobody works in any more."""
    removed: list[str] = []
    for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            is_old = time.time() - found.st_mtime > _ABANDONED_SECONDS
            if stat.S_ISDIR(found.st_mode) and is_old and is_left_behind(path.name):
                shutil.rmtree(path)
                removed.append(str(path))
    return removed


def _add(counts: dict[str, int], more: Any) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
