-- An error that no retry heals is tried again once the conditions differ from these.
UPDATE account_state AS s
SET attempted_conditions = a.conditions
FROM (
    SELECT unnest($ids::VARCHAR[]) AS integrated_account_id, unnest($conditions::VARCHAR[]) AS conditions
) AS a
WHERE s.integrated_account_id = a.integrated_account_id;
