UPDATE account_syncs
SET
    finished_at = $now,
    outcome = 'failed',
    error_kind = 'killed',
    error = 'Run ' || run_id || ' ended before the account was synced (it was killed or its machine '
        || 'stopped). The rows published before it stay; the next refresh tries again.'
WHERE outcome = 'running' AND run_id IN (SELECT unnest($run_ids))
RETURNING integrated_account_id;
