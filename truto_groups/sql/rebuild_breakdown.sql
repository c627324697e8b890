-- The breakdown of the accounts in `rebuilt`, from their groups.
DELETE FROM group_type_breakdown
WHERE integrated_account_id IN (SELECT integrated_account_id FROM rebuilt);

INSERT INTO group_type_breakdown BY NAME
SELECT
    g.integrated_account_id,
    g.integration,
    g.tenant_id,
    g.group_type,
    count(*) AS group_count,
    count(*) / sum(count(*)) OVER (PARTITION BY g.integrated_account_id) AS share
FROM groups AS g
WHERE g.integrated_account_id IN (SELECT integrated_account_id FROM rebuilt)
GROUP BY g.integrated_account_id, g.integration, g.tenant_id, g.group_type;
