-- Since when each account drifts at a path: the first of its audited attempts, after the baseline,
-- that found it.
SELECT
    s.integrated_account_id,
    f.finding ->> '$.kind' AS kind,
    coalesce(f.finding ->> '$.path', '') AS path,
    min(s.observed_at) AS since
FROM account_shapes AS s
LEFT JOIN account_shapes AS b
    ON b.integrated_account_id = s.integrated_account_id AND b.is_baseline
CROSS JOIN LATERAL (SELECT unnest(json_extract(s.findings, '$[*]')) AS finding) AS f
WHERE s.observed_at > coalesce(b.observed_at, '-infinity')
GROUP BY ALL;
