-- The texts by which groups of these accounts are recognized: ids, names and descriptions, as they are,
-- as they wait, and as they were; and the examples of what drifted.
SELECT DISTINCT text
FROM (
    SELECT unnest([id, name, description, organization_id]) AS text
    FROM groups
    WHERE list_contains(getvariable('ids'), integrated_account_id)
    UNION ALL
    SELECT unnest([
        record ->> '$.id', record ->> '$.name', record ->> '$.description', record ->> '$.organization'
    ])
    FROM (
        SELECT integrated_account_id, record FROM raw_groups
        UNION ALL
        SELECT integrated_account_id, record FROM held_back_groups
    )
    WHERE list_contains(getvariable('ids'), integrated_account_id)
    UNION ALL
    SELECT unnest(list_concat(
        [id, name],
        json_extract_string(changed_fields, '$.name[*]'),
        json_extract_string(changed_fields, '$.description[*]'),
        json_extract_string(changed_fields, '$.organization_id[*]')
    ))
    FROM group_changes
    WHERE list_contains(getvariable('ids'), integrated_account_id)
    UNION ALL
    SELECT unnest(json_extract_string(examples, '$.*'))
    FROM account_shapes
    WHERE list_contains(getvariable('ids'), integrated_account_id)
)
WHERE text IS NOT NULL;
