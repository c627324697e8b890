"""Tell whether a transaction was committed of whose COMMIT no answer came.

A lake keeps with each of its states what its writer said of it, and each transaction says something
of its own. A file's COMMIT is done here, and always answers.
"""

import uuid
from typing import Generic, TypeVar

from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.database import Database

T = TypeVar("T")


class Commits(Generic[T]):
    """What one piece of work comes to by each transaction that it has tried (``retried``)."""

    def __init__(self, database: Database) -> None:
        """Nothing is tried yet."""
        self._lake = database.lake_name
        self._tried: dict[str, T] = {}

    def find(self, connection: Connection) -> T | None:
        """What the work has come to; None where none of its transactions is committed.

        Args:
            connection: With the database attached, in the turn in which the work is done again.
        """
        if not self._tried or self._lake is None:
            return None
        rows = connection.execute(
            f"SELECT commit_message FROM ducklake_snapshots('{self._lake}') "  # noqa: S608 - ours
            "WHERE commit_message IN (SELECT unnest($marks))",
            {"marks": list(self._tried)},
        ).fetchall()
        return self._tried[rows[0][0]] if rows else None

    def note(self, connection: Connection, result: T) -> None:
        """Say what the work comes to if the transaction that is under way is committed."""
        if self._lake is not None:
            mark = str(uuid.uuid4())
            self._tried[mark] = result
            connection.execute(
                f"CALL ducklake_set_commit_message('{self._lake}', 'truto-groups', '{mark}')"
            ).fetchall()
