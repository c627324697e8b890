-- What each record of an account became, in the order in which they came.
SELECT
    record, id, name, group_type, group_type_as_received, description, organization_id,
    created_at, updated_at, unreadable_instants, has_repeated_fields
FROM staging.landed
WHERE integrated_account_id = $id
ORDER BY position;
