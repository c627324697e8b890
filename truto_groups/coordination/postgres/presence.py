"""Tell runs that are alive from those that were killed, on any machine, by their heartbeats.

The server's clock judges. Time in which nobody could be heard (a restart, a recovery, a failover, a
network that is cut) counts for nobody's silence. A row without a run tells it, the listener's,
which every heartbeat and every judgement touches: where nobody touched it for long, every run has
as long as ever to be heard again. Machine and process are written down for people, and prove
nothing.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from truto_groups.coordination.postgres.sessions import PostgresSession
from truto_groups.coordination.seam import TRACE_DAYS
from truto_groups.errors import DatabaseError
from truto_groups.text.logs import get_logger

logger = get_logger(__name__)

BEAT_SECONDS: Final = 5.0
DEAD_AFTER_SECONDS: Final = 60.0
# The longest time between two touches that is no gap: who looks twice a minute makes none, and a
# run that lives is heard, with a heartbeat and its way back to the server, before it is dead.
GAP_SECONDS: Final = 45.0
# No run waits for so long for its server. Where nobody had looked since, it is not waited for more.
HOPELESS_SECONDS: Final = 600.0
LEAVE_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 1.0

# Since when without a gap, and when last, anybody reached the server. Touched after a row of one's
# own, so that no two wait for one another.
_LISTEN: Final = """
INSERT INTO truto_groups_coordination.presence AS held (run_id, mark, machine, process_id)
VALUES ('', '00000000-0000-0000-0000-000000000000', '', 0)
ON CONFLICT (run_id) DO UPDATE SET
    began_at = CASE
        WHEN excluded.seen_at - held.seen_at > make_interval(secs => %(gap)s) THEN excluded.seen_at
        ELSE held.began_at
    END,
    seen_at = greatest(held.seen_at, excluded.seen_at)
"""
_BEGIN: Final = """
INSERT INTO truto_groups_coordination.presence (run_id, mark, machine, process_id)
VALUES (%(run_id)s, %(mark)s, %(machine)s, %(process_id)s)
ON CONFLICT (run_id) DO UPDATE SET
    mark = excluded.mark, machine = excluded.machine, process_id = excluded.process_id,
    began_at = excluded.began_at, seen_at = excluded.seen_at
"""
_DROP_OLD_TRACES: Final = """
DELETE FROM truto_groups_coordination.presence
WHERE run_id <> '' AND seen_at < clock_timestamp() - make_interval(days => %(trace_days)s)
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
WITH found AS (
    SELECT
        clock_timestamp() - greatest(run.seen_at, pg_postmaster_start_time()) AS silence,
        clock_timestamp() - listener.began_at AS listened
    FROM truto_groups_coordination.presence AS run, truto_groups_coordination.presence AS listener
    WHERE run.run_id = %(run_id)s AND listener.run_id = ''
)
SELECT
    least(silence, listened) < make_interval(secs => %(dead_after)s)
    AND silence < make_interval(secs => %(hopeless)s)
FROM found
"""


@contextmanager
def mark_alive(
    session: PostgresSession,
    run_id: str,
    *,
    beat_seconds: float = BEAT_SECONDS,
    gap_seconds: float = GAP_SECONDS,
    leave_seconds: float = LEAVE_SECONDS,
) -> Generator[None]:
    """Be present as a run, until the block or the process ends.

    Where the server is away when the block ends, leave is taken as soon as it is back.

    Args:
        session: A session.
        run_id: The run.
        beat_seconds: Between two heartbeats.
        gap_seconds: How long nobody is heard where that is no gap.
        leave_seconds: How long the block's end waits for the leave.

    Raises:
        DatabaseError: It cannot be made known.
    """
    values: dict[str, object] = {
        "run_id": run_id,
        "mark": str(uuid.uuid4()),
        "machine": socket.gethostname(),
        "process_id": os.getpid(),
        "gap": gap_seconds,
        "trace_days": TRACE_DAYS,
    }
    session.run(f"{_BEGIN};{_LISTEN};{_DROP_OLD_TRACES}", values)
    ended = threading.Event()

    def beat() -> None:
        pause = beat_seconds
        while not ended.wait(pause):
            try:
                session.run(f"{_BEAT};{_LISTEN}", values, ended=ended)
                pause = beat_seconds
            except DatabaseError as error:
                pause = min(beat_seconds, _PAUSE_SECONDS)
                if not ended.is_set():
                    logger.warning("Others may take run %s for killed: %s", run_id, error)
        # A run that is silent and took no leave would be taken for killed while its step goes on.
        while not _take_leave(session, values):
            time.sleep(_PAUSE_SECONDS)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(leave_seconds)


def is_heard(
    session: PostgresSession,
    run_id: str,
    *,
    dead_after_seconds: float = DEAD_AFTER_SECONDS,
    gap_seconds: float = GAP_SECONDS,
) -> bool | None:
    """Whether a run was heard lately; None where it never was present, or took leave.

    Args:
        session: A session.
        run_id: The run.
        dead_after_seconds: After what silence, listened to without a gap, it is not heard any more.
        gap_seconds: How long nobody is heard where that is no gap.

    Raises:
        DatabaseError: It cannot be told.
    """
    values = {
        "run_id": run_id,
        "dead_after": dead_after_seconds,
        "gap": gap_seconds,
        "hopeless": HOPELESS_SECONDS,
    }
    rows = session.run(f"{_LISTEN};{_JUDGE}", values)
    return rows[0][0] if rows else None


def _take_leave(session: PostgresSession, values: dict[str, object]) -> bool:
    try:
        # Not the session's own end: whoever closes it has left nothing to wait for.
        session.run(_LEAVE, values, ended=threading.Event())
    except DatabaseError:
        return False
    return True
