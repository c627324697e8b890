-- Some of the changes that the publication at hand wrote, by account: those of names first.
SELECT c.integrated_account_id, c.id, c.change, c.hint, c.name, c.changed_fields::VARCHAR AS changed_fields
FROM group_changes AS c
WHERE c.changed_at = getvariable('published_at') AND c.run_id = getvariable('run_id')
QUALIFY row_number() OVER (
    PARTITION BY c.integrated_account_id
    ORDER BY coalesce(list_position(['renamed', 'id_reused'], c.hint), 9), c.change, c.name, c.id
) <= 12
ORDER BY c.integrated_account_id, coalesce(list_position(['renamed', 'id_reused'], c.hint), 9), c.change, c.name, c.id;
