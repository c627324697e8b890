-- What a run did not publish, each account with how its attempt before that one ended; attempts that
-- did not come to an end of their own told no reason.
WITH attempts AS (
    SELECT
        run_id,
        integrated_account_id,
        outcome,
        error_kind,
        error,
        lag(outcome) OVER earlier AS earlier_outcome,
        lag(error_kind) OVER earlier AS earlier_kind,
        lag(error) OVER earlier AS earlier_error
    FROM account_syncs
    WHERE outcome IN ('published', 'unchanged', 'held_back', 'failed')
        AND integrated_account_id IN (
            SELECT integrated_account_id FROM account_syncs WHERE run_id = $run_id
        )
    WINDOW earlier AS (PARTITION BY integrated_account_id ORDER BY answer_order)
)
SELECT
    a.integrated_account_id,
    coalesce(k.partition_key, a.integrated_account_id) AS partition_key,
    k.label,
    coalesce(k.integration, 'unknown') AS integration,
    k.tenant_id,
    a.outcome,
    a.error_kind,
    a.error,
    a.earlier_outcome,
    a.earlier_kind,
    a.earlier_error
FROM attempts AS a
LEFT JOIN integrated_accounts AS k ON k.id = a.integrated_account_id
WHERE a.run_id = $run_id AND a.outcome NOT IN ('published', 'unchanged')
ORDER BY integration, k.tenant_id, a.integrated_account_id;
