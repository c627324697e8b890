-- Replace the rows of the accounts in batch by what was landed for them, writing only what
-- differs. Runs inside one transaction on the attached database.

-- A filter by a list is evaluated while a table is read, so that long columns are read for its rows
-- alone. A join with batch would decompress those of every account.
-- With an empty list nothing is read at all.
CREATE OR REPLACE TEMP MACRO is_compared(key) AS
    len(getvariable('compared_ids')) > 0 AND list_contains(getvariable('compared_ids')::VARCHAR[], key);

-- Of these something was landed; all rows of the others go, whatever their long columns hold.
CREATE OR REPLACE TEMP MACRO is_landed(key) AS
    len(getvariable('landed_ids')) > 0 AND list_contains(getvariable('landed_ids')::VARCHAR[], key);

-- Where somebody else wrote a row of an id twice, one of them stays to be compared.
CREATE OR REPLACE TEMP TABLE copied AS
SELECT integrated_account_id, id FROM groups
WHERE is_compared(integrated_account_id)
GROUP BY ALL HAVING count(*) > 1
UNION
SELECT integrated_account_id, id FROM raw_groups
WHERE is_compared(integrated_account_id)
GROUP BY ALL HAVING count(*) > 1;

DELETE FROM groups WHERE rowid IN (
    SELECT g.rowid FROM groups AS g JOIN copied USING (integrated_account_id, id)
    QUALIFY row_number() OVER (PARTITION BY integrated_account_id, id ORDER BY g.rowid) > 1
);

DELETE FROM raw_groups WHERE rowid IN (
    SELECT r.rowid FROM raw_groups AS r JOIN copied USING (integrated_account_id, id)
    QUALIFY row_number() OVER (PARTITION BY integrated_account_id, id ORDER BY r.rowid) > 1
);

-- And a raw record without a row of groups, which belongs to nothing.
DELETE FROM raw_groups
WHERE is_compared(integrated_account_id)
    AND (integrated_account_id, id) NOT IN (
        SELECT (integrated_account_id, id) FROM groups WHERE is_compared(integrated_account_id)
    );

-- A text column is made of JSON, of which only the spelling may be another (an object with its keys
-- turned round, 1e2 for 100): then the column keeps the text that it has, which is this; else null.
CREATE OR REPLACE TEMP MACRO kept_text(field, came, had, record_came, record_had) AS
    CASE
        WHEN came IS NOT DISTINCT FROM had THEN NULL
        -- A number, an object or an array, of which few are text.
        WHEN regexp_matches(came, '^[-0-9{\[]')
            AND json_extract_string(record_had, field) = had -- unless somebody else changed the row
            AND same_json(
                json_extract(record_came, field)::VARCHAR, json_extract(record_had, field)::VARCHAR
            )
            THEN had
    END;

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
        coalesce(kept_name, came_name, had_name) AS name_then,
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

-- Vendors keep counters and the like in remote_data: what changes there alone is counted by the field
-- it is in, and makes no row of group_changes.
CREATE OR REPLACE TEMP TABLE remote_changes AS
WITH touched AS (
    SELECT d.integrated_account_id, d.id, g.remote_data AS before, l.remote_data::JSON AS after
    FROM differences AS d
    JOIN (FROM groups WHERE is_landed(integrated_account_id)) AS g USING (integrated_account_id, id)
    JOIN staging.landed AS l ON l.integrated_account_id = d.integrated_account_id AND l.position = d.position
    WHERE d.change = 'touched' AND NOT d.is_same_remote_data
),
before AS (
    SELECT t.integrated_account_id, t.id, coalesce(f.key, '') AS key, any_value(f.value) AS value
    FROM touched AS t, json_each(t.before) AS f
    GROUP BY ALL
),
after AS (
    SELECT t.integrated_account_id, t.id, coalesce(f.key, '') AS key, any_value(f.value) AS value
    FROM touched AS t, json_each(t.after) AS f
    GROUP BY ALL
)
-- What is no object has no keys. Where keys are data there are many: those of most groups are told.
SELECT integrated_account_id, if(key = '', 'remote_data', 'remote_data.' || left(key, 100)) AS path, count(*) AS group_count
FROM before AS b
FULL JOIN after AS a USING (integrated_account_id, id, key)
WHERE CASE
    WHEN a.value IS NOT DISTINCT FROM b.value THEN FALSE
    ELSE NOT coalesce(same_json(a.value::VARCHAR, b.value::VARCHAR), FALSE)
END
GROUP BY integrated_account_id, path
QUALIFY row_number() OVER (PARTITION BY integrated_account_id ORDER BY group_count DESC, path) <= 100;

-- A removed and an added group of one name are one that was made anew.
CREATE OR REPLACE TEMP TABLE recreated AS
SELECT DISTINCT a.integrated_account_id, a.name_then
FROM differences AS a
JOIN differences AS r USING (integrated_account_id, name_then)
WHERE a.change = 'added' AND r.change = 'removed' AND a.name_then <> '';

-- An id that comes back keeps the instant at which it was first published.
CREATE OR REPLACE TEMP TABLE returned AS
SELECT d.integrated_account_id, d.id, min((c.changed_fields ->> '$.first_seen_at[0]')::TIMESTAMPTZ) AS first_seen_at
FROM differences AS d
JOIN (FROM group_changes WHERE is_compared(integrated_account_id)) AS c USING (integrated_account_id, id)
WHERE d.change = 'added' AND c.change = 'removed'
GROUP BY ALL;

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

INSERT INTO group_changes BY NAME
SELECT
    d.integrated_account_id,
    d.id,
    d.change,
    CASE
        WHEN d.change <> 'changed' THEN if(r.name_then IS NULL, NULL, 'recreated')
        WHEN list_has_all(d.names, ['name', 'created_at']) THEN 'id_reused'
        WHEN list_contains(d.names, 'name') THEN 'renamed'
        WHEN list_contains(d.names, 'group_type_as_received') OR list_contains(d.names, 'group_type')
            THEN 'retyped'
    END AS hint,
    -- Put together as text: DuckDB's JSON functions write numbers anew, with 17 digits at most.
    concat('{', array_to_string(list_transform(
        d.fields,
        lambda f: concat('"', f.field, '":[', coalesce(f.before::VARCHAR, 'null'), ',', coalesce(f.after::VARCHAR, 'null'), ']')
    ), ','), '}')::JSON AS changed_fields,
    d.name_then AS name,
    getvariable('published_at') AS changed_at,
    getvariable('run_id') AS run_id
FROM differences AS d
LEFT JOIN recreated AS r USING (integrated_account_id, name_then)
WHERE d.change <> 'touched';

UPDATE account_state AS s
SET rows_digest = b.digest, row_count = coalesce(l.row_count, 0)
FROM batch AS b
LEFT JOIN (
    SELECT integrated_account_id, count(*) AS row_count
    FROM staging.landed
    GROUP BY integrated_account_id
) AS l ON l.integrated_account_id = b.integrated_account_id
WHERE s.integrated_account_id = b.integrated_account_id;
