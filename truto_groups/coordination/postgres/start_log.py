"""When requests started, over all machines, by the server's clock.

The same windows and pauses as in the log of one machine, in SQL: a claim is one round trip, and the
lock that orders all claims lasts no longer than its statement.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from truto_groups.coordination.postgres.sessions import PostgresSession
from truto_groups.coordination.seam import (
    LONGEST_PAUSE_SECONDS,
    RECOVERY_SECONDS,
    SAFETY_MARGIN,
    SMALLEST_SHARE,
    WINDOW_SECONDS,
    Ceiling,
    Room,
)

# The clock is read when the lock is held, so turns are in the order of their instants. What lies
# further ahead than a window was written before the clock was put back. A crash of the server may
# lose the claims of its last half second, and no claim waits for its disk.
_CLAIM: Final = """
SET LOCAL synchronous_commit = off;
SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.starts', 0));
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now, make_interval(secs => %(window)s) AS width
), asked AS (
    SELECT key, requests, position
    FROM unnest(%(keys)s::text[], %(requests)s::bigint[])
        WITH ORDINALITY AS t (key, requests, position)
), slowed AS (
    SELECT key, share, told, least(paused_until, at + make_interval(secs => %(longest)s)) AS until
    FROM truto_groups_coordination.slowdowns, clock
    WHERE key = ANY (%(keys)s) AND at <= now + width
), turns AS (
    SELECT
        key, position, until, told, now, width,
        1 + coalesce(
            (SELECT max(turn) FROM truto_groups_coordination.starts AS s WHERE s.key = asked.key), 0
        ) AS turn,
        greatest(1, floor(requests * coalesce(
            least(1, share + (1 - share) * extract(epoch FROM now - until) / %(recovery)s), 1
        )))::bigint AS allowed
    FROM asked LEFT JOIN slowed USING (key), clock
), rooms AS (
    SELECT
        key, turn, position, now, coalesce(told, '') AS told,
        coalesce(until > now, false) AS is_paused,
        CASE WHEN until > now THEN extract(epoch FROM until - now) ELSE greatest(0, (
            SELECT extract(epoch FROM s.at + width - now)
            FROM truto_groups_coordination.starts AS s
            WHERE s.key = turns.key AND s.turn = turns.turn - allowed AND s.at <= now + width
        )) END::double precision AS wait
    FROM turns
), counted AS (
    INSERT INTO truto_groups_coordination.starts (key, turn, at)
    SELECT key, turn, now FROM rooms WHERE NOT EXISTS (SELECT FROM rooms WHERE wait > 0)
)
SELECT wait, is_paused, told FROM rooms ORDER BY position
"""
_SLOW_DOWN: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.starts', 0));
WITH clock AS MATERIALIZED (
    SELECT
        clock_timestamp() AS now, clock_timestamp() + make_interval(secs => %(seconds)s) AS until
), before AS (
    SELECT told, share, least(paused_until, at + make_interval(secs => %(longest)s)) AS until
    FROM truto_groups_coordination.slowdowns, clock
    WHERE key = %(key)s AND at <= now + make_interval(secs => %(window)s)
)
INSERT INTO truto_groups_coordination.slowdowns (key, at, paused_until, share, told)
SELECT
    %(key)s, now, greatest(before.until, clock.until),
    CASE WHEN before.until > now THEN share ELSE greatest(%(smallest)s, 0.5 * coalesce(
        least(1, share + (1 - share) * extract(epoch FROM now - before.until) / %(recovery)s), 1
    )) END,
    CASE WHEN before.until > clock.until THEN before.told ELSE %(told)s END
FROM clock LEFT JOIN before ON true
ON CONFLICT (key) DO UPDATE SET
    at = excluded.at, paused_until = excluded.paused_until, share = excluded.share,
    told = excluded.told
"""
_PRUNE: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.starts', 0));
DELETE FROM truto_groups_coordination.slowdowns
WHERE at > clock_timestamp() + make_interval(secs => %(window)s);
DELETE FROM truto_groups_coordination.starts
WHERE abs(extract(epoch FROM clock_timestamp() - at)) > 2 * %(window)s
"""
_FORGET: Final = """
DELETE FROM truto_groups_coordination.slowdowns WHERE strpos(key, %(part)s) > 0;
DELETE FROM truto_groups_coordination.starts WHERE strpos(key, %(part)s) > 0
"""
_CLAIMS_BETWEEN_PRUNES = 1000


class PostgresStartLog:
    """A sliding window over the starts of requests. See the seam's StartLog."""

    def __init__(self, session: PostgresSession, *, window_seconds: float = WINDOW_SECONDS) -> None:
        """Prepare the log; nothing is sent before the first claim.

        Args:
            session: Of its own: whoever claims waits for nobody's statement but a claim's.
            window_seconds: Length of the window that a ceiling counts in.
        """
        self._session = session
        self._constants = {
            "window": window_seconds * (1 + SAFETY_MARGIN),
            "longest": LONGEST_PAUSE_SECONDS,
            "recovery": RECOVERY_SECONDS,
        }
        self._claims = 0

    @property
    def remembered_in(self) -> str:
        """The table that remembers."""
        return (
            "the table truto_groups_coordination.slowdowns in Postgres remembers it, and may be "
            "emptied while nothing runs"
        )

    def close(self) -> None:
        """Close its session; it is opened again when it is needed again."""
        self._session.close()

    async def claim(self, ceilings: Sequence[Ceiling]) -> Sequence[Room]:
        """Count one start under all of the ceilings, if all of them have room. See the seam."""
        return await asyncio.to_thread(self._claim, ceilings)

    async def slow_down(self, ceiling: Ceiling, *, seconds: float, told: str) -> None:
        """Let no request start under a key for some seconds, then at half speed. See the seam."""
        await asyncio.to_thread(
            self._session.run,
            _SLOW_DOWN,
            {
                "key": ceiling.key,
                "seconds": seconds,
                "told": told,
                "smallest": SMALLEST_SHARE,
                **self._constants,
            },
        )

    def _claim(self, ceilings: Sequence[Ceiling]) -> Sequence[Room]:
        rows = self._session.run(
            _CLAIM,
            {
                "keys": [ceiling.key for ceiling in ceilings],
                "requests": [ceiling.requests for ceiling in ceilings],
                **self._constants,
            },
        )
        self._claims += 1
        if self._claims % _CLAIMS_BETWEEN_PRUNES == 1:
            self._session.run(_PRUNE, self._constants)
        return [Room(*row) for row in rows]


def forget_keys(session: PostgresSession, part: str) -> None:
    """Forget all keys in which a text stands.

    Raises:
        DatabaseError: They cannot be removed.
    """
    session.run(_FORGET, {"part": part})
