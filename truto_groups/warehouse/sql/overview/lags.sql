-- How long it took until a change was in group_changes, by integration, and of all together as NULL:
-- from the instant at which the vendor says that the group was changed. Who dates a group back, or does
-- not date a change at all, tells nothing of that; longer than a week nobody is late.
WITH dated AS (
    SELECT
        k.integration,
        epoch(c.changed_at) - epoch(try_cast(coalesce(
            c.changed_fields ->> '$.updated_at[1]',
            CASE WHEN c.change = 'added' THEN c.changed_fields ->> '$.created_at[1]' END
        ) AS TIMESTAMPTZ)) AS seconds
    FROM group_changes AS c
    JOIN integrated_accounts AS k ON k.id = c.integrated_account_id
    WHERE c.changed_at > $since AND c.change IN ('added', 'changed')
)
SELECT
    d.integration,
    count(*) AS change_count,
    quantile_cont(d.seconds, 0.5) AS p50_seconds,
    quantile_cont(d.seconds, 0.95) AS p95_seconds
FROM dated AS d
WHERE d.seconds BETWEEN 0 AND $longest_seconds
GROUP BY GROUPING SETS ((d.integration), ())
HAVING count(*) > 0
ORDER BY d.integration NULLS FIRST;
