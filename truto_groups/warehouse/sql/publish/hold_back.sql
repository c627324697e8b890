-- Keep the records of syncs that wait for a person; an account has at most one that waits.
DELETE FROM held_back_groups WHERE list_contains(getvariable('ids'), integrated_account_id);

INSERT INTO held_back_groups BY NAME
SELECT
    integrated_account_id,
    getvariable('run_id') AS run_id,
    position,
    record::JSON AS record,
    getvariable('published_at') AS received_at
FROM staging.landed
WHERE list_contains(getvariable('ids'), integrated_account_id);
