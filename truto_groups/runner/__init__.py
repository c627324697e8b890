"""Dagster without a daemon: discovery and the job in this process, for cron and scripts.

What is printed of it is cli/'s.

    local_runs   the project's instance, and a job run in this process
    catch_up     discovery, then all that is due or wished for
    sync_report  what was asked for, what came of it, and who is told meanwhile
"""
