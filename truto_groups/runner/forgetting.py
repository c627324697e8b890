"""Forget accounts, with proof: removed everywhere, then searched for, then certified.

What is to be forgotten is written down beside the database first, so that a process that is killed
at any step can be followed by another that does the rest. How each part is done is
warehouse/forget_in_tables.py's and defs/forget_in_history.py's; what is printed,
cli/forget_command.py's.
"""

import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

import truto_groups
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import make_partition_key, may_be_key_of
from truto_groups.accounts.selection import AccountFilter, Unknown, select_accounts
from truto_groups.definitions import build_definitions
from truto_groups.defs.dagster_internals import LOG_SUFFIXES, find_log_folder, list_history
from truto_groups.defs.forget_in_history import (
    forget_in_history,
    read_keys_of_events,
    search_history,
)
from truto_groups.defs.in_flight import find_in_flight
from truto_groups.defs.partitions import read_partition_keys
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import DatabaseError
from truto_groups.report.certificate import (
    Certificate,
    ForgottenAccount,
    FoundPlace,
    digest_markers,
    write_certificate,
)
from truto_groups.runner.acceptance import find_user
from truto_groups.runner.local_runs import evaluate_here, in_this_process, open_instance
from truto_groups.session import Session
from truto_groups.text.markers import SHORTEST, Markers
from truto_groups.version import read_version
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.forget_in_tables import (
    count_rows,
    delete_rows,
    find_values,
    is_ours,
    iterate_other_texts,
    read_removed_accounts,
    read_texts,
)
from truto_groups.warehouse.lake_search import iterate_values, list_lake_places
from truto_groups.warehouse.snapshot import reading_snapshot
from truto_groups.warehouse.temporary_folders import FOLDER_PREFIX, is_left_behind

_JOURNAL = ".forgetting"
_SHORT_ID = 8
_SHORTEST_TEXT = 8
_FEWEST_LETTERS = 4
_SHORTEST_NUMBER = 12
_ABANDONED_SECONDS = 3600.0
# What the double of Truto remembers stands for what Truto does.
_NOT_OURS = ("sandbox.json",)
_OF_THE_LAKE = "The lake's own, which somebody may have written since."
_UNKNOWN_TO_THE_LAKE = (
    "A file of which the lake knows nothing, as a publication leaves it that was killed. Delete "
    "it, unless another lake has its files there too."
)


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """Who is to be forgotten, and why.

    Attributes:
        names: These accounts, as people name them; or
        tenants: all accounts of these tenants.
        reason: Why.
        requested_by: Who wants it; empty takes the system's user.
        is_confirmed: Whether accounts that Truto still lists are forgotten too.
        certificate: Where the certificate goes; nowhere but into the report without.
    """

    names: Sequence[str]
    tenants: Sequence[str]
    reason: str
    requested_by: str = ""
    is_confirmed: bool = False
    certificate: Path | None = None

    @property
    def asked(self) -> list[list[str]]:
        """Who is meant, in the words that were typed."""
        return [sorted(self.names), sorted(self.tenants)]

    @property
    def where(self) -> str:
        """Where the certificate goes, whatever folder a later process is in; empty: nowhere."""
        return str(self.certificate.absolute()) if self.certificate else ""


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


