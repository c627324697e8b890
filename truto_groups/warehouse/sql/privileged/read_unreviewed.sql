-- What waits for an access review, of the accounts that are known, the newest first.
SELECT
    p.integrated_account_id,
    k.partition_key,
    k.label,
    p.integration,
    p.tenant_id,
    p.id,
    p.change,
    p.name,
    p.name_before,
    p.group_type,
    p.group_type_before,
    p.matched_rules,
    p.changed_at,
    p.run_id
FROM privileged_group_changes AS p
JOIN integrated_accounts AS k ON k.id = p.integrated_account_id
WHERE p.reviewed_at IS NULL
ORDER BY p.changed_at DESC, p.tenant_id, k.partition_key, p.id;
