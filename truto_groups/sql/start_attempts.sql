INSERT INTO account_syncs BY NAME
SELECT
    unnest($ids) AS integrated_account_id,
    $run_id AS run_id,
    $now AS started_at,
    'running' AS outcome;
