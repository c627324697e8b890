"""The certificate of what was forgotten: who asked, why, what was removed, what was searched.

A plain value, and how it reads. It names accounts by id and key, which it must, and nothing else of
theirs: what was looked for is told by a digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from truto_groups.text.visible import show_in_markdown
from truto_groups.text.words import say_count

BEYOND = (
    "Backups, exports, snapshots of disks and copies that somebody made: delete those that hold "
    "the accounts. Restored, they bring them back; forget them again then.",
    "Blocks that the file system has freed: it overwrites them when it needs them.",
    "What runs now (a daemon, a webserver, a notebook) keeps in memory, and in a copy without a "
    "name, what it has read until it is started again.",
    "What left this machine: messages to the webhook, logs that another service collects, Truto "
    "and the vendor themselves.",
)
"""What cannot be searched from here."""

BEYOND_A_LAKE = (
    "Room that the catalogue's Postgres has freed in its tables, and its write-ahead log, replicas "
    "and archives: `VACUUM FULL` in that database empties the first, the others pass with time.",
    "Versions of files that an object store keeps, where it keeps any: let it delete those of the "
    "lake's prefix.",
)
"""What cannot be searched from here besides, where the database is a lake."""


@dataclass(frozen=True, slots=True)
class ForgottenAccount:
    """An account by its names.

    Attributes:
        id: Its UUID.
        partition_key: How people and Dagster named it.
    """

    id: str
    partition_key: str


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """Where something was found.

    Attributes:
        where: A file, a table, or a database and its table.
        count: How often: occurrences in a file, rows in a table.
        note: What it is, and what to do about it.
    """

    where: str
    count: int
    note: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was done to forget accounts, and what a search found afterwards.

    Attributes:
        accounts: Who was forgotten.
        reason: Why.
        requested_by: Who wanted it.
        begun_at: Aware UTC instant.
        finished_at: Aware UTC instant.
        version: Of the program.
        database: Where, without secrets.
        rows: Rows removed from the database, by table.
        history_deleted: Rows removed from Dagster's history, by table.
        history_replaced: Rows of it that stay for others' sake, without the names.
        deleted_runs: Runs that covered nobody else.
        is_rewritten: Whether the database was written anew, so that its free blocks hold nothing.
        removed_folders: Temporary folders of dead processes, removed.
        masked_files: Files of text in which names were overwritten.
        marker_count: How many texts were looked for.
        common_count: Texts of theirs that were not, because others' data or our words hold them.
        marker_salt: Random, for the digest.
        marker_digest: SHA-256 of the salt and of the texts, sorted, a line each.
        searched: Files that were searched, byte by byte.
        searched_bytes: How long they are together.
        searched_lake: Files of a lake and tables of its catalogue that were searched, by value.
        remains: What was found and should not be there.
        yours: What was found where only you may change it.
    """

    accounts: Sequence[ForgottenAccount]
    reason: str
    requested_by: str
    begun_at: datetime
    finished_at: datetime
    version: str
    database: str
    rows: Mapping[str, int]
    history_deleted: Mapping[str, int]
    history_replaced: Mapping[str, int]
    deleted_runs: int
    is_rewritten: bool
    removed_folders: Sequence[str]
    masked_files: Sequence[str]
    marker_count: int
    common_count: int
    marker_salt: str
    marker_digest: str
    searched: Sequence[str]
    searched_bytes: int
    searched_lake: Sequence[str]
    remains: Sequence[FoundPlace]
    yours: Sequence[FoundPlace]

    @property
    def beyond(self) -> Sequence[str]:
        """What could not be searched."""
        return (*BEYOND, *BEYOND_A_LAKE) if self.searched_lake else BEYOND

    @property
    def is_clean(self) -> bool:
        """Whether nothing of them was found in what is ours."""
        return not self.remains


def digest_markers(texts: Sequence[str], *, salt: str) -> str:
    """Digest what was looked for, so that whoever knows it can check, and nobody can read it."""
    return hashlib.sha256("\n".join([salt, *sorted(texts)]).encode()).hexdigest()


def write_certificate(certificate: Certificate, *, is_json: bool) -> str:
    """Write a certificate, for programs or for people."""
    return _to_json(certificate) if is_json else "\n".join(_to_markdown(certificate))


