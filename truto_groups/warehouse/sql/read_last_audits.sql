-- Of each account that is still there, the last attempt that was audited, and what else changed
-- between its baseline and then.
WITH latest AS (
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
        s.examples,
        s.told_filters,
        s.settings_digest,
        s.normalization_version,
        k.integration
    FROM account_shapes AS s
    JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
    WHERE k.gone_at IS NULL
    QUALIFY row_number() OVER (
        PARTITION BY s.integrated_account_id ORDER BY s.observed_at DESC
    ) = 1
),
asked AS (
    SELECT integration, min(first_seen_at) AS first_seen_at
    FROM integration_contracts
    GROUP BY integration
),
-- The first answer about an integration is no change of it. Contracts are asked for once a day, so
-- that a change may be seen a day after the data shows it.
contract_changes AS (
    SELECT c.integration, unnest([c.first_seen_at, c.gone_at]) AS changed_at
    FROM integration_contracts AS c
    JOIN asked AS a USING (integration)
    WHERE c.first_seen_at > a.first_seen_at OR c.gone_at IS NOT NULL
)
SELECT
    s.integrated_account_id,
    s.integration,
    s.run_id,
    s.observed_at,
    s.is_published,
    s.group_count,
    s.findings,
    s.volume,
    s.volume_reason,
    s.shape -> '$.counts' AS counts,
    s.examples,
    s.told_filters,
    EXISTS (
        SELECT 1
        FROM contract_changes AS c
        WHERE c.integration = s.integration
            AND c.changed_at > b.observed_at
            AND c.changed_at <= s.observed_at + INTERVAL 25 HOURS
    ) AS is_meta_changed,
    coalesce(t.override_changed_at > b.observed_at, FALSE) AS is_override_changed,
    coalesce(s.normalization_version <> b.normalization_version, FALSE) AS is_normalization_changed,
    coalesce(s.settings_digest <> b.settings_digest, FALSE) AS is_settings_changed
FROM latest AS s
LEFT JOIN account_shapes AS b ON b.integrated_account_id = s.integrated_account_id AND b.is_baseline
LEFT JOIN account_state AS t ON t.integrated_account_id = s.integrated_account_id
ORDER BY s.integrated_account_id;
