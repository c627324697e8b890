"""The database: where it lies, who may open it, what its tables hold. Names duckdb.

Functions work on a connection that Database.writing or .reading gave. What becomes of an answer is
sync/'s; what a table's columns are, schema.py's.

    database          where it lies, who may open it, and its tables
    connections       opened, lent, given their variables, and their transactions
    location          which places are taken, told without secrets
    lake              a DuckLake: its extensions, its object store, its open connections
    lake_files        files of a lake that a lost answer to a COMMIT would cost
    lake_search       what a lake's files and catalogue hold, value by value
    lake_statistics   what a lake's planner knows of columns, narrowed to what is there
    commits           whether a transaction was committed that nobody answered for
    upgrades          which tables a database has, and how an earlier one is brought forward
    upkeep            a lake kept small: files merged, old states dropped
    duckdb_errors     what DuckDB's errors mean to a person
    temporary_folders ours, and which of them a killed process has left
    file_rewrite      a file written anew, without what was deleted
    copies            whole copies of a file that somebody may be writing
    statements        the SQL files of sql/
    answer_order      which of two answers is newer
    interruption      a signal that DuckDB hides behind an error of its own
    json_equality     whether two texts are the same JSON value
    table_copies      all tables copied into another database, and proved to be the same
    snapshot          a copy to read that keeps no writer waiting

    properties_table  database_properties: what the database remembers of itself
    ledger_table      account_syncs: every attempt and how it ended
    accounts_table    integrated_accounts, and what discovery remembers
    partition_keys    the keys of accounts, in integrated_accounts
    shapes_table      account_shapes: what attempts looked like, and their baselines
    contracts_table   integration_contracts: what integrations declare
    privileged_table  privileged_group_changes: what waits for an access review

    readable          what people read and export
    rows              rows handed over as pandas, Polars, Arrow or DuckDB
    exports           rows written to a file
    check_queries     what checks read
    run_queries       what became of the accounts of a run, for who tells people of it
    forget_in_tables  what is kept of accounts that are to be forgotten
    earlier_syncs     what is known of accounts' earlier syncs
    overview_queries  what the picture shows
    sql/              every statement longer than a line
"""
