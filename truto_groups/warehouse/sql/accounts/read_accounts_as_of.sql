-- The accounts as they were known at the instant of the variable as_of: listed by then, with those of
-- their attempts that had ended by then. Accounts that are not known any more are among them when they
-- had groups then. A sync that a person accepted later was not published yet. What Truto said of a
-- connection is not kept: one that was tried later was active, of any other today's word is taken.
WITH instant AS (
    SELECT getvariable('as_of')::TIMESTAMPTZ AS at
),
ended AS (
    SELECT s.*
    FROM account_syncs AS s
    CROSS JOIN instant AS i
    WHERE s.finished_at <= i.at
        AND s.outcome IN ('published', 'unchanged', 'held_back', 'failed')
        AND NOT EXISTS (
            SELECT 1
            FROM accepted_baselines AS b
            WHERE b.integrated_account_id = s.integrated_account_id
                AND b.run_id = s.run_id
                AND b.accepted_at > i.at
        )
),
attempts AS (
    SELECT
        e.integrated_account_id,
        arg_max(e, e.answer_order) AS last,
        arg_max(e, e.answer_order) FILTER (e.outcome IN ('published', 'unchanged')) AS confirmed
    FROM ended AS e
    GROUP BY e.integrated_account_id
),
tried_later AS (
    SELECT DISTINCT s.integrated_account_id
    FROM account_syncs AS s
    CROSS JOIN instant AS i
    WHERE s.started_at > i.at
),
removed AS (
    SELECT
        g.integrated_account_id AS id,
        any_value(g.integration) AS integration,
        any_value(g.tenant_id) AS tenant_id,
        min(g.first_seen_at) AS first_seen_at
    FROM groups_as_of(getvariable('as_of')::TIMESTAMPTZ) AS g
    WHERE g.integrated_account_id NOT IN (SELECT k.id FROM integrated_accounts AS k)
    GROUP BY g.integrated_account_id
),
known AS (
    SELECT
        k.id,
        k.partition_key,
        k.integration,
        k.tenant_id,
        k.label,
        k.status,
        k.supports_groups,
        k.is_sandbox,
        k.created_at,
        k.first_listed_at,
        CASE WHEN k.gone_at <= i.at THEN k.gone_at END AS gone_at
    FROM integrated_accounts AS k
    CROSS JOIN instant AS i
    WHERE k.first_listed_at <= i.at
    UNION ALL BY NAME
    SELECT
        r.id,
        r.id AS partition_key,
        r.integration,
        r.tenant_id,
        'removed' AS status,
        r.first_seen_at AS first_listed_at,
        CASE WHEN t.integrated_account_id IS NULL THEN i.at END AS gone_at
    FROM removed AS r
    CROSS JOIN instant AS i
    LEFT JOIN tried_later AS t ON t.integrated_account_id = r.id
)
SELECT
    k.id,
    k.partition_key,
    k.integration,
    k.tenant_id,
    k.label,
    CASE WHEN t.integrated_account_id IS NULL THEN k.status ELSE 'active' END AS status,
    k.supports_groups,
    k.is_sandbox,
    NULL::VARCHAR AS last_error,
    k.created_at,
    NULL::TIMESTAMPTZ AS updated_at,
    k.first_listed_at,
    i.at AS listed_at,
    k.gone_at,
    a.confirmed.finished_at AS last_confirmed_at,
    a.last.started_at AS attempted_at,
    a.last.finished_at AS attempt_finished_at,
    a.last.outcome,
    a.last.error_kind,
    a.last.error,
    a.confirmed.group_count
FROM known AS k
CROSS JOIN instant AS i
LEFT JOIN attempts AS a ON a.integrated_account_id = k.id
LEFT JOIN tried_later AS t ON t.integrated_account_id = k.id
ORDER BY k.first_listed_at, k.id;
