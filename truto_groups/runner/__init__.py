"""What the command does without a daemon: for people, cron and scripts.

What is printed of it is cli/'s.

    local_runs        the project's instance, and a job run in this process
    catch_up          discovery, then all that is due or wished for
    sync_report       what was asked for, what came of it, and who is told meanwhile
    accept_accounts   the job accept_drift in this process
    diagnose_account  one account looked at, without a run
    forget_accounts   accounts forgotten, with proof
    forget_plan       what of them is forgotten, and by what it is recognized
    forget_search     what is left of them anywhere
    copy_database     all tables into another database
    export_table      a table for others, with its coverage statement
    reading_session   what a command works with that reads only
    account_reports   how accounts stand and what waits, without Dagster
    planned_day       what the coming day asks of Truto, without Dagster
    readiness         whether a process could work now, for probes
    sandbox_place     the Truto double, served with data of its own
    sandbox_week      its week, replayed day by day
"""
