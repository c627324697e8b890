-- One shortened value of an account's landed records for each path (JSONPath, see
-- drift.shape.json_path), for people to see what drifted.
SELECT p.path, any_value(value[:80]) AS example
FROM (SELECT unnest($paths) AS path) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(
        json_extract_string(l.record, p.path || '')::VARCHAR,
        NULL
    ) AS value
    FROM staging.landed AS l
    WHERE l.integrated_account_id = $integrated_account_id
) AS v
WHERE value IS NOT NULL
GROUP BY p.path;
