-- Accounts are named by keys that a person can read, which give_partition_keys makes.
ALTER TABLE integrated_accounts ADD COLUMN IF NOT EXISTS partition_key VARCHAR;

ALTER TABLE integrated_accounts ADD COLUMN IF NOT EXISTS label VARCHAR;
