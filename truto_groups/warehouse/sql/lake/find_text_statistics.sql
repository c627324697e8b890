-- Columns of which a DuckLake keeps the least and the greatest text, where they stand, and whether they can
-- be asked for. It widens these as rows are written, and does not narrow them again when rows are deleted.
SELECT DISTINCT
    k.table_id,
    k.column_id,
    s.schema_name,
    t.table_name,
    c.column_name,
    c.parent_column IS NULL AS is_whole
FROM {metadata}.ducklake_table_column_stats AS k
JOIN {metadata}.ducklake_table AS t ON t.table_id = k.table_id AND t.end_snapshot IS NULL
JOIN {metadata}.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
JOIN {metadata}.ducklake_column AS c
    ON c.table_id = k.table_id AND c.column_id = k.column_id AND c.end_snapshot IS NULL
WHERE c.column_type IN ('varchar', 'json') AND (k.min_value IS NOT NULL OR k.max_value IS NOT NULL);
