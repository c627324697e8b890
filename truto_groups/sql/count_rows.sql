-- The rows of accounts in raw_groups and in groups, which are as many.
SELECT
    integrated_account_id,
    count(*) FILTER (is_raw) AS raw_count,
    count(*) FILTER (NOT is_raw) AS group_count
FROM (
    SELECT integrated_account_id, TRUE AS is_raw
    FROM raw_groups
    UNION ALL
    SELECT integrated_account_id, FALSE
    FROM groups
)
WHERE integrated_account_id IN (SELECT unnest($ids))
GROUP BY integrated_account_id;
