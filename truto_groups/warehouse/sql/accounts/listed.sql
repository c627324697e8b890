-- What a listing told of the accounts, as a temporary table.
CREATE OR REPLACE TEMP TABLE listed AS
SELECT
    unnest($id::VARCHAR[]) AS id,
    unnest($integration::VARCHAR[]) AS integration,
    unnest($status::VARCHAR[]) AS status,
    unnest($tenant_id::VARCHAR[]) AS tenant_id,
    unnest($label::VARCHAR[]) AS label,
    unnest($is_sandbox::BOOLEAN[]) AS is_sandbox,
    unnest($last_error::VARCHAR[]) AS last_error,
    unnest($created_at::TIMESTAMPTZ[]) AS created_at,
    unnest($updated_at::TIMESTAMPTZ[]) AS updated_at,
    unnest($override_digest::VARCHAR[]) AS override_digest,
    unnest($forbidden_call::VARCHAR[]) AS forbidden_call,
    unnest($forbidden_scopes::VARCHAR[]) AS forbidden_scopes,
    unnest($forbidden_at::TIMESTAMPTZ[]) AS forbidden_at;
