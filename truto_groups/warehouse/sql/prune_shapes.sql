-- Besides the baseline, the newest twenty of an account stay, and of each drift since the baseline
-- the first that showed it: read_since reads from those since when an account drifts.
DELETE FROM account_shapes
WHERE integrated_account_id IN (SELECT unnest($ids))
    AND (integrated_account_id, run_id) IN (
        SELECT (integrated_account_id, run_id)
        FROM account_shapes
        WHERE integrated_account_id IN (SELECT unnest($ids)) AND NOT is_baseline
        QUALIFY row_number() OVER (
            PARTITION BY integrated_account_id ORDER BY observed_at DESC
        ) > 20
    )
    AND (integrated_account_id, run_id) NOT IN (
        SELECT (s.integrated_account_id, arg_min(s.run_id, s.observed_at))
        FROM account_shapes AS s
        LEFT JOIN account_shapes AS b
            ON b.integrated_account_id = s.integrated_account_id AND b.is_baseline
        CROSS JOIN LATERAL (SELECT unnest(json_extract(s.findings, '$[*]')) AS finding) AS f
        WHERE s.integrated_account_id IN (SELECT unnest($ids))
            AND s.observed_at > coalesce(b.observed_at, '-infinity')
        GROUP BY s.integrated_account_id, f.finding ->> '$.kind', f.finding ->> '$.path'
    );
