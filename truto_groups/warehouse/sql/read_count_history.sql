-- The numbers of groups that an account's latest confirmed syncs had, oldest first. What it had before
-- it was removed counts no more: it is listed for the first time again, and its rows are gone.
SELECT integrated_account_id, list(group_count ORDER BY answer_order) AS group_counts
FROM (
    SELECT s.integrated_account_id, s.group_count, s.answer_order
    FROM account_syncs AS s
    JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
    WHERE s.integrated_account_id IN (SELECT unnest($ids))
        AND s.outcome IN ('published', 'unchanged')
        AND s.group_count IS NOT NULL
        AND s.started_at >= k.first_listed_at
    QUALIFY row_number() OVER (
        PARTITION BY s.integrated_account_id ORDER BY s.answer_order DESC
    ) <= 20
)
GROUP BY integrated_account_id;
