-- The numbers of groups that an account's latest confirmed syncs had, oldest first.
SELECT integrated_account_id, list(group_count ORDER BY started_at) AS group_counts
FROM (
    SELECT integrated_account_id, group_count, started_at
    FROM account_syncs
    WHERE integrated_account_id IN (SELECT unnest($ids))
        AND outcome IN ('published', 'unchanged')
        AND group_count IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY integrated_account_id ORDER BY started_at DESC) <= 20
)
GROUP BY integrated_account_id;
