-- Whether any account is known to have been refused something.
SELECT
    EXISTS (SELECT 1 FROM account_state WHERE forbidden_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM account_syncs WHERE error_kind = 'forbidden') AS is_any;
