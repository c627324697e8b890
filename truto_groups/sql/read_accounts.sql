-- Every known account with what planning needs of its past.
SELECT
    k.*,
    s.wanted_at,
    s.attempted_conditions,
    a.started_at AS attempted_at,
    a.finished_at AS attempt_finished_at,
    a.outcome,
    a.error_kind,
    a.error,
    c.group_count,
    s.rows_digest,
    c.seconds
FROM integrated_accounts AS k
LEFT JOIN account_state AS s ON s.integrated_account_id = k.id
LEFT JOIN (
    SELECT
        integrated_account_id,
        max(started_at) AS started_at,
        arg_max_null(finished_at, started_at) AS finished_at,
        arg_max(outcome, started_at) AS outcome,
        arg_max_null(error_kind, started_at) AS error_kind,
        arg_max_null(error, started_at) AS error
    FROM account_syncs
    WHERE outcome <> 'skipped'
    GROUP BY integrated_account_id
) AS a ON a.integrated_account_id = k.id
LEFT JOIN (
    SELECT
        integrated_account_id,
        arg_max(group_count, started_at) AS group_count,
        arg_max(epoch(finished_at) - epoch(started_at), started_at) AS seconds
    FROM account_syncs
    WHERE outcome IN ('published', 'unchanged')
    GROUP BY integrated_account_id
) AS c ON c.integrated_account_id = k.id
ORDER BY k.first_listed_at, k.id;
