-- The newest changes, of all accounts.
SELECT
    c.integrated_account_id,
    coalesce(k.partition_key, c.integrated_account_id) AS partition_key,
    k.label,
    c.changed_at,
    c.id,
    c.change,
    c.hint,
    c.name,
    c.changed_fields::VARCHAR AS changed_fields
FROM group_changes AS c
LEFT JOIN integrated_accounts AS k ON k.id = c.integrated_account_id
ORDER BY c.changed_at DESC, partition_key, c.change, c.name, c.id
LIMIT $most;
