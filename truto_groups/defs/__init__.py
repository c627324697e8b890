"""What Dagster sees: only here (and in definitions.py and the command) is Dagster named.

partitions.py  one key per integrated account
resources.py   Truto and the database, configured
assets.py      the assets and how they are materialized
checks.py      verdicts on the tables, as asset checks
metadata.py    what the UI shows of a row, a table, a result
runs.py        which accounts a queued or running run covers
jobs.py        refresh_groups and its kin
schedules.py   what time brings about
sensors.py     what Truto, or another run, brings about
"""
