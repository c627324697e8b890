-- What the values of group_type and id look like, beside their JSON types: each type as received,
-- and each form of id, with how many records have it. A form is coarse enough that other ids of
-- the same making have the same; a prefix (`grp_12`) is part of it.
SELECT integrated_account_id, 'group_type' AS what, group_type_as_received[:100] AS value,
    count(*) AS record_count
FROM staging.landed
WHERE integrated_account_id IN (SELECT unnest($ids)) AND group_type_as_received IS NOT NULL
GROUP BY integrated_account_id, group_type_as_received[:100]
QUALIFY row_number() OVER (
    PARTITION BY integrated_account_id ORDER BY count(*) DESC, group_type_as_received[:100]
) <= 100
UNION ALL
SELECT integrated_account_id, 'id_form', form, count(*)
FROM (
    SELECT
        integrated_account_id,
        CASE
            WHEN regexp_full_match(id, '\d+') THEN 'digits'
            WHEN regexp_full_match(id, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}') THEN 'uuid'
            WHEN regexp_full_match(id, '[0-9a-fA-F]{12,}') AND regexp_matches(id, '\d') THEN 'hex'
            WHEN regexp_full_match(id, '[A-Za-z]{1,12}[_:-]\d+')
                THEN concat(regexp_extract(id, '^[A-Za-z]+[_:-]'), 'digits')
            WHEN regexp_full_match(id, '[A-Za-z0-9]+') THEN 'alnum'
            WHEN contains(id, '://') THEN 'url'
            WHEN regexp_full_match(id, '[^@\s]+@[^@\s]+') THEN 'email'
            WHEN regexp_matches(id, '^[A-Za-z]+=.+,') THEN 'dn'
            WHEN regexp_full_match(id, '[\w.:/+=~-]+') THEN 'word'
            ELSE 'text'
        END AS form
    FROM staging.landed
    WHERE integrated_account_id IN (SELECT unnest($ids)) AND id IS NOT NULL
)
GROUP BY integrated_account_id, form
QUALIFY row_number() OVER (
    PARTITION BY integrated_account_id ORDER BY count(*) DESC, form
) <= 50;
