-- Of two attempts the newer one was told by when it started; now by a count of first requests.
ALTER TABLE account_syncs ADD COLUMN IF NOT EXISTS answer_order BIGINT;

UPDATE account_syncs AS s
SET answer_order = o.answer_order
FROM (
    SELECT rowid AS row_id, row_number() OVER (ORDER BY started_at, rowid) AS answer_order
    FROM account_syncs
) AS o
WHERE s.rowid = o.row_id AND s.answer_order IS NULL;

-- An attempt that was killed says nothing about its account.
UPDATE account_syncs
SET outcome = 'interrupted'
WHERE outcome = 'failed' AND error_kind = 'killed';

-- What was held back before a sync that was confirmed waits no longer; it now goes with that sync.
DELETE FROM account_shapes AS s
USING integrated_accounts AS k
WHERE k.id = s.integrated_account_id
    AND NOT s.is_published
    AND s.observed_at <= k.last_confirmed_at;

-- The next publication comes after all that were, whatever a clock said then.
INSERT INTO database_properties BY NAME
SELECT 'last_published_at' AS name, max(changed_at)::VARCHAR AS value
FROM (SELECT changed_at FROM groups UNION ALL SELECT changed_at FROM group_changes)
WHERE NOT EXISTS (SELECT 1 FROM database_properties WHERE name = 'last_published_at')
HAVING max(changed_at) IS NOT NULL;
