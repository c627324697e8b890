"""What Dagster sees: only here (and in definitions.py and the command) is Dagster named.

partitions.py  one key per integrated account
resources.py   Truto and the database, configured
assets.py      the assets and how they are materialized
acceptance.py  the job by which a person accepts what accounts send
checks.py      verdicts on the tables, as asset checks
contracts.py   what Truto's meta declares, and its check
overview.py    the picture over all accounts
metadata.py    what the UI shows of a row, a table, a result
failing.py     how what goes wrong reaches Dagster
home.py        where Dagster keeps its history
runs.py        which accounts a queued or running run covers
ended.py       which runs have ended since a sensor last looked
jobs.py        refresh_groups and its kin
schedules.py   what time brings about
sensors.py     what Truto brings about
following.py   what another run brings about: checks, the picture, contracts
reporting.py   telling people of failed runs and of checks that turned
"""
