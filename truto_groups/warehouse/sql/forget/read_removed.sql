-- Accounts that are no longer known and of which something is kept: those whose grace period is over.
-- Whose they were is what their last removed group says, or the last that became privileged.
WITH kept AS (
    SELECT integrated_account_id AS id FROM account_syncs
    UNION
    SELECT integrated_account_id FROM group_changes
    UNION
    SELECT integrated_account_id FROM privileged_group_changes
    UNION
    SELECT integrated_account_id FROM accepted_baselines
),
told AS (
    SELECT
        integrated_account_id AS id,
        changed_fields ->> '$.integration[0]' AS integration,
        changed_fields ->> '$.tenant_id[0]' AS tenant_id,
        changed_at
    FROM group_changes
    WHERE json_exists(changed_fields, '$.integration')
    UNION ALL
    SELECT integrated_account_id, integration, tenant_id, changed_at
    FROM privileged_group_changes
)
SELECT
    k.id,
    coalesce(arg_max(t.integration, t.changed_at), 'unknown') AS integration,
    arg_max(t.tenant_id, t.changed_at) AS tenant_id
FROM kept AS k
LEFT JOIN told AS t ON t.id = k.id
WHERE k.id NOT IN (SELECT id FROM integrated_accounts)
GROUP BY k.id
ORDER BY k.id;
