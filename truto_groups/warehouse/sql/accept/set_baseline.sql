-- What an account's last audited attempt looked like becomes what it is compared with.
UPDATE account_shapes
SET is_baseline = (run_id = getvariable('accepted_run_id'))
WHERE integrated_account_id = getvariable('accepted_id')
    AND is_baseline <> (run_id = getvariable('accepted_run_id'));

UPDATE account_shapes
SET is_published = TRUE, volume = 'ok', volume_reason = NULL, findings = getvariable('findings')::JSON
WHERE integrated_account_id = getvariable('accepted_id') AND run_id = getvariable('accepted_run_id');

-- The sync that waited is published now; it is as old as when it was fetched.
UPDATE account_syncs
SET outcome = 'published', error_kind = NULL, error = NULL
WHERE integrated_account_id = getvariable('accepted_id')
    AND run_id = getvariable('accepted_run_id')
    AND outcome = 'held_back';

UPDATE integrated_accounts AS k
SET last_confirmed_at = s.finished_at
FROM (
    SELECT integrated_account_id, max(finished_at) AS finished_at
    FROM account_syncs
    WHERE integrated_account_id = getvariable('accepted_id')
        AND outcome IN ('published', 'unchanged')
    GROUP BY integrated_account_id
) AS s
WHERE k.id = s.integrated_account_id;

INSERT INTO accepted_baselines BY NAME
SELECT
    getvariable('accepted_id') AS integrated_account_id,
    getvariable('accepted_run_id') AS run_id,
    getvariable('published_at') AS accepted_at,
    getvariable('accepted_by') AS accepted_by,
    getvariable('reason') AS reason,
    getvariable('digest') AS digest;
