-- What accepting each account would do: those held back, with the rows that would change, and those
-- that published and drifted. The variables chosen_ids and chosen_integrations, where they are set,
-- choose. No parameters: to bind one, DuckDB imports pandas, for which `truto-groups status` has no
-- time.
WITH last_audits AS (
    SELECT
        s.integrated_account_id,
        s.run_id,
        s.observed_at,
        s.is_published,
        s.group_count,
        s.shape,
        s.findings,
        s.volume,
        s.volume_reason,
        k.partition_key,
        k.label,
        k.integration,
        k.tenant_id
    FROM account_shapes AS s
    JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
    WHERE k.gone_at IS NULL
        AND (
            getvariable('chosen_ids') IS NULL
            OR list_contains(getvariable('chosen_ids')::VARCHAR[], k.id)
            OR list_contains(getvariable('chosen_integrations')::VARCHAR[], k.integration)
        )
    QUALIFY row_number() OVER (
        PARTITION BY s.integrated_account_id ORDER BY s.observed_at DESC
    ) = 1
),
held AS (
    SELECT h.integrated_account_id, h.record ->> '$.id' AS id, h.record::VARCHAR AS record
    FROM held_back_groups AS h
    WHERE h.integrated_account_id IN (SELECT integrated_account_id FROM last_audits)
    QUALIFY id IS NULL OR row_number() OVER (
        PARTITION BY h.integrated_account_id, id ORDER BY h.position DESC
    ) = 1
),
present AS (
    SELECT r.integrated_account_id, r.id, r.record::VARCHAR AS record
    FROM raw_groups AS r
    WHERE r.integrated_account_id IN (
        SELECT integrated_account_id FROM last_audits WHERE NOT is_published
    )
),
compared AS (
    SELECT
        coalesce(h.integrated_account_id, p.integrated_account_id) AS integrated_account_id,
        count(*) FILTER (p.id IS NULL AND h.id IS NOT NULL) AS would_add,
        count(*) FILTER (h.integrated_account_id IS NULL) AS would_remove,
        count(*) FILTER (
            CASE
                WHEN p.id IS NULL OR h.id IS NULL OR p.record = h.record THEN FALSE
                ELSE NOT same_json(p.record, h.record)
            END
        ) AS would_change
    FROM held AS h
    FULL JOIN present AS p USING (integrated_account_id, id)
    GROUP BY 1
)
SELECT
    a.integrated_account_id,
    a.partition_key,
    a.label,
    a.integration,
    a.tenant_id,
    a.run_id,
    a.is_published,
    a.group_count,
    a.shape,
    a.findings,
    a.volume,
    a.volume_reason,
    coalesce(c.would_add, 0) AS would_add,
    coalesce(c.would_remove, 0) AS would_remove,
    coalesce(c.would_change, 0) AS would_change
FROM last_audits AS a
LEFT JOIN compared AS c USING (integrated_account_id)
-- Most accounts sent what was accepted: their shapes need not be read.
WHERE NOT a.is_published OR a.volume <> 'ok' OR a.findings::VARCHAR <> '[]'
ORDER BY a.integrated_account_id;
