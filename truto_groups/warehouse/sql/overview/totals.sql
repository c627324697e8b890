-- How many groups all known accounts had at the end of each day since an instant. Between two
-- publications the number of an account's groups does not change, so that each of them tells by how
-- much the sum did.
WITH steps AS (
    SELECT
        s.started_at,
        s.group_count - coalesce(lag(s.group_count) OVER (
            PARTITION BY s.integrated_account_id ORDER BY s.answer_order
        ), 0) AS step
    FROM account_syncs AS s
    JOIN integrated_accounts AS k ON k.id = s.integrated_account_id
    WHERE s.outcome = 'published'
),
days AS (
    SELECT
        greatest(date_trunc('day', s.started_at AT TIME ZONE 'UTC'), date_trunc('day', $since::TIMESTAMPTZ AT TIME ZONE 'UTC'))::DATE AS day,
        sum(s.step)::BIGINT AS step
    FROM steps AS s
    GROUP BY ALL
)
SELECT d.day, (sum(d.step) OVER (ORDER BY d.day))::BIGINT AS group_count
FROM days AS d
ORDER BY d.day;
