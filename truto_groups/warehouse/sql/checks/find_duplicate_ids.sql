-- Ids of which an account has more than one row.
SELECT integrated_account_id, id, count(*) AS row_count
FROM groups
GROUP BY integrated_account_id, id
HAVING count(*) > 1
ORDER BY ALL;
