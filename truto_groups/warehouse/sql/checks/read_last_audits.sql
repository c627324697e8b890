-- Of each account that is still there, the last attempt that was audited.
SELECT
    s.integrated_account_id,
    k.integration,
    s.run_id,
    s.observed_at,
    s.is_published,
    s.group_count,
    s.findings,
    s.volume,
    s.volume_reason,
    s.shape -> '$.counts' AS counts,
    s.examples,
    s.told_filters
FROM account_shapes AS s
JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
WHERE k.gone_at IS NULL
QUALIFY row_number() OVER (PARTITION BY s.integrated_account_id ORDER BY s.observed_at DESC) = 1
ORDER BY s.integrated_account_id;
