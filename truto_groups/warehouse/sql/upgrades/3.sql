-- Accounts are named by keys that a person can read, which give_partition_keys makes.
ALTER TABLE integrated_accounts ADD COLUMN IF NOT EXISTS partition_key VARCHAR;

ALTER TABLE integrated_accounts ADD COLUMN IF NOT EXISTS label VARCHAR;

-- What Truto was refused, as the listing tells it.
ALTER TABLE account_state ADD COLUMN IF NOT EXISTS forbidden_call VARCHAR;

ALTER TABLE account_state ADD COLUMN IF NOT EXISTS forbidden_scopes VARCHAR;

ALTER TABLE account_state ADD COLUMN IF NOT EXISTS forbidden_at TIMESTAMPTZ;

ALTER TABLE account_state ADD COLUMN IF NOT EXISTS forbidden_since TIMESTAMPTZ;
