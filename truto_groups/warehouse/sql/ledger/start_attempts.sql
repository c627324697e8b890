-- Write that attempts have begun. One that is there already stays as it is: who was cancelled right
-- after a commit does not know of it.
INSERT INTO account_syncs BY NAME
SELECT integrated_account_id, $run_id AS run_id, started_at, answer_order, 'running' AS outcome
FROM (
    SELECT
        unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
        unnest($started_at::TIMESTAMPTZ[]) AS started_at,
        unnest($answer_order::BIGINT[]) AS answer_order
) AS started
WHERE NOT EXISTS (
    FROM account_syncs AS s
    WHERE s.integrated_account_id = started.integrated_account_id AND s.run_id = $run_id
);