def _to_json(certificate: Certificate) -> str:
    content = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(certificate).items()
    }
    return json.dumps(
        {**content, "is_clean": certificate.is_clean, "beyond": certificate.beyond}, indent=2
    )


def _to_markdown(one: Certificate) -> list[str]:
    verdict = (
        "Nothing of them was found afterwards in what truto-groups and Dagster keep here."
        if one.is_clean
        else f"**Something of them is left in {say_count(len(one.remains), 'place')}**, see below."
    )
    return [
        f"# Forgotten: {say_count(len(one.accounts), 'account')}",
        "",
        verdict,
        "",
        f"- Reason: {show_in_markdown(one.reason)}",
        f"- Requested by: {show_in_markdown(one.requested_by)}",
        f"- Begun: {one.begun_at:%Y-%m-%d %H:%M:%S} UTC",
        f"- Finished: {one.finished_at:%Y-%m-%d %H:%M:%S} UTC",
        f"- Database: {show_in_markdown(one.database)}",
        f"- truto-groups {one.version}",
        "",
        "| partition key | integrated account |",
        "| --- | --- |",
        *(
            f"| {show_in_markdown(a.partition_key)} | {show_in_markdown(a.id)} |"
            for a in one.accounts
        ),
        "",
        "## Removed",
        "",
        "| from | rows |",
        "| --- | ---: |",
        *(f"| table `{table}` | {count:,} |" for table, count in one.rows.items()),
        *(f"| Dagster's `{table}` | {n:,} |" for table, n in one.history_deleted.items() if n),
        f"| Dagster's runs that covered nobody else | {one.deleted_runs:,} |",
        "",
        *_tell_replaced(one),
        _tell_rewritten(one),
        *(f"- Removed: {show_in_markdown(folder)}" for folder in one.removed_folders),
        *(f"- Names overwritten in: {show_in_markdown(path)}" for path in one.masked_files),
        "",
        "## Searched",
        "",
        f"{say_count(len(one.searched), 'file')} of {one.searched_bytes:,} bytes, byte by byte, "
        "and every table of the database and of Dagster's history by value, for "
        f"{say_count(one.marker_count, 'text')}: ids, keys, tenants, and what groups are or were "
        f"called. {one.common_count:,} more were left out, because the data of other accounts or "
        "the words of the programs hold them too, or they are too short to tell anybody. The "
        f"texts' SHA-256, after the line `{one.marker_salt}`: `{one.marker_digest}`.",
        "",
        *_tell_lake(one),
        *_tell_places(
            "Left over: run the command again, and see what stands in the notes", one.remains
        ),
        *_tell_places("Found where only you may change it", one.yours),
        "## What is beyond this search",
        "",
        *(f"- {text}" for text in one.beyond),
        "",
    ]


def _tell_replaced(one: Certificate) -> list[str]:
    told = ", ".join(
        f"{count:,} in `{name}`" for name, count in one.history_replaced.items() if count
    )
    if not told:
        return []
    return [
        "Some rows of Dagster's history are about other accounts as well (the tags, the range and "
        f"the end of runs over many). They stay, with the names taken out: {told}.",
        "",
    ]


def _tell_lake(one: Certificate) -> list[str]:
    if not one.searched_lake:
        return []
    return [
        f"So were, value by value, the files of the lake and the tables of its catalogue: "
        f"{say_count(len(one.searched_lake), 'place')}.",
        "",
    ]


def _tell_rewritten(one: Certificate) -> str:
    if one.is_rewritten and one.searched_lake:
        return (
            "Files of the lake that held rows of them were written anew, earlier states of it "
            "dropped with their files, and its statistics set to what its rows are now."
        )
    if one.is_rewritten:
        return "The database was written anew, so that its free blocks hold nothing of them."
    return (
        "The database could not be written anew from here: MotherDuck keeps earlier states of it "
        "for as long as your plan says."
    )


def _tell_places(title: str, places: Sequence[FoundPlace]) -> list[str]:
    if not places:
        return []
    return [
        f"## {title}",
        "",
        "| where | how often | what it is |",
        "| --- | ---: | --- |",
        *(
            f"| {show_in_markdown(p.where)} | {p.count:,} | {show_in_markdown(p.note)} |"
            for p in places
        ),
        "",
    ]
