-- What is known by now of the instant of the variable as_of: whether an account's groups had been published
-- by then, as they and their changes tell, and when they were published first afterwards.
WITH instant AS (
    SELECT getvariable('as_of')::TIMESTAMPTZ AS at
),
had_groups AS (
    SELECT g.integrated_account_id
    FROM groups AS g
    CROSS JOIN instant AS i
    WHERE g.first_seen_at <= i.at
    UNION
    SELECT c.integrated_account_id
    FROM group_changes AS c
    CROSS JOIN instant AS i
    WHERE c.changed_at <= i.at
        OR (c.changed_fields ->> '$.first_seen_at[0]')::TIMESTAMPTZ <= i.at
),
confirmed AS (
    SELECT s.integrated_account_id, min(coalesce(b.accepted_at, s.finished_at)) AS at
    FROM account_syncs AS s
    CROSS JOIN instant AS i
    LEFT JOIN accepted_baselines AS b
        ON b.integrated_account_id = s.integrated_account_id AND b.run_id = s.run_id
    WHERE s.outcome IN ('published', 'unchanged') AND coalesce(b.accepted_at, s.finished_at) > i.at
    GROUP BY s.integrated_account_id
)
SELECT
    integrated_account_id AS id,
    h.integrated_account_id IS NOT NULL AS had_groups,
    c.at AS published_later
FROM had_groups AS h
FULL JOIN confirmed AS c USING (integrated_account_id);
