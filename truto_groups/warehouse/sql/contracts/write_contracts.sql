-- Keep what was declared; `declared` is a temporary table with one row per field or parameter,
-- `told` one with the integrations and kinds of which the answers told.

-- What is no longer declared, or is declared otherwise, ends.
UPDATE integration_contracts AS c
SET gone_at = getvariable('now')
FROM told AS t
WHERE c.gone_at IS NULL
    AND c.integration = t.integration
    AND c.kind = t.kind
    AND NOT EXISTS (
        SELECT 1
        FROM declared AS d
        WHERE d.integration = c.integration
            AND d.kind = c.kind
            AND d.name = c.name
            AND d.json_type IS NOT DISTINCT FROM c.json_type
            AND d.is_required = c.is_required
    );

-- What has no open row now is new, or came back.
INSERT INTO integration_contracts BY NAME
SELECT
    d.integration,
    d.kind,
    d.name,
    d.json_type,
    d.is_required,
    getvariable('now') AS first_seen_at
FROM declared AS d
WHERE NOT EXISTS (
    SELECT 1
    FROM integration_contracts AS c
    WHERE c.gone_at IS NULL
        AND c.integration = d.integration
        AND c.kind = d.kind
        AND c.name = d.name
);
