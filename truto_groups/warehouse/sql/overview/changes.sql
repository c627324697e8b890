-- What changed since an instant, by account, the latest change first; of the first accounts with some of
-- the changes: those of names first.
WITH changes AS (
    SELECT
        c.integrated_account_id,
        c.id,
        c.change,
        c.hint,
        c.name,
        c.changed_fields,
        c.changed_at,
        CASE
            WHEN c.change = 'changed' AND c.hint IN ('renamed', 'retyped') THEN c.hint
            ELSE c.change
        END AS verb
    FROM group_changes AS c
    WHERE c.changed_at > $since
),
counts AS (
    SELECT
        c.integrated_account_id,
        count(*) FILTER (c.verb = 'added') AS added,
        count(*) FILTER (c.verb = 'removed') AS removed,
        count(*) FILTER (c.verb = 'renamed') AS renamed,
        count(*) FILTER (c.verb = 'retyped') AS retyped,
        count(*) FILTER (c.verb = 'changed') AS changed,
        max(c.changed_at) AS last_changed_at
    FROM changes AS c
    GROUP BY c.integrated_account_id
),
examples AS (
    SELECT e.integrated_account_id, list([e.id, e.change, e.hint, e.name, e.changed_fields::VARCHAR] ORDER BY e.place) AS examples
    FROM (
        SELECT
            c.*,
            row_number() OVER (
                PARTITION BY c.integrated_account_id
                ORDER BY
                    list_position(['renamed', 'added', 'removed', 'retyped', 'changed'], c.verb),
                    c.changed_at DESC,
                    c.id
            ) AS place
        FROM changes AS c
        WHERE c.integrated_account_id IN (
            SELECT n.integrated_account_id
            FROM counts AS n
            ORDER BY n.last_changed_at DESC, n.integrated_account_id
            LIMIT $accounts_with_examples
        )
    ) AS e
    WHERE e.place <= $examples
    GROUP BY e.integrated_account_id
)
SELECT
    n.integrated_account_id,
    coalesce(k.partition_key, n.integrated_account_id) AS partition_key,
    k.label,
    n.added,
    n.removed,
    n.renamed,
    n.retyped,
    n.changed,
    e.examples,
    n.last_changed_at
FROM counts AS n
LEFT JOIN examples AS e ON e.integrated_account_id = n.integrated_account_id
LEFT JOIN integrated_accounts AS k ON k.id = n.integrated_account_id
ORDER BY n.last_changed_at DESC, n.integrated_account_id;
