-- What a run did with each account that it tried, and what changed in it.
SELECT
    s.integrated_account_id,
    coalesce(k.partition_key, s.integrated_account_id) AS partition_key,
    k.label,
    coalesce(k.integration, 'unknown') AS integration,
    k.tenant_id,
    s.outcome,
    s.group_count,
    s.error_kind,
    s.error,
    NOT EXISTS (
        FROM account_syncs AS p
        WHERE p.integrated_account_id = s.integrated_account_id
            AND p.outcome IN ('published', 'unchanged')
            AND p.answer_order < s.answer_order
    ) AS is_first,
    coalesce(c.added, 0) AS added,
    coalesce(c.removed, 0) AS removed,
    coalesce(c.changed, 0) AS changed
FROM account_syncs AS s
LEFT JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
LEFT JOIN (
    SELECT
        integrated_account_id,
        count(*) FILTER (change = 'added') AS added,
        count(*) FILTER (change = 'removed') AS removed,
        count(*) FILTER (change = 'changed') AS changed
    FROM group_changes
    WHERE run_id = $run_id
    GROUP BY integrated_account_id
) AS c ON c.integrated_account_id = s.integrated_account_id
WHERE s.run_id = $run_id
ORDER BY integration, k.tenant_id, s.integrated_account_id;
