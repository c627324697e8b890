"""Every statement longer than a line: what a set of rows becomes, in SQL that all backends run.

A folder for each thing that is done, and each file begins with what it says or does. Who asks is
named at the right.

    land        arrived records made into rows of a private database  sync/land
    profile     what landed records look like, for the audit          sync/land
    publish     landed rows made an account's rows, or kept waiting   sync/publish
    accept      what waits for a person, and becomes the baseline     sync/waiting, sync/accept
    ledger      account_syncs                                         ledger_table
    accounts    integrated_accounts, and what discovery remembers     accounts_table
    shapes      account_shapes                                        shapes_table, earlier_syncs
    contracts   integration_contracts                                 contracts_table
    privileged  privileged_group_changes                              privileged_table
    checks      what checks judge                                     check_queries
    runs        what a run did                                        run_queries
    overview    what the picture shows                                overview_queries
    forget      what is kept of accounts that are to be forgotten     forget_in_tables
    lake        what a DuckLake keeps longer than its rows            database, lake_statistics
    views       views, macros, and what people read                   upgrades, readable
    upgrades    from each version of the tables to the next           upgrades

A publication runs six files of its folder, one after the other: batch (the accounts), repair (rows
that cannot be compared), compare (what becomes of each id), explain (hints), replace (the rows) and
record (what changed).
"""
