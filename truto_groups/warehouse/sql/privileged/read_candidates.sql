-- Groups that the last publication made, or gave another name or type: as they were, and as they are.
-- Of one that it made, the name and the type were null; one that has neither is not here.
SELECT
    d.integrated_account_id,
    b.integration,
    b.tenant_id,
    d.id,
    d.is_added AS is_new,
    d.name_then AS name,
    CASE
        WHEN list_contains(d.names, 'name')
            THEN list_filter(d.fields, lambda f: f.field = 'name')[1].before ->> '$'
        ELSE d.name_then
    END AS name_before,
    coalesce(d.kept_group_type_as_received, l.group_type_as_received) AS group_type,
    CASE
        WHEN list_contains(d.names, 'group_type_as_received')
            THEN list_filter(d.fields, lambda f: f.field = 'group_type_as_received')[1].before ->> '$'
        ELSE coalesce(d.kept_group_type_as_received, l.group_type_as_received)
    END AS group_type_before
FROM differences AS d
JOIN batch AS b USING (integrated_account_id)
JOIN staging.landed AS l ON l.integrated_account_id = d.integrated_account_id AND l.position = d.position
WHERE list_has_any(d.names, ['name', 'group_type_as_received'])
ORDER BY d.integrated_account_id, d.position;
