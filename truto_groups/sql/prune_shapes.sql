-- Besides the baseline, the newest twenty of an account stay.
DELETE FROM account_shapes
WHERE integrated_account_id IN (SELECT unnest($ids))
    AND (integrated_account_id, run_id) IN (
        SELECT (integrated_account_id, run_id)
        FROM account_shapes
        WHERE integrated_account_id IN (SELECT unnest($ids)) AND NOT is_baseline
        QUALIFY row_number() OVER (
            PARTITION BY integrated_account_id ORDER BY observed_at DESC
        ) > 20
    );
