-- What becomes of each id: added, removed, changed, or touched.
-- Runs inside one transaction on the attached database.

-- What becomes of each id: added, removed, changed, or touched when only the raw record,
-- remote_data or the rules differ. Ids that stay as they are, be it in another spelling, are not here.
CREATE OR REPLACE TEMP TABLE differences AS
WITH incoming AS (
    SELECT l.*, b.integration, b.tenant_id
    FROM staging.landed AS l
    JOIN batch AS b USING (integrated_account_id)
    WHERE NOT b.is_initial
),
present AS (
    SELECT
        integrated_account_id,
        id,
        g.integration,
        g.tenant_id,
        g.name,
        g.group_type,
        g.group_type_as_received,
        g.description,
        g.organization_id,
        g.created_at,
        g.updated_at,
        g.remote_data::VARCHAR AS remote_data,
        g.other_fields::VARCHAR AS other_fields,
        g.first_seen_at,
        g.changed_at,
        g.normalization_version,
        r.record::VARCHAR AS record
    FROM (FROM groups WHERE is_landed(integrated_account_id)) AS g
    LEFT JOIN (FROM raw_groups WHERE is_landed(integrated_account_id)) AS r
        USING (integrated_account_id, id)
    UNION ALL BY NAME
    SELECT * EXCLUDE (remote_data) REPLACE (other_fields::VARCHAR AS other_fields)
    FROM groups
    WHERE is_compared(integrated_account_id) AND NOT is_landed(integrated_account_id)
),
came AS (SELECT COLUMNS(*) AS 'came_\0' FROM incoming),
had AS (SELECT COLUMNS(*) AS 'had_\0' FROM present),
paired AS (
    SELECT
        *,
        had_normalization_version <> getvariable('normalization_version') AS has_other_rules
    FROM came
    FULL JOIN had
        ON came_integrated_account_id = had_integrated_account_id AND came_id = had_id
    WHERE came_record IS DISTINCT FROM had_record
        OR came_remote_data IS DISTINCT FROM had_remote_data
        OR had_normalization_version <> getvariable('normalization_version')
        OR came_integration IS DISTINCT FROM had_integration
        OR came_tenant_id IS DISTINCT FROM had_tenant_id
        -- Else only where somebody else changed a row.
        OR came_name IS DISTINCT FROM had_name
        OR came_group_type IS DISTINCT FROM had_group_type
        OR came_group_type_as_received IS DISTINCT FROM had_group_type_as_received
        OR came_description IS DISTINCT FROM had_description
        OR came_organization_id IS DISTINCT FROM had_organization_id
        OR came_created_at IS DISTINCT FROM had_created_at
        OR came_updated_at IS DISTINCT FROM had_updated_at
        OR came_other_fields IS DISTINCT FROM had_other_fields
),
spelled AS (
    SELECT
        *,
        kept_text('$.name', came_name, had_name, came_record, had_record) AS kept_name,
        kept_text('$.group_type', came_group_type_as_received, had_group_type_as_received, came_record, had_record)
            AS kept_group_type_as_received,
        kept_text('$.description', came_description, had_description, came_record, had_record)
            AS kept_description,
        kept_text('$.organization', came_organization_id, had_organization_id, came_record, had_record)
            AS kept_organization_id,
        CASE
            WHEN came_other_fields IS NOT DISTINCT FROM had_other_fields THEN NULL
            WHEN same_json(came_other_fields, had_other_fields) THEN had_other_fields
        END AS kept_other_fields
    FROM paired
),
described AS (
    SELECT
        *,
        list_filter(
            [
                {'field': 'integration', 'before': to_json(had_integration), 'after': to_json(came_integration)},
                {'field': 'tenant_id', 'before': to_json(had_tenant_id), 'after': to_json(came_tenant_id)},
                {'field': 'name', 'before': to_json(had_name), 'after': to_json(coalesce(kept_name, came_name))},
                {'field': 'group_type', 'before': to_json(had_group_type), 'after': to_json(came_group_type)},
                {'field': 'group_type_as_received', 'before': to_json(had_group_type_as_received), 'after': to_json(coalesce(kept_group_type_as_received, came_group_type_as_received))},
                {'field': 'description', 'before': to_json(had_description), 'after': to_json(coalesce(kept_description, came_description))},
                {'field': 'organization_id', 'before': to_json(had_organization_id), 'after': to_json(coalesce(kept_organization_id, came_organization_id))},
                {'field': 'created_at', 'before': to_json(strftime(had_created_at, '%Y-%m-%dT%H:%M:%S.%fZ')), 'after': to_json(strftime(came_created_at, '%Y-%m-%dT%H:%M:%S.%fZ'))},
                {'field': 'updated_at', 'before': to_json(strftime(had_updated_at, '%Y-%m-%dT%H:%M:%S.%fZ')), 'after': to_json(strftime(came_updated_at, '%Y-%m-%dT%H:%M:%S.%fZ'))},
                {'field': 'other_fields', 'before': had_other_fields::JSON, 'after': coalesce(kept_other_fields, came_other_fields)::JSON},
                {'field': 'first_seen_at', 'before': if(came_id IS NULL, to_json(strftime(had_first_seen_at, '%Y-%m-%dT%H:%M:%S.%fZ')), NULL), 'after': NULL}
            ],
            lambda f: f.before IS DISTINCT FROM f.after
        ) AS fields
    FROM spelled
),
compared AS (
    SELECT
        *,
        list_transform(fields, lambda f: f.field) AS names,
        -- Records are taken apart only where nothing else tells, because that is dear.
        CASE
            WHEN came_record IS NULL OR had_record IS NULL THEN FALSE
            WHEN came_record = had_record THEN TRUE
            WHEN NOT has_other_rules AND list_has_any(
                list_transform(fields, lambda f: f.field),
                ['name', 'group_type_as_received', 'description', 'organization_id', 'created_at', 'updated_at', 'other_fields']
            ) THEN FALSE
            ELSE same_json(came_record, had_record)
        END AS is_same_record
    FROM described
),
judged AS (
    SELECT
        coalesce(came_integrated_account_id, had_integrated_account_id) AS integrated_account_id,
        coalesce(came_id, had_id) AS id,
        came_position AS position,
        had_id IS NULL AS is_added,
        CASE
            WHEN had_id IS NULL THEN 'added'
            WHEN came_id IS NULL THEN 'removed'
            WHEN len(names) > 0 THEN 'changed'
            ELSE 'touched'
        END AS change,
        fields,
        names,
        is_same_record,
        CASE
            WHEN came_remote_data IS NOT DISTINCT FROM had_remote_data THEN TRUE
            WHEN is_same_record THEN coalesce(same_json(came_remote_data, had_remote_data), FALSE)
            ELSE FALSE -- told field by field, below
        END AS is_same_remote_data,
        has_other_rules,
        if(came_id IS NULL, had_name, coalesce(kept_name, came_name)) AS name_then,
        kept_name,
        kept_group_type_as_received,
        kept_description,
        kept_organization_id,
        kept_other_fields,
        had_first_seen_at AS first_seen_at,
        had_changed_at AS changed_at
    FROM compared
)
FROM judged
WHERE change <> 'touched' OR has_other_rules OR NOT is_same_record OR NOT is_same_remote_data;
