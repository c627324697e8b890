-- Keep arrived records letter by letter, beside what they become. Each layer computes once what the
-- next one needs several times.
INSERT INTO staging.landed
SELECT
    integrated_account_id,
    position,
    record,
    nullif(remote_data, ''),
    nullif(other_fields, ''),
    staging.as_id(fields.id),
    fields.name ->> '$',
    staging.as_group_type(fields.group_type ->> '$'),
    fields.group_type ->> '$',
    fields.description ->> '$',
    fields.organization ->> '$',
    created_at,
    updated_at,
    CASE
        WHEN created_text IS NULL AND updated_text IS NULL THEN NULL
        WHEN created_at IS NOT NULL AND (updated_at IS NOT NULL OR updated_text IS NULL) THEN NULL
        ELSE list_filter(
            [
                if(created_text IS NOT NULL AND created_at IS NULL, 'created_at', NULL),
                if(updated_text IS NOT NULL AND updated_at IS NULL, 'updated_at', NULL)
            ],
            lambda field: field IS NOT NULL
        )
    END,
    -- Readers disagree on which of two fields of one name counts, so such a record has no meaning.
    -- To compare the names is dear, and needless where there are no more than fields that hold
    -- something.
    CASE
        WHEN names IS NULL OR len(names) <= filled_count THEN FALSE
        ELSE len(names) <> len(list_distinct(names))
    END
FROM (
    SELECT
        *,
        staging.as_instant(fields.created_at, created_text, created_parts, created_epoch) AS created_at,
        staging.as_instant(fields.updated_at, updated_text, updated_parts, updated_epoch) AS updated_at
    FROM (
        SELECT
            *,
            staging.instant_parts(created_text) AS created_parts,
            staging.instant_parts(updated_text) AS updated_parts,
            staging.epoch_text(created_text) AS created_epoch,
            staging.epoch_text(updated_text) AS updated_epoch
        FROM (
            SELECT
                *,
                fields.created_at ->> '$' AS created_text,
                fields.updated_at ->> '$' AS updated_text,
                json_keys(record) AS names,
                (fields.id IS NOT NULL)::INT + (fields.name IS NOT NULL)::INT
                    + (fields.group_type IS NOT NULL)::INT + (fields.description IS NOT NULL)::INT
                    + (fields.organization IS NOT NULL)::INT + (fields.created_at IS NOT NULL)::INT
                    + (fields.updated_at IS NOT NULL)::INT
                    + (remote_data <> '')::INT AS filled_count
            FROM (
                SELECT
                    *,
                    json_transform(
                        record,
                        '{"id":"JSON","name":"JSON","group_type":"JSON","description":"JSON",
                          "organization":"JSON","created_at":"JSON","updated_at":"JSON"}'
                    ) AS fields
                FROM arrived
            )
        )
    )
);