@dataclass
class _Plan:
    """What is to be forgotten, kept beside the database until nothing is left of it."""

    asked: list[list[str]]
    certificate: str
    accounts: list[dict[str, str]]
    reason: str
    requested_by: str
    begun_at: str
    names: list[str]
    texts: list[str]
    common_count: int
    rows: dict[str, int]
    history_deleted: dict[str, int] = field(default_factory=dict[str, int])
    history_replaced: dict[str, int] = field(default_factory=dict[str, int])
    deleted_runs: int = 0
    is_rewritten: bool = True
    removed_folders: list[str] = field(default_factory=list[str])
    masked_files: list[str] = field(default_factory=list[str])
    spared: list[str] = field(default_factory=list[str])

    @property
    def ids(self) -> list[str]:
        return [account["id"] for account in self.accounts]

    @property
    def keys(self) -> set[str]:
        return {name for account in self.accounts for name in account.values()}

    @property
    def words(self) -> Markers:
        """What is taken out of texts: names, wherever they are words of their own, and texts."""
        return Markers([*self.names, *self.texts], spared=self.spared)

    @property
    def in_bytes(self) -> Markers:
        """What is searched for in bytes."""
        return Markers(self.texts)


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
        plan = forgetting.read_journal()
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
    def _journal(self) -> Path:
        companion = self.database.companion
        return companion.with_name(companion.name + _JOURNAL)

    def read_journal(self) -> _Plan | None:
        """Read what an earlier process began; None when it began nothing."""
        try:
            return _Plan(**json.loads(self._journal.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DatabaseError(
                f"{self._journal} tells what is still to be forgotten, and cannot be understood: "
                "another version of truto-groups wrote it, or somebody changed it.",
                advice="Let the version that wrote it finish it. Else look up in it whom it was "
                "about, delete it, and forget them once more.",
            ) from error

    def make_plan(self, request: ForgetRequest, report: ForgetReport) -> _Plan | None:
        """Say what is to be forgotten and by what it is recognized; None when it is refused."""
        with reading_snapshot(self.database) as connection:
            known = read_known_accounts(connection)
            removed = [
                _as_known(one.id, one.integration, one.tenant_id, now=self.session.clock())
                for one in read_removed_accounts(connection)
            ]
            wanted = AccountFilter(names=request.names, tenants=request.tenants)
            everybody = [*known, *removed]
            selection = select_accounts(everybody, wanted, states_of=lambda account: ())
            chosen = self._name_as_dagster(selection.accounts, known)
            if selection.unknown:
                report.unknown = selection.unknown
                return None
            if self._refuse(request, chosen, report):
                return None
            ids = [account.id for account in chosen]
            names = _find_names(chosen, everybody)
            labels = {account.label for account in chosen if account.label}
            texts = {*names, *filter(_is_distinctive, read_texts(connection, ids) | labels)}
            # As people shorten ids: what has eight digits stands in many a digest.
            short = {account.id[:_SHORT_ID] for account in chosen}
            words = {*ids, *(one.partition_key for one in chosen), *short}
            common = _find_common(Markers(texts), iterate_other_texts(connection, ids))
            rows = dict(count_rows(connection, ids))
        return _Plan(
            asked=request.asked,
            certificate=request.where,
            accounts=[{"id": one.id, "partition_key": one.partition_key} for one in chosen],
            reason=request.reason,
            requested_by=request.requested_by or find_user(),
            begun_at=self.session.clock().isoformat(),
            names=sorted(words),
            spared=_find_spared(words, everybody, ids),
            texts=sorted(texts - common),
            common_count=len(common),
            rows=rows,
        )

    def _name_as_dagster(
        self, chosen: Sequence[KnownAccount], known: Sequence[KnownAccount]
    ) -> list[KnownAccount]:
        """Name accounts that were removed by the keys that they had.

        An account that had no groups left nothing that tells its tenant and its integration.
        """
        if all(account in known for account in chosen):
            return list(chosen)
        free = read_keys_of_events(self.instance) - {account.partition_key for account in known}
        named: list[KnownAccount] = []
        for account in chosen:
            keys = [key for key in free if may_be_key_of(key, account.id)]
            is_told = account in known or account.partition_key in keys or len(keys) != 1
            named.append(account if is_told else replace(account, partition_key=keys[0]))
        return named

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

    def carry_out(self, plan: _Plan) -> Issued:
        """Do what a plan says, whatever of it is done already, and certify it."""
        self._keep(plan)
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
        self._keep(plan)
        # So that verdicts stay in sight: those that told of the accounts are gone.
        evaluate_here(definitions, self.instance, tags=self.tags)
        for account_id in plan.ids:
            self.database.coordination.forget_starts(account_id)
        plan.removed_folders += _remove_abandoned_folders()
        plan.is_rewritten = self.database.rewrite()
        self._mask_texts(plan)
        self._keep(plan)
        certificate = self._search(plan)
        issued = _write(certificate, plan.certificate)
        if certificate.is_clean:
            self._journal.unlink(missing_ok=True)
        return issued

    def _keep(self, plan: _Plan) -> None:
        new = self._journal.with_name(self._journal.name + ".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(plan), file)
            file.flush()
            os.fsync(descriptor)
        new.replace(self._journal)

    def _mask_texts(self, plan: _Plan) -> None:
        """Overwrite the names in what Dagster writes as plain text: what steps and ticks printed.

        In nothing else that lies in its folder: a database, or its journal, would be damaged.
        """
        folder = find_log_folder(self.instance)
        for path in _list_files([folder]) if folder else ():
            with suppress(OSError):
                if path.suffix in LOG_SUFFIXES and plan.in_bytes.find_in_file(path):
                    plan.in_bytes.mask_in_file(path)
                    plan.masked_files.append(str(path))

    def _search(self, plan: _Plan) -> Certificate:
        searched: list[str] = []
        size = 0
        remains: list[FoundPlace] = []
        yours: list[FoundPlace] = []
        in_bytes = plan.in_bytes
        with reading_snapshot(self.database) as connection:
            for table, count in find_values(connection, in_bytes).items():
                if is_ours(table):
                    remains.append(FoundPlace(f"table {table}", count, "A table of this program."))
                else:
                    note = "A table of yours in the same database."
                    yours.append(FoundPlace(f"table {table}", count, note))
        has_foreign = bool(yours)
        unreadable: list[OSError] = []
        for path in self._list_files(certificate=plan.certificate, unreadable=unreadable):
            try:
                found = sum(in_bytes.find_in_file(path).values())
                size += path.stat().st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                error.filename = str(path)
                unreadable.append(error)
                continue
            searched.append(str(path))
            if found and has_foreign and self._is_database(path):
                yours.append(FoundPlace(str(path), found, "The tables of yours in it."))
            elif found:
                note = "A file of this program or of Dagster, which somebody may have open."
                remains.append(FoundPlace(str(path), found, note))
        for error in unreadable:
            note = f"It cannot be read: {error.strerror}. Run as a user who may."
            remains.append(FoundPlace(str(error.filename), 0, note))
        for where, count in search_history(self.instance, plan.words).items():
            remains.append(FoundPlace(where, count, "Dagster's history."))
        lake_places = self._search_lake(in_bytes, remains)
        settings = self.session.settings.path
        if settings is not None and (found := sum(in_bytes.find_in_file(settings).values())):
            note = "Your settings file. An account that Truto still lists needs its `skip` there."
            yours.append(FoundPlace(str(settings), found, note))
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
            marker_count=len(in_bytes.texts),
            common_count=plan.common_count,
            marker_salt=salt,
            marker_digest=digest_markers(in_bytes.texts, salt=salt),
            searched=searched,
            searched_bytes=size,
            searched_lake=lake_places,
            remains=remains,
            yours=yours,
        )

    def _search_lake(self, markers: Markers, remains: list[FoundPlace]) -> list[str]:
        """Search a lake's files and its catalogue by value, and say which these were."""
        searched: list[str] = []
        with self.database.catalogue() as connection:
            if connection is None:
                return searched
            for place in list_lake_places(connection):
                values = iterate_values(connection, place)
                found = sum(sum(markers.find(some, shortest=SHORTEST).values()) for some in values)
                searched.append(place.where)
                if found:
                    note = _OF_THE_LAKE if place.is_known else _UNKNOWN_TO_THE_LAKE
                    remains.append(FoundPlace(place.where, found, note))
        return searched

    def _list_files(self, *, certificate: str, unreadable: list[OSError]) -> list[Path]:
        """Every file that is ours: the database's, those of temporary folders, Dagster's."""
        companion = self.database.companion
        temporary = Path(tempfile.gettempdir())
        roots = [
            *(one for one in companion.parent.iterdir() if one.name.startswith(companion.name)),
            *(one for one in temporary.iterdir() if one.name.startswith(FOLDER_PREFIX)),
            *self._list_dagster_folders(),
        ]
        settings = self.session.settings.path
        # The certificate of an attempt before names them too; the settings are looked at apart.
        apart = (str(self._journal), certificate, str(settings.absolute()) if settings else "")
        found = _list_files(roots, unreadable=unreadable)
        return [path for path in found if str(path.absolute()) not in apart]

    def _is_database(self, path: Path) -> bool:
        """Whether a file is the database itself, which was just written anew."""
        return self.database.is_file and path.samefile(self.database.location)

    def _list_dagster_folders(self) -> set[Path]:
        folders = {Path(part.name).parent for part in list_history(self.instance) if part.is_sqlite}
        root = getattr(self.instance, "root_directory", None)
        logs = find_log_folder(self.instance)
        return {*folders, *([Path(root)] if root else []), *([logs] if logs else [])}


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


def _find_names(chosen: Sequence[KnownAccount], everybody: Sequence[KnownAccount]) -> set[str]:
    """What names the accounts: ids and keys, and tenants of whom no other account is left."""
    ids = {account.id for account in chosen}
    others = [account for account in everybody if account.id not in ids]
    tenants = {account.tenant_id for account in chosen} - {one.tenant_id for one in others}
    return {
        *ids,
        *(account.partition_key for account in chosen),
        *(tenant for tenant in tenants if tenant and len(tenant) >= SHORTEST),
    }


def _find_spared(
    words: Collection[str], everybody: Sequence[KnownAccount], ids: Collection[str]
) -> list[str]:
    """The ids and keys of other accounts in which a name stands: they stay as they are."""
    found = Markers(words)
    names = {
        name
        for account in everybody
        if account.id not in ids
        for name in (account.id, account.partition_key)
    }
    return sorted(name for name in names - set(words) if found.find_words(name))


def _is_distinctive(text: str) -> bool:
    """Whether a text is long enough to tell whose it is."""
    if len(text) < _SHORTEST_TEXT:
        return False
    return sum(map(str.isalpha, text)) >= _FEWEST_LETTERS or len(text) >= _SHORTEST_NUMBER


def _find_common(markers: Markers, others: Iterable[bytes]) -> set[str]:
    """Find the texts that stand in others' data too, or in what programs write by themselves."""
    found: set[str] = set()
    for content in others:
        found |= markers.find(content, shortest=SHORTEST).keys()
    for package in (truto_groups, dg):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            if "sandbox" not in path.parts:
                found |= markers.find(path.read_bytes(), shortest=SHORTEST).keys()
    return found


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


def _list_files(roots: Iterable[Path], *, unreadable: list[OSError] | None = None) -> list[Path]:
    """All regular files at and below some places, each once, also where a link leads to them.

    Args:
        roots: The places.
        unreadable: Takes up, for each place that cannot be looked into, why.
    """
    errors = [] if unreadable is None else unreadable
    found: dict[tuple[int, int], Path] = {}
    left = sorted(roots, reverse=True)
    while left:
        path = left.pop()
        try:
            status = path.stat()
            place = (status.st_dev, status.st_ino)
            if place in found or path.name in _NOT_OURS:
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                found[place] = path
            if stat.S_ISDIR(status.st_mode):
                left += sorted(path.iterdir(), reverse=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            error.filename = str(path)
            errors.append(error)
    return sorted(path for path in found.values() if path.is_file())


def _add(counts: dict[str, int], more: Any) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


def _as_known(
    account_id: str, integration: str, tenant_id: str | None, *, now: datetime
) -> KnownAccount:
    """An account that was removed, as one that is gone; its key is made as it was."""
    key = make_partition_key(account_id, integration=integration, tenant_id=tenant_id, taken=())
    return KnownAccount(
        id=account_id,
        partition_key=key,
        integration=integration,
        tenant_id=tenant_id,
        label=None,
        status="unknown",
        supports_groups=None,
        is_sandbox=None,
        last_error=None,
        created_at=None,
        updated_at=None,
        first_listed_at=now,
        listed_at=now,
        gone_at=now,
    )
