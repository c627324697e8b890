-- What is known of an integration holds for its accounts. That one of them was ever confirmed is
-- known better than any answer about the integration: its groups have been listed.
UPDATE integrated_accounts AS k
SET supports_groups = c.supports_groups
FROM (
    SELECT
        a.integration,
        any_value(i.supports_groups) OR bool_or(a.last_confirmed_at IS NOT NULL) AS supports_groups
    FROM integrated_accounts AS a
    JOIN integration_capabilities AS i USING (integration)
    GROUP BY a.integration
) AS c
WHERE c.integration = k.integration AND k.supports_groups IS DISTINCT FROM c.supports_groups;
