-- What else is told of the differences: fields of remote_data, groups made anew, ids that return.
-- Runs inside one transaction on the attached database.

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
