-- The rows of accounts in raw_groups and in groups, which are as many. Counting all accounts and then
-- choosing is cheaper than choosing row by row: DuckDB counts by the dictionary of the column.
SELECT integrated_account_id, coalesce(r.row_count, 0), coalesce(g.row_count, 0)
FROM (SELECT integrated_account_id, count(*) AS row_count FROM raw_groups GROUP BY ALL) AS r
FULL JOIN (SELECT integrated_account_id, count(*) AS row_count FROM groups GROUP BY ALL) AS g
    USING (integrated_account_id)
WHERE integrated_account_id IN (SELECT unnest($ids));
