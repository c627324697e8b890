-- Per account, the ids that came more than once, and those of them that came with several contents.
SELECT integrated_account_id, count(*) AS id_count, count(*) FILTER (contents > 1) AS differing_count
FROM (
    SELECT integrated_account_id, id, count(DISTINCT record) AS contents
    FROM staging.landed
    -- Records are long: only those of such an id are read.
    JOIN (
        SELECT integrated_account_id, id
        FROM staging.landed
        WHERE integrated_account_id IN (SELECT unnest($ids)) AND id IS NOT NULL
        GROUP BY ALL
        HAVING count(*) > 1
    ) USING (integrated_account_id, id)
    GROUP BY ALL
)
GROUP BY integrated_account_id;
