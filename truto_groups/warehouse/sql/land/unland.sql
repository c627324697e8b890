-- Take back what is there of the records that arrived.
DELETE FROM staging.landed
WHERE (integrated_account_id, position) IN (SELECT (integrated_account_id, position) FROM arrived);
