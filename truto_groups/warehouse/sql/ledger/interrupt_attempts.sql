-- End attempts that did not come to an end of their own.
UPDATE account_syncs
SET
    finished_at = $now,
    outcome = 'interrupted',
    error_kind = $kind,
    error = 'Run ' || run_id || ' ' || $what || ' before the account was synced. The rows published '
        || 'before stay; the account is tried again when it is due.'
WHERE outcome = 'running' AND run_id IN (SELECT unnest($run_ids));
