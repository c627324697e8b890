"""Tell runs that are alive from those that were killed, on any machine, by their heartbeats.

The server's clock judges. The time in which the server itself was down counts for nobody's silence:
after its restart every run has as long as ever to be heard again. Machine and process are written
down for people, and prove nothing.
"""

import os
import socket
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from truto_groups.coordination.postgres.sessions import Session
from truto_groups.errors import DatabaseError
from truto_groups.text.logs import get_logger

logger = get_logger(__name__)

BEAT_SECONDS: Final = 10.0
DEAD_AFTER_SECONDS: Final = 60.0

_BEGIN: Final = """
INSERT INTO truto_groups_coordination.presence (run_id, mark, machine, process_id)
VALUES (%(run_id)s, %(mark)s, %(machine)s, %(process_id)s)
ON CONFLICT (run_id) DO UPDATE SET
    mark = excluded.mark, machine = excluded.machine, process_id = excluded.process_id,
    began_at = excluded.began_at, seen_at = excluded.seen_at
"""
# Inserted anew where a failover lost it; left alone where another process has taken it over.
_BEAT: Final = """
INSERT INTO truto_groups_coordination.presence AS held (run_id, mark, machine, process_id)
VALUES (%(run_id)s, %(mark)s, %(machine)s, %(process_id)s)
ON CONFLICT (run_id) DO UPDATE SET seen_at = excluded.seen_at WHERE held.mark = excluded.mark
"""
_LEAVE: Final = """
DELETE FROM truto_groups_coordination.presence WHERE run_id = %(run_id)s AND mark = %(mark)s
"""
_JUDGE: Final = """
SELECT clock_timestamp() - greatest(seen_at, pg_postmaster_start_time())
    < make_interval(secs => %(dead_after)s)
FROM truto_groups_coordination.presence WHERE run_id = %(run_id)s
"""


@contextmanager
def mark_alive(
    session: Session, run_id: str, *, beat_seconds: float = BEAT_SECONDS
) -> Generator[None]:
    """Be present as a run, until the block or the process ends.

    Raises:
        DatabaseError: It cannot be made known.
    """
    values: dict[str, object] = {
        "run_id": run_id,
        "mark": str(uuid.uuid4()),
        "machine": socket.gethostname(),
        "process_id": os.getpid(),
    }
    session.run(_BEGIN, values)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(beat_seconds):
            try:
                session.run(_BEAT, values, ended=ended)
            except DatabaseError as error:
                if not ended.is_set():
                    logger.warning("Others may take run %s for killed: %s", run_id, error)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A heartbeat that comes after the leave would tell of a run that was killed.
        thread.join()
        with suppress(DatabaseError):
            session.run(_LEAVE, values)


def is_heard(
    session: Session, run_id: str, *, dead_after_seconds: float = DEAD_AFTER_SECONDS
) -> bool | None:
    """Whether a run was heard lately; None where it never was present, or took leave.

    Raises:
        DatabaseError: It cannot be told.
    """
    rows = session.run(_JUDGE, {"run_id": run_id, "dead_after": dead_after_seconds})
    return rows[0][0] if rows else None
