"""The tables of coordination, in a schema of their own beside the catalogue's.

Nothing in them outlives its use: whoever drops the schema while nothing runs loses the count, which
goes on after what the database remembers, and the pauses that Truto asked for.
"""

from typing import Final

SCHEMA: Final = "truto_groups_coordination"

# One transaction, and one first start after the other: IF NOT EXISTS alone does not keep two that
# come together from failing at the same name.
MAKE: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('truto_groups.layout', 0));
CREATE SCHEMA IF NOT EXISTS truto_groups_coordination;
CREATE TABLE IF NOT EXISTS truto_groups_coordination.presence (
    run_id text PRIMARY KEY,
    mark uuid NOT NULL,
    machine text NOT NULL,
    process_id integer NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS truto_groups_coordination.request_count (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL,
    server_started_at timestamptz
);
ALTER TABLE truto_groups_coordination.request_count
ADD COLUMN IF NOT EXISTS server_started_at timestamptz;
CREATE TABLE IF NOT EXISTS truto_groups_coordination.starts (
    key text NOT NULL,
    turn bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (key, turn)
);
CREATE TABLE IF NOT EXISTS truto_groups_coordination.slowdowns (
    key text PRIMARY KEY,
    at timestamptz NOT NULL,
    paused_until timestamptz NOT NULL,
    share double precision NOT NULL,
    told text NOT NULL
);
"""

# Whoever may use the tables need not be allowed to make any, which IF NOT EXISTS asks for first.
IS_MADE: Final = """
SELECT count(*) = 4 FROM information_schema.columns
WHERE table_schema = 'truto_groups_coordination' AND (table_name, column_name) IN (
    ('presence', 'run_id'), ('request_count', 'server_started_at'), ('starts', 'key'),
    ('slowdowns', 'key')
)
"""
