-- An error that no retry heals is tried again once the conditions differ from these. What a clock that
-- was ahead wanted is not wanted for longer than until now.
UPDATE account_state AS s
SET
    attempted_conditions = a.conditions,
    wanted_at = CASE WHEN s.wanted_at > $now THEN $now ELSE s.wanted_at END
FROM (
    SELECT unnest($ids::VARCHAR[]) AS integrated_account_id, unnest($conditions::VARCHAR[]) AS conditions
) AS a
WHERE s.integrated_account_id = a.integrated_account_id;
