-- The last attempts of an account, the newest first.
SELECT
    run_id, started_at, outcome, group_count, request_count, retry_count, throttled_seconds,
    error_kind, error
FROM account_syncs
WHERE integrated_account_id = $id
ORDER BY answer_order DESC
LIMIT $most;
