-- Every known account with what planning needs of its past: its last attempt that came to an end of
-- its own, because one that runs, or was interrupted, hides no reason. The ledger only grows, so its
-- latest numbers are found first, and the rest is read of the few rows that have them.
WITH latest AS (
    SELECT
        integrated_account_id,
        max(answer_order) FILTER (outcome IN ('published', 'unchanged', 'held_back', 'failed'))
            AS attempted,
        max(answer_order) FILTER (outcome IN ('published', 'unchanged')) AS confirmed
    FROM account_syncs
    GROUP BY integrated_account_id
),
attempts AS (
    SELECT s.integrated_account_id, any_value(s) AS last
    FROM account_syncs AS s
    JOIN latest AS l
        ON l.integrated_account_id = s.integrated_account_id AND l.attempted = s.answer_order
    GROUP BY s.integrated_account_id
),
confirmations AS (
    SELECT s.integrated_account_id, any_value(s) AS last
    FROM account_syncs AS s
    JOIN latest AS l
        ON l.integrated_account_id = s.integrated_account_id AND l.confirmed = s.answer_order
    GROUP BY s.integrated_account_id
)
SELECT
    k.id,
    k.partition_key,
    k.integration,
    k.tenant_id,
    k.label,
    k.status,
    k.supports_groups,
    k.is_sandbox,
    k.last_error,
    k.created_at,
    k.updated_at,
    k.first_listed_at,
    k.listed_at,
    k.gone_at,
    k.last_confirmed_at,
    s.wanted_at,
    s.attempted_conditions,
    a.last.started_at AS attempted_at,
    a.last.finished_at AS attempt_finished_at,
    a.last.outcome,
    a.last.error_kind,
    a.last.error,
    c.last.group_count,
    s.rows_digest,
    epoch(c.last.finished_at) - epoch(c.last.started_at) AS seconds
FROM integrated_accounts AS k
LEFT JOIN account_state AS s ON s.integrated_account_id = k.id
LEFT JOIN attempts AS a ON a.integrated_account_id = k.id
LEFT JOIN confirmations AS c ON c.integrated_account_id = k.id
ORDER BY k.first_listed_at, k.id;
