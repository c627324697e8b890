-- How each account stands: its groups, its freshness, its last attempt that came to an end of its own,
-- what changed in it lately, and what stands against it.
WITH attempts AS (
    SELECT
        s.integrated_account_id,
        arg_max(s, s.answer_order)
            FILTER (s.outcome IN ('published', 'unchanged', 'held_back', 'failed')) AS last
    FROM account_syncs AS s
    GROUP BY s.integrated_account_id
),
counts AS (
    SELECT b.integrated_account_id, sum(b.group_count)::BIGINT AS group_count
    FROM group_type_breakdown AS b
    GROUP BY b.integrated_account_id
),
changes AS (
    SELECT
        c.integrated_account_id,
        count(*) FILTER (c.change = 'added') AS added,
        count(*) FILTER (c.change = 'removed') AS removed,
        count(*) FILTER (c.change = 'changed') AS changed
    FROM group_changes AS c
    WHERE c.changed_at > now() - INTERVAL 7 DAYS
    GROUP BY c.integrated_account_id
),
drift AS (
    SELECT
        d.integrated_account_id,
        count(*) FILTER (d.severity = 'breaking') AS breaking,
        count(*) FILTER (d.severity = 'warning') AS warnings
    FROM account_drift AS d
    GROUP BY d.integrated_account_id
),
held AS (
    SELECT h.integrated_account_id, count(*) AS group_count
    FROM held_back_groups AS h
    GROUP BY h.integrated_account_id
)
SELECT
    k.id AS integrated_account_id,
    k.partition_key,
    k.label,
    k.integration,
    k.tenant_id,
    k.status,
    k.gone_at,
    coalesce(n.group_count, 0) AS group_count,
    k.last_confirmed_at,
    a.last.started_at AS last_attempt_at,
    a.last.outcome AS last_outcome,
    a.last.error AS last_error,
    coalesce(h.group_count, 0) AS held_back_count,
    coalesce(d.breaking, 0) AS breaking_count,
    coalesce(d.warnings, 0) AS warning_count,
    coalesce(c.added, 0) AS added_in_7_days,
    coalesce(c.removed, 0) AS removed_in_7_days,
    coalesce(c.changed, 0) AS changed_in_7_days
FROM integrated_accounts AS k
LEFT JOIN attempts AS a ON a.integrated_account_id = k.id
LEFT JOIN counts AS n ON n.integrated_account_id = k.id
LEFT JOIN changes AS c ON c.integrated_account_id = k.id
LEFT JOIN drift AS d ON d.integrated_account_id = k.id
LEFT JOIN held AS h ON h.integrated_account_id = k.id
