-- What stands against an account: each finding of its last audited attempt, compared with its accepted
-- baseline, as long as Truto lists the account. An implausible number of groups is one more, of the
-- kind volume. Every name is qualified, because others may add columns to these tables.
CREATE OR REPLACE VIEW account_drift AS
WITH audits AS (
    SELECT
        s.integrated_account_id,
        s.run_id,
        s.observed_at,
        s.group_count,
        s.findings,
        s.volume,
        s.volume_reason,
        b.observed_at AS compared_at,
        coalesce(s.settings_digest <> b.settings_digest, FALSE) AS is_settings_changed,
        coalesce(s.normalization_version <> b.normalization_version, FALSE) AS is_normalization_changed,
        row_number() OVER (PARTITION BY s.integrated_account_id ORDER BY s.observed_at DESC) AS age
    FROM account_shapes AS s
    LEFT JOIN account_shapes AS b
        ON b.integrated_account_id = s.integrated_account_id AND b.is_baseline
    WHERE b.observed_at IS NULL OR s.observed_at >= b.observed_at
),
found AS (
    SELECT a.integrated_account_id, a.age, a.observed_at, f.finding
    FROM audits AS a
    CROSS JOIN LATERAL (SELECT unnest(json_extract(a.findings, '$[*]')) AS finding) AS f
    UNION ALL
    SELECT
        a.integrated_account_id,
        a.age,
        a.observed_at,
        json_object(
            'kind', 'volume',
            'severity', CASE a.volume WHEN 'hold_back' THEN 'breaking' ELSE 'warning' END,
            'now', a.volume_reason
        ) AS finding
    FROM audits AS a
    WHERE a.volume <> 'ok'
),
-- Audits are numbered from the last one back, and so are those of them that have a finding: as long as
-- both numbers are the same, it was never away. prune_shapes keeps what this needs.
seen AS (
    SELECT
        d.integrated_account_id,
        d.kind,
        d.path,
        d.observed_at,
        d.age,
        row_number() OVER (
            PARTITION BY d.integrated_account_id, d.kind, d.path ORDER BY d.age
        ) AS place
    FROM (
        SELECT DISTINCT
            f.integrated_account_id,
            f.finding ->> '$.kind' AS kind,
            coalesce(f.finding ->> '$.path', '') AS path,
            f.observed_at,
            f.age
        FROM found AS f
    ) AS d
),
stretches AS (
    SELECT n.integrated_account_id, n.kind, n.path, min(n.observed_at) AS since
    FROM seen AS n
    WHERE n.place = n.age
    GROUP BY n.integrated_account_id, n.kind, n.path
),
-- What accounts were refused (403): as Truto last told in its listing, and in our own attempts.
refused AS (
    SELECT
        t.integrated_account_id,
        t.forbidden_at AS refused_at,
        t.forbidden_since AS refused_since,
        t.forbidden_call AS refused_call,
        t.forbidden_scopes AS scopes
    FROM account_state AS t
    WHERE t.forbidden_at IS NOT NULL
    UNION ALL
    SELECT
        s.integrated_account_id,
        s.started_at AS refused_at,
        s.started_at AS refused_since,
        'groups list' AS refused_call,
        nullif(nullif(regexp_extract(s.error, 'missing scopes: (.+?)[.;]( |$)', 1), ''), 'none named') AS scopes
    FROM account_syncs AS s
    WHERE s.error_kind = 'forbidden'
),
-- A refusal explains a finding when it came after the last sync that was well, and not long after the
-- first that was not: a listing may tell of it a day later.
lost AS (
    SELECT
        g.integrated_account_id,
        g.kind,
        g.path,
        arg_max(
            'permission lost: '
            || CASE
                WHEN r.scopes IS NULL THEN r.refused_call || ' is forbidden'
                ELSE 'scope ' || r.scopes || ' is missing'
            END
            || ', since '
            || strftime(make_timestamp(epoch_us(r.refused_since)), '%Y-%m-%d %H:%M UTC'),
            (r.scopes IS NOT NULL, r.refused_at)
        ) AS words
    FROM (
        SELECT
            w.integrated_account_id,
            w.kind,
            w.path,
            w.since,
            max(e.finished_at) AS last_good_at
        FROM stretches AS w
        LEFT JOIN account_syncs AS e
            ON e.integrated_account_id = w.integrated_account_id
            AND e.outcome IN ('published', 'unchanged')
            -- The attempt of the first finding itself ended at that instant, or a moment before.
            AND e.finished_at < w.since - INTERVAL 1 SECOND
        WHERE w.kind IN ('field_gone', 'null_share_jumped', 'volume')
            AND w.integrated_account_id IN (SELECT i.integrated_account_id FROM refused AS i)
        GROUP BY w.integrated_account_id, w.kind, w.path, w.since
    ) AS g
    JOIN refused AS r
        ON r.integrated_account_id = g.integrated_account_id
        AND r.refused_at > g.last_good_at
        AND r.refused_since <= g.since + INTERVAL 25 HOURS
    GROUP BY g.integrated_account_id, g.kind, g.path
),
asked AS (
    SELECT c.integration, min(c.first_seen_at) AS first_seen_at
    FROM integration_contracts AS c
    GROUP BY c.integration
),
-- The first answer about an integration is no change of it. Contracts are asked for once a day, so
-- that a change may be seen a day after the data shows it.
contract_changes AS (
    SELECT c.integration, unnest([c.first_seen_at, c.gone_at]) AS changed_at
    FROM integration_contracts AS c
    JOIN asked AS a ON a.integration = c.integration
    WHERE c.first_seen_at > a.first_seen_at OR c.gone_at IS NOT NULL
),
-- How many groups there were, where their number is not plausible any more.
usual AS (
    SELECT a.integrated_account_id, arg_max(e.group_count, e.answer_order) AS group_count
    FROM audits AS a
    JOIN account_syncs AS o
        ON o.integrated_account_id = a.integrated_account_id AND o.run_id = a.run_id
    JOIN account_syncs AS e
        ON e.integrated_account_id = a.integrated_account_id
        AND e.answer_order < o.answer_order
        AND e.outcome IN ('published', 'unchanged')
    WHERE a.age = 1 AND a.volume <> 'ok'
    GROUP BY a.integrated_account_id
),
standing AS (
    SELECT
        a.integrated_account_id,
        k.partition_key,
        k.integration,
        k.tenant_id,
        a.run_id,
        a.group_count AS received_count,
        f.finding ->> '$.kind' AS kind,
        f.finding ->> '$.severity' AS severity,
        coalesce(f.finding ->> '$.path', '') AS path,
        f.finding ->> '$.was' AS was,
        f.finding ->> '$.now' AS now,
        (f.finding ->> '$.record_count')::BIGINT AS record_count,
        -- Where there is no value left at all.
        CASE f.finding ->> '$.kind'
            WHEN 'field_gone' THEN NOT starts_with(f.finding ->> '$.was', 'null ')
            WHEN 'null_share_jumped'
                THEN (f.finding ->> '$.record_count') = (f.finding ->> '$.of')
                    AND NOT starts_with(f.finding ->> '$.now', 'always there')
            ELSE FALSE
        END AS is_emptied,
        coalesce(
            f.finding ->> '$.steps[0]' = 'remote_data' AND json_array_length(f.finding, '$.steps') > 1,
            FALSE
        ) AS is_in_remote_data,
        a.is_settings_changed,
        a.is_normalization_changed,
        coalesce(t.override_changed_at > a.compared_at, FALSE) OR EXISTS (
            SELECT 1
            FROM contract_changes AS c
            WHERE c.integration = k.integration
                AND c.changed_at > a.compared_at
                AND c.changed_at <= a.observed_at + INTERVAL 25 HOURS
        ) AS is_mapping_changed
    FROM audits AS a
    JOIN integrated_accounts AS k ON k.id = a.integrated_account_id
    JOIN found AS f ON f.integrated_account_id = a.integrated_account_id AND f.age = 1
    LEFT JOIN account_state AS t ON t.integrated_account_id = a.integrated_account_id
    WHERE a.age = 1 AND k.gone_at IS NULL
),
-- Many accounts of an integration that drift alike, as drift/common_drift.py has it.
audited AS (
    SELECT k.integration, count(*) AS account_count
    FROM audits AS a
    JOIN integrated_accounts AS k ON k.id = a.integrated_account_id
    WHERE a.age = 1 AND k.gone_at IS NULL
    GROUP BY k.integration
),
alike AS (
    SELECT s.integration, s.kind, s.path
    FROM standing AS s
    JOIN audited AS u ON u.integration = s.integration
    WHERE s.kind <> 'volume'
    GROUP BY s.integration, s.kind, s.path
    HAVING count(DISTINCT s.integrated_account_id) >= greatest(3, 0.2 * any_value(u.account_count))
        AND bool_or(s.severity <> 'information')
),
-- What else changed at the same time and can be the cause: our settings decide everything, a mapping
-- what is not inside of remote_data, our own reading only what we read.
explained AS (
    SELECT
        CASE
            WHEN s.is_emptied OR s.kind = 'volume' AND s.received_count < u.group_count THEN o.words
        END AS lost_permission,
        u.group_count AS usual_count,
        s.integrated_account_id,
        s.partition_key,
        s.integration,
        s.tenant_id,
        s.run_id,
        s.received_count,
        s.kind,
        s.severity,
        s.path,
        s.was,
        s.now,
        s.record_count,
        s.is_in_remote_data,
        s.is_settings_changed AS by_settings,
        s.is_mapping_changed AND NOT s.is_in_remote_data AND s.kind <> 'volume' AS by_mapping,
        s.is_normalization_changed
            AND NOT s.is_in_remote_data
            AND s.kind IN ('instants_unreadable', 'group_types_unmapped', 'id_missing') AS by_reading,
        s.kind <> 'volume'
            AND bool_or(s.is_in_remote_data) OVER (PARTITION BY s.integrated_account_id) AS by_vendor
    FROM standing AS s
    LEFT JOIN lost AS o
        ON o.integrated_account_id = s.integrated_account_id AND o.kind = s.kind AND o.path = s.path
    LEFT JOIN usual AS u ON u.integrated_account_id = s.integrated_account_id
)
SELECT
    e.integrated_account_id,
    e.partition_key,
    e.integration,
    e.tenant_id,
    nullif(e.path, '') AS path,
    e.kind,
    CASE
        WHEN e.lost_permission IS NOT NULL AND e.severity = 'information' THEN 'warning'
        ELSE e.severity
    END AS severity,
    CASE e.kind WHEN 'volume' THEN e.usual_count::VARCHAR || ' groups' ELSE nullif(e.was, '') END AS was,
    CASE
        -- The reason of one that was held back for it has said so.
        WHEN e.lost_permission IS NULL OR contains(lower(e.now), 'permission lost: ') THEN e.now
        ELSE e.now || ' (' || e.lost_permission || ')'
    END AS now,
    CASE
        WHEN e.kind IN ('volume', 'malformed') THEN e.received_count
        -- Inside of lists and maps, entries are counted, of which a group has many.
        WHEN contains(e.path, '[]') OR contains(e.path, '{}') THEN least(e.record_count, e.received_count)
        ELSE e.record_count
    END AS group_count,
    CASE
        WHEN e.lost_permission IS NOT NULL THEN 'permission_lost'
        WHEN e.by_settings::INTEGER + e.by_mapping::INTEGER + e.by_reading::INTEGER > 1 THEN NULL
        WHEN e.by_settings AND e.is_in_remote_data THEN NULL
        WHEN e.by_settings THEN 'our_settings'
        WHEN e.by_mapping THEN 'truto_mapping'
        WHEN e.by_reading THEN 'our_normalization'
        WHEN e.by_vendor THEN 'vendor'
        WHEN l.kind IS NOT NULL THEN 'whole_integration'
    END AS attributed_to,
    w.since,
    e.run_id
FROM explained AS e
JOIN stretches AS w
    ON w.integrated_account_id = e.integrated_account_id AND w.kind = e.kind AND w.path = e.path
LEFT JOIN alike AS l
    ON l.integration = e.integration AND l.kind = e.kind AND l.path = e.path;
