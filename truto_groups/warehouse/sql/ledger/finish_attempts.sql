-- Write how attempts ended.
UPDATE account_syncs AS s
SET
    finished_at = $now,
    outcome = a.outcome,
    group_count = a.group_count,
    page_count = a.page_count,
    request_count = a.request_count,
    retry_count = a.retry_count,
    throttled_seconds = a.throttled_seconds,
    byte_count = a.byte_count,
    digest = a.digest,
    error_kind = a.error_kind,
    error = a.error
FROM (
    SELECT
        unnest($integrated_account_id::VARCHAR[]) AS integrated_account_id,
        unnest($outcome::VARCHAR[]) AS outcome,
        unnest($group_count::BIGINT[]) AS group_count,
        unnest($page_count::BIGINT[]) AS page_count,
        unnest($request_count::BIGINT[]) AS request_count,
        unnest($retry_count::BIGINT[]) AS retry_count,
        unnest($throttled_seconds::DOUBLE[]) AS throttled_seconds,
        unnest($byte_count::BIGINT[]) AS byte_count,
        unnest($digest::VARCHAR[]) AS digest,
        unnest($error_kind::VARCHAR[]) AS error_kind,
        unnest($error::VARCHAR[]) AS error
) AS a
WHERE s.integrated_account_id = a.integrated_account_id
    AND s.run_id = $run_id;
