"""All that processes of many machines agree on, through one Postgres.

Only puts the parts together. A process has two sessions, and one more while it has a turn.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from truto_groups.coordination.postgres import presence
from truto_groups.coordination.postgres.counter import advance_count
from truto_groups.coordination.postgres.sessions import PostgresSession, Server
from truto_groups.coordination.postgres.start_log import PostgresStartLog, forget_keys
from truto_groups.coordination.postgres.turns import ReaderTurn, turn
from truto_groups.coordination.seam import PATIENCE_SECONDS, Turn


class PostgresCoordination:
    """Coordination through the Postgres that a connection string leads to.

    Args:
        conninfo: libpq's connection string or URI. It may hold a secret.
        patience_seconds: How long the server may be away.
    """

    def __init__(self, conninfo: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._server = Server(conninfo, patience_seconds=patience_seconds)
        self._session = PostgresSession(self._server)

    def turn(
        self, *, is_alone: bool, within_seconds: float | None = None
    ) -> AbstractContextManager[Turn]:
        """Wait for a turn to write; who reads has one already. See the seam."""
        if not is_alone:
            return nullcontext(ReaderTurn())
        return turn(self._server, within_seconds=within_seconds)

    def mark_alive(self, run_id: str) -> AbstractContextManager[None]:
        """Be present as a run. See the seam."""
        return presence.mark_alive(self._session, run_id)

    def is_alive(self, run_id: str) -> bool:
        """Whether a process is present as the run. See the seam."""
        return presence.is_heard(self._session, run_id) is True

    def is_abandoned(self, run_id: str) -> bool:
        """Whether a process was present as the run and fell silent. See the seam."""
        return presence.is_heard(self._session, run_id) is False

    def advance_count(self, *, at_least: int, after_loss: Callable[[], int]) -> int:
        """Return a number larger than every one before. See the seam."""
        return advance_count(self._session, at_least=at_least, after_loss=after_loss)

    def open_start_log(self) -> PostgresStartLog:
        """Prepare the log of requests' starts. See the seam."""
        return PostgresStartLog(PostgresSession(self._server))

    def forget_starts(self, part: str) -> None:
        """Forget all keys in which a text stands. See the seam."""
        forget_keys(self._session, part)
