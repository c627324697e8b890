-- Keep what became privileged, for an access review.
INSERT INTO privileged_group_changes BY NAME
SELECT
    unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
    unnest($integration::VARCHAR[]) AS integration,
    unnest($tenant_id::VARCHAR[]) AS tenant_id,
    unnest($id::VARCHAR[]) AS id,
    unnest($change::VARCHAR[]) AS change,
    unnest($name::VARCHAR[]) AS name,
    unnest($name_before::VARCHAR[]) AS name_before,
    unnest($group_type::VARCHAR[]) AS group_type,
    unnest($group_type_before::VARCHAR[]) AS group_type_before,
    unnest($matched_rules::VARCHAR[]) AS matched_rules,
    $changed_at AS changed_at,
    $run_id AS run_id;
