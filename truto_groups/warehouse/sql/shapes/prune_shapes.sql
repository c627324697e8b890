-- Besides the baseline, the newest twenty of an account stay; and of each finding that stands, the audit
-- in which it was first seen, without a break since, and the one before: account_drift reads from these
-- since when it stands.
DELETE FROM account_shapes
WHERE (integrated_account_id, run_id) IN (
    WITH numbered AS (
        SELECT
            s.integrated_account_id,
            s.run_id,
            s.is_baseline,
            s.findings,
            s.volume,
            b.observed_at IS NULL OR s.observed_at >= b.observed_at AS is_since_baseline,
            row_number() OVER (PARTITION BY s.integrated_account_id ORDER BY s.observed_at DESC) AS age,
            row_number() OVER (
                PARTITION BY s.integrated_account_id, s.is_baseline ORDER BY s.observed_at DESC
            ) AS rank
        FROM account_shapes AS s
        LEFT JOIN account_shapes AS b
            ON b.integrated_account_id = s.integrated_account_id AND b.is_baseline
        WHERE s.integrated_account_id IN (SELECT unnest($ids))
    ),
    found AS (
        SELECT
            n.integrated_account_id,
            n.age,
            unnest(
                list_append(
                    [
                        (finding ->> '$.kind', finding ->> '$.path')
                        FOR finding IN json_extract(n.findings, '$[*]')
                    ],
                    CASE WHEN n.volume <> 'ok' THEN ('volume', '') END
                )
            ) AS finding
        FROM numbered AS n
        WHERE n.is_since_baseline
    ),
    placed AS (
        SELECT
            f.integrated_account_id,
            f.finding,
            f.age,
            row_number() OVER (
                PARTITION BY f.integrated_account_id, f.finding ORDER BY f.age
            ) AS place
        FROM (SELECT DISTINCT * FROM found WHERE finding IS NOT NULL) AS f
    ),
    needed AS (
        SELECT p.integrated_account_id, unnest([max(p.age), max(p.age) + 1]) AS age
        FROM placed AS p
        WHERE p.place = p.age
        GROUP BY p.integrated_account_id, p.finding
    )
    SELECT (n.integrated_account_id, n.run_id)
    FROM numbered AS n
    WHERE NOT n.is_baseline
        AND n.rank > 20
        AND (n.integrated_account_id, n.age) NOT IN (
            SELECT (d.integrated_account_id, d.age) FROM needed AS d
        )
);
