-- The numbers of groups that an account's latest confirmed syncs had, oldest first. What it had before
-- it was removed counts no more: it is listed for the first time again, and with its rows went what it
-- looked like. No clock says which of its syncs came since, because others list than those who sync.
WITH looked AS (
    SELECT h.integrated_account_id, min(l.answer_order) AS answer_order
    FROM account_shapes AS h
    JOIN account_syncs AS l
        ON l.integrated_account_id = h.integrated_account_id AND l.run_id = h.run_id
    WHERE h.integrated_account_id IN (SELECT unnest($ids)) AND h.is_published
    GROUP BY h.integrated_account_id
)
SELECT integrated_account_id, list(group_count ORDER BY answer_order) AS group_counts
FROM (
    SELECT s.integrated_account_id, s.group_count, s.answer_order
    FROM account_syncs AS s
    JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
    LEFT JOIN looked AS f ON f.integrated_account_id = s.integrated_account_id
    WHERE s.integrated_account_id IN (SELECT unnest($ids))
        AND s.outcome IN ('published', 'unchanged')
        AND s.group_count IS NOT NULL
        AND k.last_confirmed_at IS NOT NULL
        AND s.answer_order >= coalesce(f.answer_order, 0)
    QUALIFY row_number() OVER (
        PARTITION BY s.integrated_account_id ORDER BY s.answer_order DESC
    ) <= 20
)
GROUP BY integrated_account_id;
