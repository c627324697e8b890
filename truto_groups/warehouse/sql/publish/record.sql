-- Write down what changed, and what the rows were made of.
-- Runs inside one transaction on the attached database.

INSERT INTO group_changes BY NAME
SELECT
    d.integrated_account_id,
    d.id,
    d.change,
    CASE
        WHEN d.change <> 'changed' THEN if(r.name_then IS NULL, NULL, 'recreated')
        -- Where the instant came or went, the mapping did: that tells of no other group.
        WHEN list_contains(d.names, 'name') AND len(list_filter(
            d.fields,
            lambda f: f.field = 'created_at' AND f.before IS NOT NULL AND f.after IS NOT NULL
        )) > 0 THEN 'id_reused'
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
