-- How many groups of which type each integration has.
SELECT
    integration,
    coalesce(group_type, 'no type') AS group_type,
    sum(group_count)::BIGINT AS group_count
FROM group_type_breakdown
GROUP BY ALL
ORDER BY integration, group_type;
