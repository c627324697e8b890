-- What was landed for the accounts that are whole: counts for the audit, and the digest of all
-- records, order aside.
SELECT
    integrated_account_id,
    count(*) AS record_count,
    count(DISTINCT id) AS id_count,
    count(*) FILTER (id IS NULL) AS missing_id_count,
    count(*) FILTER (list_contains(unreadable_instants, 'created_at')) AS unreadable_created_at,
    count(*) FILTER (list_contains(unreadable_instants, 'updated_at')) AS unreadable_updated_at,
    count(*) FILTER (group_type = 'unmapped') AS unmapped_count,
    count(*) FILTER (has_repeated_fields) AS repeated_field_count,
    bit_xor(md5_number(record))::VARCHAR AS digest
FROM staging.landed
WHERE integrated_account_id IN (SELECT unnest($ids))
GROUP BY integrated_account_id;
