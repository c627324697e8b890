-- A DuckLake keeps what was deleted: in files of which rows are marked as deleted, in its earlier
-- snapshots, and in files that no snapshot has any more, until it is told to drop them.
CALL ducklake_flush_inlined_data('{lake}');

CALL ducklake_rewrite_data_files('{lake}', delete_threshold => 0);

CALL ducklake_expire_snapshots('{lake}', older_than => now());

CALL ducklake_cleanup_old_files('{lake}', cleanup_all => true);
