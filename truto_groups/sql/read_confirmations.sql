SELECT
    integrated_account_id,
    arg_max_null(digest, started_at) AS digest,
    arg_max(group_count, started_at) AS group_count
FROM account_syncs
WHERE outcome IN ('published', 'unchanged')
    AND integrated_account_id IN (SELECT unnest($ids))
GROUP BY integrated_account_id;
