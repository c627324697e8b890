"""A database file written anew, so that it holds nothing of what was deleted."""

import contextlib
import os
import stat
from pathlib import Path

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.connections import Connection

# Of the file beside the database in which it is written anew; one that is left is half of one.
_SUFFIX = ".rewritten"


def write_anew(connection: Connection, catalog: str, *, beside: Path, options: str) -> Path:
    """Copy an attached database, table by table, into a new file beside its own.

    Args:
        connection: Has it attached, and nobody else has.
        catalog: As what.
        beside: Its own file.
        options: Of the ATTACH that makes the new one.

    Returns:
        The new file.
    """
    new = beside.with_name(beside.name + _SUFFIX)
    for suffix in ("", ".wal"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    quoted = str(new).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS rewritten{options}").fetchall()
    connection.execute(f"COPY FROM DATABASE {catalog} TO rewritten").fetchall()
    connection.execute("DETACH rewritten").fetchall()
    return new


def put_in_place(new: Path, path: Path, *, shown: str) -> None:
    """Put the new file in the place of the database, with its owner and its rights.

    Raises:
        DatabaseError: Something is in the journal of one of them still; nothing was changed.
    """
    journals = [f"{one}.wal" for one in (path, new) if Path(f"{one}.wal").exists()]
    if journals:
        raise DatabaseError(
            f"{shown} cannot be written anew: {journals[0]} could not be emptied.",
            advice="See that the disk has room, and try again; it stays as it was.",
        )
    with contextlib.suppress(PermissionError):  # as of a file of another user
        os.chown(new, path.stat().st_uid, path.stat().st_gid)
    new.chmod(stat.S_IMODE(path.stat().st_mode))
    for one in (new, path.parent):
        descriptor = os.open(one, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    new.replace(path)
