-- The distinct structures of an account's records: keys and JSON types, values aside.
SELECT integrated_account_id, json_structure(record) AS structure, count(*) AS record_count
FROM staging.landed
WHERE integrated_account_id IN (SELECT unnest($ids))
GROUP BY ALL;
