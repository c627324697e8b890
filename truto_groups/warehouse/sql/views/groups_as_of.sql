-- The groups as they were at an instant: today's rows, with what was published later undone.
-- A field's value then is the `before` of the first later change that names it; a removed group's
-- last change names them all. That of other_fields is cut out of the change as text, because DuckDB's
-- JSON functions write numbers anew: it ends before as many "},"s as it has when written anew.
CREATE OR REPLACE MACRO groups_as_of(instant) AS TABLE
WITH later AS (
    SELECT integrated_account_id, id, change, changed_fields, changed_at
    FROM group_changes
    WHERE changed_at > instant
),
earlier AS (
    SELECT integrated_account_id, id, max(changed_at) AS changed_at
    FROM group_changes
    WHERE changed_at <= instant
    GROUP BY ALL
),
first_later AS (
    SELECT
        integrated_account_id,
        id,
        arg_min(change, changed_at) AS change,
        {
            'integration': arg_min(json_extract(changed_fields, '$.integration'), changed_at) FILTER (json_exists(changed_fields, '$.integration')),
            'tenant_id': arg_min(json_extract(changed_fields, '$.tenant_id'), changed_at) FILTER (json_exists(changed_fields, '$.tenant_id')),
            'name': arg_min(json_extract(changed_fields, '$.name'), changed_at) FILTER (json_exists(changed_fields, '$.name')),
            'group_type': arg_min(json_extract(changed_fields, '$.group_type'), changed_at) FILTER (json_exists(changed_fields, '$.group_type')),
            'group_type_as_received': arg_min(json_extract(changed_fields, '$.group_type_as_received'), changed_at) FILTER (json_exists(changed_fields, '$.group_type_as_received')),
            'description': arg_min(json_extract(changed_fields, '$.description'), changed_at) FILTER (json_exists(changed_fields, '$.description')),
            'organization_id': arg_min(json_extract(changed_fields, '$.organization_id'), changed_at) FILTER (json_exists(changed_fields, '$.organization_id')),
            'created_at': arg_min(json_extract(changed_fields, '$.created_at'), changed_at) FILTER (json_exists(changed_fields, '$.created_at')),
            'updated_at': arg_min(json_extract(changed_fields, '$.updated_at'), changed_at) FILTER (json_exists(changed_fields, '$.updated_at')),
            'other_fields': arg_min(changed_fields, changed_at) FILTER (json_exists(changed_fields, '$.other_fields')),
            'first_seen_at': arg_min(json_extract(changed_fields, '$.first_seen_at'), changed_at) FILTER (json_exists(changed_fields, '$.first_seen_at'))
        } AS was
    FROM later
    GROUP BY ALL
),
united AS (
    SELECT
        coalesce(g.integrated_account_id, f.integrated_account_id) AS integrated_account_id,
        coalesce(g.id, f.id) AS id,
        f.change AS first_change,
        f.was,
        g AS now_is
    FROM groups AS g
    FULL JOIN first_later AS f USING (integrated_account_id, id)
),
cut AS (
    SELECT
        *,
        was.other_fields ->> '$.other_fields[0]' AS other_fields_anew,
        array_to_string(
            string_split(
                substr(
                    was.other_fields::VARCHAR,
                    strpos(was.other_fields::VARCHAR, '"other_fields":[') + len('"other_fields":[')
                ),
                '},'
            )[:len(string_split(was.other_fields ->> '$.other_fields[0]', '},'))],
            '},'
        ) || '}' AS other_fields_then
    FROM united
)
SELECT
    u.integrated_account_id,
    CASE WHEN u.was.integration IS NULL THEN u.now_is.integration ELSE u.was.integration ->> '$[0]' END AS integration,
    CASE WHEN u.was.tenant_id IS NULL THEN u.now_is.tenant_id ELSE u.was.tenant_id ->> '$[0]' END AS tenant_id,
    u.id,
    CASE WHEN u.was.name IS NULL THEN u.now_is.name ELSE u.was.name ->> '$[0]' END AS name,
    CASE WHEN u.was.group_type IS NULL THEN u.now_is.group_type ELSE u.was.group_type ->> '$[0]' END AS group_type,
    CASE WHEN u.was.group_type_as_received IS NULL THEN u.now_is.group_type_as_received ELSE u.was.group_type_as_received ->> '$[0]' END AS group_type_as_received,
    CASE WHEN u.was.description IS NULL THEN u.now_is.description ELSE u.was.description ->> '$[0]' END AS description,
    CASE WHEN u.was.organization_id IS NULL THEN u.now_is.organization_id ELSE u.was.organization_id ->> '$[0]' END AS organization_id,
    CASE WHEN u.was.created_at IS NULL THEN u.now_is.created_at ELSE (u.was.created_at ->> '$[0]')::TIMESTAMPTZ END AS created_at,
    CASE WHEN u.was.updated_at IS NULL THEN u.now_is.updated_at ELSE (u.was.updated_at ->> '$[0]')::TIMESTAMPTZ END AS updated_at,
    CASE
        WHEN u.was.other_fields IS NULL THEN u.now_is.other_fields
        WHEN json_valid(u.other_fields_then) THEN u.other_fields_then::JSON
        ELSE u.other_fields_anew::JSON
    END AS other_fields,
    CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END AS first_seen_at,
    coalesce(e.changed_at, CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END) AS changed_at
FROM cut AS u
LEFT JOIN earlier AS e USING (integrated_account_id, id)
WHERE (u.first_change IS NULL OR u.first_change <> 'added')
    AND CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END <= instant;
