-- Per account, the ids that came more than once, and those of them that came with several contents.
SELECT integrated_account_id, count(*) AS id_count, count(*) FILTER (contents > 1) AS differing_count
FROM (
    SELECT integrated_account_id, id, count(DISTINCT record) AS contents
    FROM staging.landed
    WHERE integrated_account_id IN (SELECT unnest($ids)) AND id IS NOT NULL
    GROUP BY ALL
    HAVING count(*) > 1
)
GROUP BY integrated_account_id;
