-- One shortened value of an account's landed records at a path, of the wanted JSON types (of any,
-- where none is named), for people to see what drifted. The parameters are drift.examples'.
SELECT left(value::VARCHAR, 80) AS example
FROM (
    SELECT unnest(if($is_many, json_extract(found, '$[*]'), [found])) AS value
    FROM (
        SELECT to_json(json_extract(record, $path)) AS found
        FROM staging.landed
        WHERE integrated_account_id = $integrated_account_id
    )
    WHERE found IS NOT NULL
)
WHERE json_type(value) <> 'NULL'
    AND (len($types::VARCHAR[]) = 0 OR list_contains($types::VARCHAR[], json_type(value)))
LIMIT 1;
