-- The accounts that are published together, as a temporary table.
CREATE OR REPLACE TEMP TABLE batch AS
SELECT
    unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
    unnest($integration::VARCHAR[]) AS integration,
    unnest($tenant_id::VARCHAR[]) AS tenant_id,
    unnest($is_initial::BOOLEAN[]) AS is_initial,
    unnest($digest::VARCHAR[]) AS digest;
