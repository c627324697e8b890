-- The breakdown of the accounts `rebuilt_ids`, from their groups.
DELETE FROM group_type_breakdown
WHERE list_contains(getvariable('rebuilt_ids'), integrated_account_id);

INSERT INTO group_type_breakdown BY NAME
SELECT
    g.integrated_account_id,
    g.integration,
    g.tenant_id,
    g.group_type,
    count(*) AS group_count,
    count(*) / sum(count(*)) OVER (PARTITION BY g.integrated_account_id) AS share
FROM groups AS g
WHERE list_contains(getvariable('rebuilt_ids'), g.integrated_account_id)
GROUP BY g.integrated_account_id, g.integration, g.tenant_id, g.group_type;
