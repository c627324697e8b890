-- The breakdown as it was at an instant, from the groups as they were.
SELECT
    g.integrated_account_id,
    g.integration,
    g.tenant_id,
    g.group_type,
    count(*) AS group_count,
    count(*) / sum(count(*)) OVER (PARTITION BY g.integrated_account_id) AS share
FROM groups_as_of($as_of::TIMESTAMPTZ) AS g
GROUP BY g.integrated_account_id, g.integration, g.tenant_id, g.group_type;
