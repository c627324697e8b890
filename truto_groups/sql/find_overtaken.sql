-- A run whose answer is newer than this one's: it began later and has been settled. One that began
-- days from now was written by a clock that was ahead.
SELECT
    other.integrated_account_id,
    arg_max(other.run_id, other.started_at) AS run_id,
    arg_max(other.outcome, other.started_at) AS outcome
FROM account_syncs AS other
JOIN account_syncs AS mine
    ON mine.integrated_account_id = other.integrated_account_id
    AND mine.run_id = $run_id
    AND mine.started_at >= $since
WHERE other.integrated_account_id IN (SELECT unnest($ids))
    AND other.outcome IN ('published', 'unchanged', 'held_back')
    AND other.run_id <> $run_id
    AND other.started_at > $since
    AND other.started_at > mine.started_at
    AND other.started_at <= $now + INTERVAL 1 DAY
GROUP BY other.integrated_account_id;
