-- What is kept of all other accounts, as text: what stands in it too is no sign of these.
SELECT record::VARCHAR AS text
FROM raw_groups
WHERE NOT list_contains(getvariable('ids'), integrated_account_id)
UNION ALL
SELECT record::VARCHAR
FROM held_back_groups
WHERE NOT list_contains(getvariable('ids'), integrated_account_id)
UNION ALL
SELECT concat_ws(' ', integrated_account_id, id, name, changed_fields::VARCHAR)
FROM group_changes
WHERE NOT list_contains(getvariable('ids'), integrated_account_id)
UNION ALL
SELECT to_json(k)::VARCHAR
FROM integrated_accounts AS k
WHERE NOT list_contains(getvariable('ids'), k.id);
