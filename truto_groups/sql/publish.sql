-- Replace the rows of the accounts in batch by what was landed for them, writing only what
-- differs. Runs inside one transaction on the attached database.

-- A filter by a list is evaluated while a table is read, so that long columns are read for its rows
-- alone. A join with batch would decompress those of every account.
-- With an empty list nothing is read at all.
CREATE OR REPLACE TEMP MACRO is_compared(key) AS
    len(getvariable('compared_ids')) > 0 AND list_contains(getvariable('compared_ids')::VARCHAR[], key);

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

-- What becomes of each id: added, removed, changed, or touched when only the raw record,
-- remote_data or the rules differ; ids that stay as they are are not here.
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
        g.remote_data,
        g.other_fields,
        g.first_seen_at,
        g.changed_at,
        g.normalization_version,
        r.record,
        r.received_at
    FROM (FROM groups WHERE is_compared(integrated_account_id)) AS g
    LEFT JOIN (FROM raw_groups WHERE is_compared(integrated_account_id)) AS r
        USING (integrated_account_id, id)
),
compared AS (
    SELECT
        coalesce(i.integrated_account_id, p.integrated_account_id) AS integrated_account_id,
        coalesce(i.id, p.id) AS id,
        i.position,
        i.id IS NULL AS is_removed,
        p.id IS NULL AS is_added,
        i.record IS NOT DISTINCT FROM p.record::VARCHAR AS is_same_record,
        i.remote_data IS NOT DISTINCT FROM p.remote_data::VARCHAR AS is_same_remote_data,
        p.normalization_version,
        p.first_seen_at,
        p.changed_at,
        p.received_at,
        coalesce(i.name, p.name) AS name_then,
        p.name AS name_before,
        i.name AS name_after,
        [
            {'field': 'integration', 'before': to_json(p.integration), 'after': to_json(i.integration)},
            {'field': 'tenant_id', 'before': to_json(p.tenant_id), 'after': to_json(i.tenant_id)},
            {'field': 'name', 'before': to_json(p.name), 'after': to_json(i.name)},
            {'field': 'group_type', 'before': to_json(p.group_type), 'after': to_json(i.group_type)},
            {'field': 'group_type_as_received', 'before': to_json(p.group_type_as_received), 'after': to_json(i.group_type_as_received)},
            {'field': 'description', 'before': to_json(p.description), 'after': to_json(i.description)},
            {'field': 'organization_id', 'before': to_json(p.organization_id), 'after': to_json(i.organization_id)},
            {'field': 'created_at', 'before': to_json(strftime(p.created_at, '%Y-%m-%dT%H:%M:%S.%fZ')), 'after': to_json(strftime(i.created_at, '%Y-%m-%dT%H:%M:%S.%fZ'))},
            {'field': 'updated_at', 'before': to_json(strftime(p.updated_at, '%Y-%m-%dT%H:%M:%S.%fZ')), 'after': to_json(strftime(i.updated_at, '%Y-%m-%dT%H:%M:%S.%fZ'))},
            {'field': 'other_fields', 'before': p.other_fields, 'after': i.other_fields::JSON},
            {'field': 'first_seen_at', 'before': if(i.id IS NULL, to_json(strftime(p.first_seen_at, '%Y-%m-%dT%H:%M:%S.%fZ')), NULL), 'after': NULL}
        ] AS fields
    FROM incoming AS i
    FULL JOIN present AS p USING (integrated_account_id, id)
    WHERE i.record IS DISTINCT FROM p.record::VARCHAR
        OR i.remote_data IS DISTINCT FROM p.remote_data::VARCHAR
        OR p.normalization_version <> getvariable('normalization_version')
        OR i.integration IS DISTINCT FROM p.integration
        OR i.tenant_id IS DISTINCT FROM p.tenant_id
        -- Else only where somebody else changed a row.
        OR i.name IS DISTINCT FROM p.name
        OR i.group_type IS DISTINCT FROM p.group_type
        OR i.group_type_as_received IS DISTINCT FROM p.group_type_as_received
        OR i.description IS DISTINCT FROM p.description
        OR i.organization_id IS DISTINCT FROM p.organization_id
        OR i.created_at IS DISTINCT FROM p.created_at
        OR i.updated_at IS DISTINCT FROM p.updated_at
        OR i.other_fields IS DISTINCT FROM p.other_fields::VARCHAR
),
named AS (
    SELECT
        * EXCLUDE (fields),
        list_filter(fields, lambda f: f.before IS DISTINCT FROM f.after) AS fields,
        list_transform(
            list_filter(fields, lambda f: f.before IS DISTINCT FROM f.after), lambda f: f.field
        ) AS names
    FROM compared
)
SELECT
    *,
    CASE
        WHEN is_added THEN 'added'
        WHEN is_removed THEN 'removed'
        WHEN len(names) > 0 THEN 'changed'
        ELSE 'touched'
    END AS change
FROM named;

-- Vendors keep counters and the like in remote_data: what changes there alone is counted by the field
-- it is in, and makes no row of group_changes.
CREATE OR REPLACE TEMP TABLE remote_changes AS
WITH touched AS (
    SELECT d.integrated_account_id, d.id, g.remote_data AS before, l.remote_data::JSON AS after
    FROM differences AS d
    JOIN (FROM groups WHERE is_compared(integrated_account_id)) AS g USING (integrated_account_id, id)
    JOIN staging.landed AS l ON l.integrated_account_id = d.integrated_account_id AND l.position = d.position
    WHERE d.change = 'touched' AND NOT d.is_same_remote_data
),
before AS (
    SELECT t.integrated_account_id, t.id, f.key, any_value(f.value) AS value
    FROM touched AS t, json_each(t.before) AS f
    GROUP BY ALL
),
after AS (
    SELECT t.integrated_account_id, t.id, f.key, any_value(f.value) AS value
    FROM touched AS t, json_each(t.after) AS f
    GROUP BY ALL
)
SELECT integrated_account_id, 'remote_data.' || key AS path, count(*) AS group_count
FROM before AS b
FULL JOIN after AS a USING (integrated_account_id, id, key)
WHERE a.value IS DISTINCT FROM b.value
GROUP BY ALL;

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

DELETE FROM raw_groups
WHERE is_compared(integrated_account_id)
    AND (integrated_account_id, id) IN (SELECT (integrated_account_id, id) FROM differences);

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
    if(d.is_same_record, coalesce(d.received_at, getvariable('published_at')), getvariable('published_at')) AS received_at
FROM staging.landed AS l
JOIN batch AS b USING (integrated_account_id)
LEFT JOIN differences AS d USING (integrated_account_id, position)
WHERE b.is_initial OR d.id IS NOT NULL;

INSERT INTO groups BY NAME
SELECT
    l.integrated_account_id,
    b.integration,
    b.tenant_id,
    l.id,
    l.name,
    l.group_type,
    l.group_type_as_received,
    l.description,
    l.organization_id,
    l.created_at,
    l.updated_at,
    l.remote_data::JSON AS remote_data,
    l.other_fields::JSON AS other_fields,
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
    to_json(map_from_entries(list_transform(
        d.fields, lambda f: {'k': f.field, 'v': json_array(f.before, f.after)}
    ))) AS changed_fields,
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
