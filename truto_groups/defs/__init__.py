"""What Dagster sees: assets, checks, jobs, schedules, sensors. They call; rules lie below.

partitions             one key per integrated account
resources              Truto and the database, configured
assets                 raw_groups, groups, group_type_breakdown, group_changes, integrated_accounts
integration_contracts  that asset, and its check
group_overview         that asset
checks                 verdicts on the tables, as asset checks
check_results          how a verdict is laid out for who reads it
launchpad_links        the launchpads of accept_drift and of the review, filled in
verdicts               how what a check says is told, so that it stays in sight
launchpad              what a person fills in there, looked at before a run is made
review_job             the job by which a person marks privileged groups as reviewed
accept_job             the job by which a person accepts what accounts send
jobs                   refresh_groups and its kin
check_jobs             evaluate_checks and check_freshness
schedules              what is requested by the clock
discovery_sensor       new accounts and partitions
followup_sensors       what a run that ended asks for: checks, the picture, contracts
report_sensors         failed runs and turned checks, told to people
diagnose_job           the job that looks at one page of one account
history                which runs are still needed, and the deletion of the others
retention              the daily job that deletes what is older than it is kept
upkeep_job             the daily job that merges a lake's files and drops its old states
forget_in_history      what names forgotten accounts, taken out of Dagster's history
in_flight              which accounts a queued or running run covers
ended_runs             which runs have ended since a sensor last looked
killed_runs            runs whose process is gone, reported as failed
data_versions          what tells Dagster that a partition is up to date
failures               how what goes wrong reaches Dagster: with advice, without a secret
dagster_internals      Dagster's private and undocumented parts, and nowhere else
home                   where Dagster keeps its history
event_log              its events, many stored at once
metadata               what the UI shows of a row, a table, a result
"""
