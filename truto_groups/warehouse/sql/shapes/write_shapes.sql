-- Keep what attempts looked like.
INSERT INTO account_shapes BY NAME
SELECT
    unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
    $run_id AS run_id,
    $now AS observed_at,
    unnest($is_published::BOOLEAN[]) AS is_published,
    unnest($is_baseline::BOOLEAN[]) AS is_baseline,
    unnest($group_count::BIGINT[]) AS group_count,
    unnest($digest::VARCHAR[]) AS digest,
    unnest($shape::VARCHAR[])::JSON AS shape,
    unnest($findings::VARCHAR[])::JSON AS findings,
    unnest($volume::VARCHAR[]) AS volume,
    unnest($volume_reason::VARCHAR[]) AS volume_reason,
    unnest($examples::VARCHAR[])::JSON AS examples,
    unnest($told_filters::VARCHAR[])::JSON AS told_filters,
    unnest($settings_digest::VARCHAR[]) AS settings_digest,
    $normalization_version AS normalization_version;
