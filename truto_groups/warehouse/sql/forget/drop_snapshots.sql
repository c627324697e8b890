-- A DuckLake keeps what was deleted: in files of which rows are marked as deleted, in its earlier
-- snapshots, and in files that no snapshot has any more, until it is told to drop them.
CALL ducklake_flush_inlined_data('warehouse');

CALL ducklake_rewrite_data_files('warehouse', delete_threshold => 0);

CALL ducklake_expire_snapshots('warehouse', older_than => now());

CALL ducklake_cleanup_old_files('warehouse', cleanup_all => true);
