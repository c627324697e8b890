-- Which accounts the ledger knows as confirmed, whatever became of them since.
SELECT s.integrated_account_id, any_value(t.rows_digest) AS rows_digest
FROM account_syncs AS s
LEFT JOIN account_state AS t ON t.integrated_account_id = s.integrated_account_id
WHERE s.outcome IN ('published', 'unchanged')
    AND s.integrated_account_id IN (SELECT unnest($ids))
GROUP BY s.integrated_account_id;
