"""What is to be forgotten, and by what it is recognized; kept until nothing is left of it.

Reads, and changes nothing but its own journal. Who may be forgotten is forget_accounts.py's to say.
"""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import dagster as dg

import truto_groups
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import make_partition_key, may_be_key_of
from truto_groups.errors import DatabaseError
from truto_groups.text.markers import SHORTEST, Markers
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.forget_in_tables import (
    count_rows,
    iterate_other_texts,
    read_removed_accounts,
    read_texts,
)

_JOURNAL = ".forgetting"
_SHORT_ID = 8
_SHORTEST_TEXT = 8
_FEWEST_LETTERS = 4
_SHORTEST_NUMBER = 12


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


@dataclass
class ForgetPlan:
    """What is to be forgotten, and what was done of it; kept until nothing is left of it.

    Attributes:
        asked: Who was meant, in the words that were typed.
        certificate: Where the certificate goes; empty: nowhere.
        accounts: Each account's ``id`` and ``partition_key``.
        reason: Why.
        requested_by: Who wants it.
        begun_at: ISO 8601, in UTC.
        names: Ids, short ids and keys: replaced wherever they are words of their own.
        texts: What their groups are recognized by, names included.
        common_count: Texts of theirs that are not among these: others' data or programs hold them.
        rows: How many rows each table had of them.
        history_deleted: Rows removed from Dagster's history so far, by table.
        history_replaced: Rows of it that stay without the names, by table.
        deleted_runs: Runs that covered nobody else.
        is_rewritten: Whether the database was written anew.
        removed_folders: Temporary folders of dead processes that were removed.
        masked_files: Files of text in which names were overwritten.
        spared: Ids and keys of others in which a name stands: they stay as they are.
    """

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
        """The accounts' ids."""
        return [account["id"] for account in self.accounts]

    @property
    def keys(self) -> set[str]:
        """The accounts' ids and keys."""
        return {name for account in self.accounts for name in account.values()}

    @property
    def words(self) -> Markers:
        """What is taken out of texts: names, wherever they are words of their own, and texts."""
        return Markers([*self.names, *self.texts], spared=self.spared)

    @property
    def in_bytes(self) -> Markers:
        """What is searched for in bytes."""
        return Markers(self.texts)


@dataclass(frozen=True)
class Journal:
    """The file beside the database that keeps a plan while it is carried out.

    Attributes:
        path: Where it is.
    """

    path: Path

    @classmethod
    def beside(cls, companion: Path) -> "Journal":
        """The journal of a database."""
        return cls(companion.with_name(companion.name + _JOURNAL))

    def read(self) -> ForgetPlan | None:
        """Read what an earlier process began; None when it began nothing.

        Raises:
            DatabaseError: It cannot be understood.
        """
        try:
            return ForgetPlan(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DatabaseError(
                f"{self.path} tells what is still to be forgotten, and cannot be understood: "
                "another version of truto-groups wrote it, or somebody changed it.",
                advice="Let the version that wrote it finish it. Else look up in it whom it was "
                "about, delete it, and forget them once more.",
            ) from error

    def keep(self, plan: ForgetPlan) -> None:
        """Keep a plan as it is now, for whoever goes on with it."""
        new = self.path.with_name(self.path.name + ".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(plan), file)
            file.flush()
            os.fsync(descriptor)
        new.replace(self.path)

    def remove(self) -> None:
        """Remove it, when nothing is left of what it tells."""
        self.path.unlink(missing_ok=True)


def make_plan(
    connection: Connection,
    chosen: Sequence[KnownAccount],
    everybody: Sequence[KnownAccount],
    *,
    request: ForgetRequest,
    requested_by: str,
    now: datetime,
) -> ForgetPlan:
    """Say what is to be forgotten of accounts, and by what it is recognized.

    Args:
        connection: Reads the database.
        chosen: Who is to be forgotten.
        everybody: All accounts of which anything is kept.
        request: What was asked for.
        requested_by: Who wants it.
        now: Aware UTC instant.
    """
    ids = [account.id for account in chosen]
    names = _find_names(chosen, everybody)
    labels = {account.label for account in chosen if account.label}
    texts = {*names, *filter(_is_distinctive, read_texts(connection, ids) | labels)}
    # As people shorten ids: what has eight digits stands in many a digest.
    short = {account.id[:_SHORT_ID] for account in chosen}
    words = {*ids, *(one.partition_key for one in chosen), *short}
    common = _find_common(Markers(texts), iterate_other_texts(connection, ids))
    return ForgetPlan(
        asked=request.asked,
        certificate=request.where,
        accounts=[{"id": one.id, "partition_key": one.partition_key} for one in chosen],
        reason=request.reason,
        requested_by=requested_by,
        begun_at=now.isoformat(),
        names=sorted(words),
        spared=_find_spared(words, everybody, ids),
        texts=sorted(texts - common),
        common_count=len(common),
        rows=dict(count_rows(connection, ids)),
    )


def read_removed(connection: Connection, *, now: datetime) -> list[KnownAccount]:
    """Read the accounts that are no longer known and of which something is kept, as gone ones."""
    return [
        _as_known(one.id, one.integration, one.tenant_id, now=now)
        for one in read_removed_accounts(connection)
    ]


def name_by_events(
    chosen: Sequence[KnownAccount],
    known: Sequence[KnownAccount],
    *,
    keys_of_events: Collection[str],
) -> list[KnownAccount]:
    """Name accounts that were removed by the keys that they had.

    An account that had no groups left nothing that tells its tenant and its integration.

    Args:
        chosen: The accounts.
        known: Those that are known.
        keys_of_events: The keys that Dagster's history names.
    """
    free = set(keys_of_events) - {account.partition_key for account in known}
    named: list[KnownAccount] = []
    for account in chosen:
        keys = [key for key in free if may_be_key_of(key, account.id)]
        is_told = account in known or account.partition_key in keys or len(keys) != 1
        named.append(account if is_told else replace(account, partition_key=keys[0]))
    return named


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
