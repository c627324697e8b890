-- What changed since an instant, by account; the latest change first.
SELECT
    c.integrated_account_id,
    coalesce(k.partition_key, c.integrated_account_id) AS partition_key,
    coalesce(k.integration, 'unknown') AS integration,
    k.tenant_id,
    count(*) FILTER (c.change = 'added') AS added,
    count(*) FILTER (c.change = 'removed') AS removed,
    count(*) FILTER (c.change = 'changed') AS changed,
    max(c.changed_at) AS last_changed_at
FROM group_changes AS c
LEFT JOIN integrated_accounts AS k ON k.id = c.integrated_account_id
WHERE c.changed_at > $since
GROUP BY ALL
ORDER BY last_changed_at DESC, c.integrated_account_id;
