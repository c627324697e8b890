-- Of each account whose last attempt failed or was held back: since when no attempt ended well, and the
-- run of the last one.
WITH latest AS (
    SELECT
        s.integrated_account_id,
        max(s.answer_order) FILTER (s.outcome IN ('published', 'unchanged')) AS confirmed,
        max(s.answer_order) FILTER (s.outcome IN ('held_back', 'failed')) AS failed
    FROM account_syncs AS s
    WHERE s.outcome IN ('published', 'unchanged', 'held_back', 'failed')
    GROUP BY s.integrated_account_id
)
SELECT
    s.integrated_account_id,
    min(s.started_at) AS since,
    arg_max(s.run_id, s.answer_order) AS run_id
FROM account_syncs AS s
JOIN latest AS l ON l.integrated_account_id = s.integrated_account_id
WHERE s.outcome IN ('held_back', 'failed')
    AND l.failed > coalesce(l.confirmed, -1)
    AND s.answer_order > coalesce(l.confirmed, -1)
GROUP BY s.integrated_account_id;
