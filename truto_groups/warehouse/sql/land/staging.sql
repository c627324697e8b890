-- The private tables and rules of a run: what a record becomes is decided here, record by record.

-- The records of the accounts under way. `record`, `remote_data` and `other_fields` are kept letter
-- by letter; the rest is what `groups` will hold, and what the audit asks.
CREATE TABLE staging.landed (
    integrated_account_id VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    record VARCHAR NOT NULL,
    remote_data VARCHAR,
    other_fields VARCHAR,
    id VARCHAR,
    name VARCHAR,
    group_type VARCHAR,
    group_type_as_received VARCHAR,
    description VARCHAR,
    organization_id VARCHAR,
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ,
    unreadable_instants VARCHAR[],
    has_repeated_fields BOOLEAN NOT NULL
);

-- An id is a text or an integer; anything else identifies nothing.
CREATE MACRO staging.as_id(field) AS (
    CASE
        WHEN json_type(field) = 'VARCHAR' THEN nullif(field ->> '$', '')
        WHEN regexp_full_match(field::VARCHAR, '-?\d+') THEN field::VARCHAR
    END
);

CREATE MACRO staging.as_group_type(received) AS (
    CASE
        WHEN received IS NULL THEN NULL
        WHEN list_contains(getvariable('group_types'), lower(received)) THEN lower(received)
        ELSE 'unmapped'
    END
);
