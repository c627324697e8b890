-- What is known of an integration holds for its accounts.
UPDATE integrated_accounts AS k
SET supports_groups = c.supports_groups
FROM integration_capabilities AS c
WHERE c.integration = k.integration AND k.supports_groups IS DISTINCT FROM c.supports_groups;
