-- Accounts that are no longer known and of which something is kept: those whose grace period is over.
-- Whose they were is what their last removed group says.
WITH kept AS (
    SELECT integrated_account_id AS id FROM account_syncs
    UNION
    SELECT integrated_account_id FROM group_changes
    UNION
    SELECT integrated_account_id FROM accepted_baselines
)
SELECT
    k.id,
    coalesce(arg_max(c.changed_fields ->> '$.integration[0]', c.changed_at), 'unknown')
        AS integration,
    arg_max(c.changed_fields ->> '$.tenant_id[0]', c.changed_at) AS tenant_id
FROM kept AS k
LEFT JOIN group_changes AS c
    ON c.integrated_account_id = k.id AND json_exists(c.changed_fields, '$.integration')
WHERE k.id NOT IN (SELECT id FROM integrated_accounts)
GROUP BY k.id
ORDER BY k.id;
