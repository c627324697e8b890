-- Per account, the ids that came more than once, and those of them that came with several contents.
-- Records are long: only those of such an id are read, and compared with its first.
WITH repeated AS (
    SELECT integrated_account_id, id, min(position) AS first_position
    FROM staging.landed
    WHERE integrated_account_id IN (SELECT unnest($ids)) AND id IS NOT NULL
    GROUP BY ALL
    HAVING count(*) > 1
),
firsts AS (
    SELECT r.integrated_account_id, r.id, l.record
    FROM staging.landed AS l
    JOIN repeated AS r
        ON r.integrated_account_id = l.integrated_account_id AND r.first_position = l.position
)
SELECT integrated_account_id, count(*) AS id_count, count(*) FILTER (has_several) AS differing_count
FROM (
    SELECT
        integrated_account_id,
        id,
        bool_or(
            CASE WHEN l.record = f.record THEN FALSE ELSE NOT same_json(l.record, f.record) END
        ) AS has_several
    FROM staging.landed AS l
    JOIN firsts AS f USING (integrated_account_id, id)
    GROUP BY ALL
)
GROUP BY integrated_account_id;
