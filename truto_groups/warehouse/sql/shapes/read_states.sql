-- What differs once an account was audited, accepted or confirmed again, or was refused something else.
SELECT
    k.id AS integrated_account_id,
    k.last_confirmed_at,
    count(s.run_id) AS audit_count,
    max(s.observed_at) AS last_observed_at,
    any_value(s.run_id) FILTER (s.is_baseline) AS baseline_run_id,
    any_value({'call': t.forbidden_call, 'scopes': t.forbidden_scopes, 'at': t.forbidden_at}) AS refusal
FROM integrated_accounts AS k
LEFT JOIN (
    FROM account_shapes SELECT integrated_account_id, run_id, observed_at, is_baseline
    WHERE integrated_account_id IN (SELECT unnest($ids))
) AS s ON s.integrated_account_id = k.id
LEFT JOIN account_state AS t ON t.integrated_account_id = k.id
WHERE k.id IN (SELECT unnest($ids))
GROUP BY k.id, k.last_confirmed_at;
