-- Make the tables fit to be compared: no id twice, no raw record that belongs to no group.
-- Runs inside one transaction on the attached database.

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
