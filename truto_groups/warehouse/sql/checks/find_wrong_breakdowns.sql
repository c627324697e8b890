-- The accounts whose breakdown does not say what their groups say.
WITH counted AS (
    SELECT integrated_account_id, group_type, count(*) AS group_count
    FROM groups
    GROUP BY integrated_account_id, group_type
)
SELECT
    coalesce(c.integrated_account_id, b.integrated_account_id) AS integrated_account_id,
    coalesce(sum(c.group_count), 0)::BIGINT AS group_count,
    coalesce(sum(b.group_count), 0)::BIGINT AS broken_down_count
FROM counted AS c
FULL JOIN group_type_breakdown AS b
    ON b.integrated_account_id = c.integrated_account_id
    AND b.group_type IS NOT DISTINCT FROM c.group_type
GROUP BY 1
HAVING bool_or(c.group_count IS DISTINCT FROM b.group_count)
ORDER BY 1;
