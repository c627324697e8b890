-- How many requests each account's last confirmed sync took, retries included.
SELECT integrated_account_id, arg_max(request_count, answer_order) AS request_count
FROM account_syncs
WHERE outcome IN ('published', 'unchanged') AND request_count > 0
GROUP BY integrated_account_id;
