-- Keep what was listed; `listed` is a temporary table with one row per account of the answer.

-- New, active again, or back: a sync is wanted soon.
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT l.id
FROM listed AS l
LEFT JOIN integrated_accounts AS k USING (id)
WHERE k.id IS NULL
    OR k.gone_at IS NOT NULL
    OR k.status <> 'active' AND l.status = 'active';

INSERT INTO account_state BY NAME
SELECT id AS integrated_account_id, override_digest
FROM listed
WHERE id NOT IN (SELECT integrated_account_id FROM account_state);

UPDATE account_state
SET wanted_at = getvariable('now')
WHERE integrated_account_id IN (SELECT id FROM wanted);

UPDATE account_state AS s
SET override_digest = l.override_digest, override_changed_at = getvariable('now')
FROM listed AS l
WHERE s.integrated_account_id = l.id AND s.override_digest IS DISTINCT FROM l.override_digest;

-- What was refused is the same while call and scopes are: it stands since it was first told. One that
-- Truto gives no credible instant counts from the listing that told it first.
UPDATE account_state AS s
SET
    forbidden_call = l.forbidden_call,
    forbidden_scopes = l.forbidden_scopes,
    forbidden_at = CASE
        WHEN l.forbidden_call IS NULL THEN NULL
        WHEN l.forbidden_at <= getvariable('now') + INTERVAL 1 DAY THEN l.forbidden_at
        WHEN l.is_known THEN s.forbidden_at
        ELSE getvariable('now')
    END,
    forbidden_since = CASE
        WHEN l.forbidden_call IS NULL THEN NULL
        WHEN l.is_known THEN s.forbidden_since
        WHEN l.forbidden_at <= getvariable('now') THEN l.forbidden_at
        ELSE getvariable('now')
    END
FROM (
    SELECT
        n.id,
        n.forbidden_call,
        n.forbidden_scopes,
        n.forbidden_at,
        o.forbidden_at IS NOT NULL
            AND o.forbidden_call IS NOT DISTINCT FROM n.forbidden_call
            AND o.forbidden_scopes IS NOT DISTINCT FROM n.forbidden_scopes AS is_known
    FROM listed AS n
    JOIN account_state AS o ON o.integrated_account_id = n.id
    WHERE n.forbidden_call IS NOT NULL OR o.forbidden_call IS NOT NULL
) AS l
WHERE s.integrated_account_id = l.id;

-- What was answered of another integration does not hold for the one that it has now. A listing that
-- does not say the integration is no reason to forget it, and with it what the settings say of it.
UPDATE integrated_accounts AS k
SET
    supports_groups = CASE
        WHEN l.integration IN (k.integration, getvariable('unknown_integration')) THEN k.supports_groups
    END,
    integration = CASE
        WHEN l.integration = getvariable('unknown_integration') THEN k.integration
        ELSE l.integration
    END,
    tenant_id = l.tenant_id,
    label = l.label,
    status = l.status,
    is_sandbox = l.is_sandbox,
    last_error = l.last_error,
    created_at = l.created_at,
    updated_at = l.updated_at,
    listed_at = getvariable('now'),
    gone_at = NULL
FROM listed AS l
WHERE k.id = l.id;

INSERT INTO integrated_accounts BY NAME
SELECT
    id,
    integration,
    tenant_id,
    label,
    status,
    is_sandbox,
    last_error,
    created_at,
    updated_at,
    getvariable('now') AS first_listed_at,
    getvariable('now') AS listed_at
FROM listed
WHERE id NOT IN (SELECT id FROM integrated_accounts);
