-- Of an id that came more than once, the later copy stays.
DELETE FROM staging.landed
WHERE integrated_account_id IN (SELECT unnest($ids))
    AND (integrated_account_id, position) IN (
        SELECT (integrated_account_id, position)
        FROM staging.landed
        WHERE integrated_account_id IN (SELECT unnest($ids)) AND id IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY integrated_account_id, id ORDER BY position DESC
        ) > 1
    );
