-- What is known of an integration holds for its accounts. That one of them was ever confirmed is
-- known better than any answer about the integration: its groups have been listed. Accounts of which
-- the integration is not known have none in common.
UPDATE integrated_accounts AS k
SET supports_groups = c.supports_groups
FROM (
    SELECT
        a.integration,
        CASE
            WHEN a.integration <> getvariable('unknown_integration')
                THEN any_value(i.supports_groups) OR bool_or(a.last_confirmed_at IS NOT NULL)
        END AS supports_groups
    FROM integrated_accounts AS a
    JOIN integration_capabilities AS i USING (integration)
    GROUP BY a.integration
) AS c
WHERE c.integration = k.integration AND k.supports_groups IS DISTINCT FROM c.supports_groups;
