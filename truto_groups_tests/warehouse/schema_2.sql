-- The layout that version 2 of the tables had, as truto_groups made it then.
CREATE TABLE IF NOT EXISTS integrated_accounts (
    id VARCHAR NOT NULL,
    integration VARCHAR NOT NULL,
    tenant_id VARCHAR,
    status VARCHAR NOT NULL,
    supports_groups BOOLEAN,
    is_sandbox BOOLEAN,
    last_error VARCHAR,
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ,
    first_listed_at TIMESTAMPTZ NOT NULL,
    listed_at TIMESTAMPTZ NOT NULL,
    gone_at TIMESTAMPTZ,
    last_confirmed_at TIMESTAMPTZ
);

CREATE TABLE IF NOT EXISTS raw_groups (
    integrated_account_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    record JSON NOT NULL USING COMPRESSION zstd,
    received_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS groups (
    integrated_account_id VARCHAR NOT NULL,
    integration VARCHAR NOT NULL,
    tenant_id VARCHAR,
    id VARCHAR NOT NULL,
    name VARCHAR,
    group_type VARCHAR,
    group_type_as_received VARCHAR,
    description VARCHAR,
    organization_id VARCHAR,
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ,
    remote_data JSON USING COMPRESSION zstd,
    other_fields JSON,
    first_seen_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    normalization_version INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS group_type_breakdown (
    integrated_account_id VARCHAR NOT NULL,
    integration VARCHAR NOT NULL,
    tenant_id VARCHAR,
    group_type VARCHAR,
    group_count BIGINT NOT NULL,
    share DOUBLE NOT NULL
);

CREATE TABLE IF NOT EXISTS group_changes (
    integrated_account_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    change VARCHAR NOT NULL,
    hint VARCHAR,
    changed_fields JSON NOT NULL,
    name VARCHAR,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS integration_contracts (
    integration VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    json_type VARCHAR,
    is_required BOOLEAN NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    gone_at TIMESTAMPTZ
);

CREATE TABLE IF NOT EXISTS account_syncs (
    integrated_account_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    outcome VARCHAR NOT NULL,
    group_count BIGINT,
    page_count BIGINT,
    request_count BIGINT,
    retry_count BIGINT,
    throttled_seconds DOUBLE,
    byte_count BIGINT,
    digest VARCHAR,
    error_kind VARCHAR,
    error VARCHAR,
    answer_order BIGINT
);

CREATE TABLE IF NOT EXISTS held_back_groups (
    integrated_account_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    record JSON NOT NULL USING COMPRESSION zstd,
    received_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS account_shapes (
    integrated_account_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL,
    is_published BOOLEAN NOT NULL,
    is_baseline BOOLEAN NOT NULL,
    group_count BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    shape JSON NOT NULL USING COMPRESSION zstd,
    findings JSON NOT NULL,
    volume VARCHAR NOT NULL,
    volume_reason VARCHAR,
    examples JSON NOT NULL,
    told_filters JSON NOT NULL,
    settings_digest VARCHAR NOT NULL,
    normalization_version INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS accepted_baselines (
    integrated_account_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    accepted_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    digest VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS database_properties (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS account_state (
    integrated_account_id VARCHAR NOT NULL,
    wanted_at TIMESTAMPTZ,
    attempted_conditions VARCHAR,
    rows_digest VARCHAR,
    row_count BIGINT,
    override_digest VARCHAR,
    override_changed_at TIMESTAMPTZ
);

CREATE TABLE IF NOT EXISTS integration_capabilities (
    integration VARCHAR NOT NULL,
    supports_groups BOOLEAN,
    asked_at TIMESTAMPTZ NOT NULL
);

-- The groups as they were at an instant: today's rows, with what was published later undone.
-- A field's value then is the `before` of the first later change that names it; a removed group's
-- last change names them all.
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
            'other_fields': arg_min(json_extract(changed_fields, '$.other_fields'), changed_at) FILTER (json_exists(changed_fields, '$.other_fields')),
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
    CASE WHEN u.was.other_fields IS NULL THEN u.now_is.other_fields ELSE (u.was.other_fields ->> '$[0]')::JSON END AS other_fields,
    CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END AS first_seen_at,
    coalesce(e.changed_at, CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END) AS changed_at
FROM united AS u
LEFT JOIN earlier AS e USING (integrated_account_id, id)
WHERE (u.first_change IS NULL OR u.first_change <> 'added')
    AND CASE WHEN u.was.first_seen_at IS NULL THEN u.now_is.first_seen_at ELSE (u.was.first_seen_at ->> '$[0]')::TIMESTAMPTZ END <= instant;
