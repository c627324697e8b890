-- Write the raw records and groups that differ.
-- Runs inside one transaction on the attached database.

-- Of a record that came in another spelling the first one stays, and so does its received_at.
DELETE FROM raw_groups
WHERE is_compared(integrated_account_id)
    AND (integrated_account_id, id) IN (
        SELECT (integrated_account_id, id) FROM differences WHERE NOT is_same_record
    );

DELETE FROM groups
WHERE is_compared(integrated_account_id)
    AND (integrated_account_id, id) IN (
        SELECT (integrated_account_id, id) FROM differences WHERE NOT is_added
    );

INSERT INTO raw_groups BY NAME
SELECT
    l.integrated_account_id,
    l.id,
    l.record::JSON AS record,
    getvariable('published_at') AS received_at
FROM staging.landed AS l
JOIN batch AS b USING (integrated_account_id)
LEFT JOIN differences AS d USING (integrated_account_id, position)
WHERE b.is_initial OR NOT d.is_same_record;

INSERT INTO groups BY NAME
SELECT
    l.integrated_account_id,
    b.integration,
    b.tenant_id,
    l.id,
    coalesce(d.kept_name, l.name) AS name,
    l.group_type,
    coalesce(d.kept_group_type_as_received, l.group_type_as_received) AS group_type_as_received,
    coalesce(d.kept_description, l.description) AS description,
    coalesce(d.kept_organization_id, l.organization_id) AS organization_id,
    l.created_at,
    l.updated_at,
    l.remote_data::JSON AS remote_data,
    coalesce(d.kept_other_fields, l.other_fields)::JSON AS other_fields,
    coalesce(d.first_seen_at, r.first_seen_at, getvariable('published_at')) AS first_seen_at,
    if(d.change = 'touched', d.changed_at, getvariable('published_at')) AS changed_at,
    getvariable('normalization_version') AS normalization_version
FROM staging.landed AS l
JOIN batch AS b USING (integrated_account_id)
LEFT JOIN differences AS d USING (integrated_account_id, position)
LEFT JOIN returned AS r ON r.integrated_account_id = d.integrated_account_id AND r.id = d.id
WHERE b.is_initial OR d.id IS NOT NULL;
