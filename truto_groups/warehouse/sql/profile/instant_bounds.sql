-- The earliest and the latest instants of an account's landed groups.
SELECT min(created_at), max(created_at), min(updated_at), max(updated_at)
FROM staging.landed
WHERE integrated_account_id = $id;
