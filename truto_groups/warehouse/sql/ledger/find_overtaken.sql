-- A run whose answer is newer than this one's: its first request left later, and it is settled.
SELECT
    other.integrated_account_id,
    arg_max(other.run_id, other.answer_order) AS run_id,
    arg_max(other.outcome, other.answer_order) AS outcome
FROM account_syncs AS other
JOIN (
    SELECT unnest($ids::VARCHAR[]) AS integrated_account_id, unnest($orders::BIGINT[]) AS answer_order
) AS mine USING (integrated_account_id)
-- Numbers only grow: of a long ledger nothing is read but its end.
WHERE other.answer_order > (SELECT min(number) FROM (SELECT unnest($orders::BIGINT[]) AS number))
    AND other.answer_order > mine.answer_order
    AND other.outcome IN ('published', 'unchanged', 'held_back')
GROUP BY other.integrated_account_id;
