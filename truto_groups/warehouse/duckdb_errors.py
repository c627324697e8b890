"""What DuckDB's errors mean to a person: which is what, and what to do about it.

Errors in, errors out; when to ask is database.py's. No text of theirs is told, nor left in a chain
of errors, without the location's secrets taken out.
"""

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Generator

import duckdb

from truto_groups.coordination.postgres.conninfo import is_refused
from truto_groups.errors import DatabaseError
from truto_groups.text.secrecy import redact
from truto_groups.warehouse.location import Location
from truto_groups.warehouse.temporary_folders import FOLDER_PREFIX

ROOM_ADVICE = "Free room there, or set TMPDIR to a folder that has room and may be written."

_BUSY_SIGNS = ("Conflicting lock", "Could not set lock", "Unique file handle conflict")
_FULL_SIGNS = tuple(os.strerror(one) for one in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_REFUSED_SIGNS = ("HTTP code 401", "HTTP code 403", "(HTTP 401 ", "(HTTP 403 ")
# How libpq, or Postgres on its way out, tells that the way to it is lost.
_AWAY_SIGNS = (
    "server closed the connection",
    "connection to server",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "SSL connection has been closed",
    "SSL SYSCALL error",
    "terminating connection",
    'Failed to execute query "ROLLBACK": ',
)
# What Postgres refuses because of what others do at the same moment.
_PASSING_SIGNS = (
    *_AWAY_SIGNS,
    "could not serialize access",
    "duplicate key value",
    "already exists",
    "deadlock detected",
    "canceling statement",
    "current transaction is aborted",
)
_POSTGRES_SIGN = "ERROR:  "
# A store that is away, or has only just been started, answers nothing, and never this.
_GONE = re.compile(
    r"(?:GET|HEAD) error \S+ '(?P<address>[^']+)'.*HTTP 404|"
    rf'Cannot open file "(?P<path>[^"]+)": {os.strerror(errno.ENOENT)}'
)
_SPILL_SIGN = "failed to offload data block"
_DENIED_SIGN = os.strerror(errno.EACCES)
# What DuckDB says of a database that cannot be used, and what helps.
_ADVICE = (
    ("database file with version number", "Install a duckdb that is as new as what wrote it."),
    ("encrypted", "Set TRUTO_GROUPS_DATABASE to a database that is not encrypted."),
    ("not a valid DuckDB database file", "Set TRUTO_GROUPS_DATABASE to another file."),
    ("checksum", "The file is damaged: restore it from a backup."),
    (
        "data_path is not set",
        "There is no lake yet: set TRUTO_GROUPS_DATA_PATH to where its files are to lie, a folder "
        "that every machine sees at the same path, or s3://bucket/prefix.",
    ),
    (
        "does not match existing data path",
        "Set TRUTO_GROUPS_DATA_PATH to where its files lie already, or unset it.",
    ),
    (
        "Failed to commit DuckLake transaction",
        "As a rule another program has written the lake at the same moment: try again, and let "
        "only programs write it that take turns, as this one does.",
    ),
    (
        "install the required extension 'httpfs'",
        "Its files lie in an object store, and AWS_ACCESS_KEY_ID is not set: set the variables of "
        "AWS that lead to it.",
    ),
    ("download extension", "Install the extension, with `INSTALL …` in a duckdb shell."),
    (
        _DENIED_SIGN,
        "Let this user write the file that TRUTO_GROUPS_DATABASE names, its folder, and what lies "
        "beside it; truto_groups.read and `truto-groups status` only need to read the file.",
    ),
    *(
        (sign, "See that its disk has room. What was published before stays.")
        for sign in _FULL_SIGNS
    ),
)
_ADVICE_FOR_FILES = (
    "Check that TRUTO_GROUPS_DATABASE names a DuckDB database, that its folder exists and may be "
    "written, and that the disk has room."
)
_ADVICE_ELSEWHERE = (
    "Check the address and the credentials in TRUTO_GROUPS_DATABASE, and those of the object store "
    "where files lie in one."
)


def is_busy(error: BaseException) -> bool:
    """Whether another program holds the database."""
    return any(sign in str(error) for sign in _BUSY_SIGNS)


def is_lost(error: BaseException) -> bool:
    """Whether a transaction on a lake was lost, so that it may get through when it is done again.

    To another writer, or with the catalogue's server or the object store. What one of these
    refuses for a reason of its own it refuses again, and a disk that is full stays so.
    """
    text = str(error)
    if any(sign in text for sign in (*_FULL_SIGNS, _SPILL_SIGN, *_REFUSED_SIGNS)):
        return False
    if is_refused(text) or _find_refusal(error) is not None:
        return False
    # What Postgres' errors become is told by no class of its own.
    if type(error) is duckdb.Error:
        return any(sign in text for sign in _PASSING_SIGNS)
    # The newest state of a lake is asked for when the first statement is bound, if it is USE.
    if isinstance(error, duckdb.BinderException):
        return any(sign in text for sign in _AWAY_SIGNS)
    return isinstance(error, duckdb.IOException | duckdb.TransactionException)


def find_gone_file(error: BaseException | None) -> str | None:
    """Which file of a lake is not there, though the lake knows it."""
    found = _GONE.search(str(error))
    return None if found is None else found["address"] or found["path"]


def _find_refusal(error: BaseException) -> str | None:
    """What Postgres says, where it has refused something for a reason of its own."""
    _, sign, told = str(error).partition(_POSTGRES_SIGN)
    is_passing = any(one in str(error) for one in _PASSING_SIGNS)
    return told.partition("\n")[0] if sign and not is_passing else None


def explain(error: duckdb.Error, location: Location) -> DatabaseError:
    """Say in words why a database cannot be used."""
    redact_errors(error, location)
    text = first_line(error)
    if is_busy(error):
        return DatabaseError(
            f"The database {location.shown} is held by another program: {text}",
            advice="Close that program (a notebook or the duckdb shell?), or let it read "
            "through truto_groups.read, which never holds the database.",
        )
    folder = name_temporary_folder()
    is_full = any(sign in text for sign in _FULL_SIGNS)
    if (f"{folder}/{FOLDER_PREFIX}" in text and is_full) or _SPILL_SIGN in text:
        return DatabaseError(
            f"{folder} has no room for what does not fit into memory: {text}", advice=ROOM_ADVICE
        )
    gone = find_gone_file(error) if location.is_lake else None
    if gone is not None:
        return DatabaseError(
            f"A file of the lake {location.shown} is gone: {gone}",
            advice="Restore it there, from a backup or from the earlier versions that the object "
            'store keeps; where there is none, see "A file of a lake is gone" in docs/operate.md.',
        )
    advice = next((advice for sign, advice in _ADVICE if sign in text), None)
    refusal = _find_refusal(error)
    if refusal is not None and refusal not in text:
        # DuckLake's own first line says no more than that it could not commit.
        text, advice = f"{text} Postgres says: {refusal}.", None
    general = _ADVICE_FOR_FILES if location.is_file else _ADVICE_ELSEWHERE
    return DatabaseError(
        f"The database {location.shown} cannot be used: {text}", advice=advice or general
    )


@contextlib.contextmanager
def hiding_secrets() -> Generator[None]:
    """Take what is known to be secret out of DuckDB's errors, on a connection that was handed out.

    DuckLake quotes the whole connection string when its server is lost.
    """
    try:
        yield
    except duckdb.Error as error:
        redact_errors(error)
        raise


def redact_errors(error: BaseException, location: Location | None = None) -> None:
    """Take secrets out of an error and of those behind it, the location's or all that are known.

    Whoever keeps a traceback, as Dagster does, keeps the texts of the whole chain.
    """
    take_out = redact if location is None else location.redact
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, duckdb.Error):
            seen.args = tuple(
                take_out(part) if isinstance(part, str) else part for part in seen.args
            )
        seen = seen.__cause__ or seen.__context__


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, which is enough to know it by."""
    return str(error).strip().partition("\n")[0]


def name_temporary_folder() -> str:
    """Name the folder for temporary files, also where there is none."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return "the folder for temporary files"
