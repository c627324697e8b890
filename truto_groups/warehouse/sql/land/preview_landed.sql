-- The first groups of each account, to be looked at.
SELECT
    integrated_account_id,
    min({'position': position, 'id': id, 'name': name, 'group_type': group_type}, 5) AS groups
FROM staging.landed
WHERE integrated_account_id IN (SELECT unnest($ids))
GROUP BY integrated_account_id;
