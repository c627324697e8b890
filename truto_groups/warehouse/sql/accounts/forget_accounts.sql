-- Accounts whose grace period is over. The ledger and group_changes keep what they were.
DELETE FROM integrated_accounts WHERE list_contains(getvariable('ids'), id);

DELETE FROM account_state WHERE list_contains(getvariable('ids'), integrated_account_id);

DELETE FROM account_shapes WHERE list_contains(getvariable('ids'), integrated_account_id);

DELETE FROM held_back_groups WHERE list_contains(getvariable('ids'), integrated_account_id);
