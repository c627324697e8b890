-- What answers of meta declare, as a temporary table.
CREATE OR REPLACE TEMP TABLE declared AS
SELECT
    unnest($integration::VARCHAR[]) AS integration,
    unnest($kind::VARCHAR[]) AS kind,
    unnest($name::VARCHAR[]) AS name,
    unnest($json_type::VARCHAR[]) AS json_type,
    unnest($is_required::BOOLEAN[]) AS is_required;
