-- Which accounts were confirmed since they were listed for the first time, and what their rows were
-- last made of.
SELECT k.id AS integrated_account_id, s.rows_digest
FROM integrated_accounts AS k
LEFT JOIN account_state AS s ON s.integrated_account_id = k.id
WHERE k.last_confirmed_at IS NOT NULL AND k.id IN (SELECT unnest($ids));
