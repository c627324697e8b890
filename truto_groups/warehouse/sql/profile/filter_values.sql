-- What an account's landed groups have in the fields that a filter can ask for.
SELECT 'group_type' AS field, group_type_as_received AS value, count(*) AS record_count
FROM staging.landed
WHERE integrated_account_id = $id AND group_type_as_received IS NOT NULL
GROUP BY group_type_as_received
UNION ALL
SELECT 'organization', organization_id, count(*)
FROM staging.landed
WHERE integrated_account_id = $id AND organization_id IS NOT NULL
GROUP BY organization_id
UNION ALL
SELECT 'name', name, count(*)
FROM staging.landed
WHERE integrated_account_id = $id AND name IS NOT NULL
GROUP BY name
UNION ALL
SELECT 'description', description, count(*)
FROM staging.landed
WHERE integrated_account_id = $id AND description IS NOT NULL
GROUP BY description;
