-- The shapes that an account is compared with: its baseline, and the newest published ones.
SELECT integrated_account_id, is_baseline, shape, findings
FROM account_shapes
WHERE integrated_account_id IN (SELECT unnest($ids)) AND is_published
QUALIFY is_baseline
    OR row_number() OVER (PARTITION BY integrated_account_id ORDER BY observed_at DESC) <= 20
ORDER BY integrated_account_id, observed_at;
