-- Attempts that are older than anybody needs, the oldest first. Of each account there stay the last
-- one, the last two that came to an end of their own (what is told once until it changes is compared
-- with the one before), the twenty confirmed ones from which a plausible number of groups is known,
-- and those of which a shape is kept: a sync that waits for a person is one of them.
DELETE FROM account_syncs
WHERE (integrated_account_id, run_id) IN (
    SELECT (integrated_account_id, run_id)
    FROM (
        SELECT
            integrated_account_id,
            run_id,
            started_at,
            outcome,
            row_number() OVER (
                PARTITION BY integrated_account_id ORDER BY answer_order DESC
            ) AS place,
            outcome IN ('published', 'unchanged') AS is_confirmed,
            row_number() OVER (
                PARTITION BY integrated_account_id, outcome IN ('published', 'unchanged')
                ORDER BY answer_order DESC
            ) AS place_of_its_kind,
            outcome IN ('published', 'unchanged', 'held_back', 'failed') AS is_ended,
            row_number() OVER (
                PARTITION BY
                    integrated_account_id,
                    outcome IN ('published', 'unchanged', 'held_back', 'failed')
                ORDER BY answer_order DESC
            ) AS place_among_ended
        FROM account_syncs
    )
    WHERE started_at < $before
        AND outcome <> 'running'
        AND place > 1
        AND NOT (is_ended AND place_among_ended <= 2)
        AND NOT (is_confirmed AND place_of_its_kind <= 20)
        AND (integrated_account_id, run_id) NOT IN (
            SELECT (integrated_account_id, run_id) FROM account_shapes
        )
    ORDER BY started_at
    LIMIT $most
);
