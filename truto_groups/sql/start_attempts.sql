INSERT INTO account_syncs BY NAME
SELECT
    unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
    $run_id AS run_id,
    unnest($started_at::TIMESTAMPTZ[]) AS started_at,
    unnest($answer_order::BIGINT[]) AS answer_order,
    'running' AS outcome;
