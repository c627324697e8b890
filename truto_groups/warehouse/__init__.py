"""The database: land, audit, publish, read. Only this package names duckdb.

location.py    where it lies, told without its secrets
turns.py       processes one after the other, in the order of asking
copies.py      whole copies of a file that somebody may be writing
schema.py      its tables, and how those of an earlier version are brought forward
troubles.py    what DuckDB's errors mean to a person
database.py    the ways into it: alone to write, together to read, through a copy
statements.py  the SQL files of sql/
presence.py    which runs are alive
order.py       which of two answers is newer
properties.py  what a database remembers of itself

staging.py     the private room in which the pages of a run are landed
settling.py    what becomes of accounts: unchanged, published, held back, failed
publishing.py  one transaction that replaces the rows of accounts
replaying.py   the same from raw records, without a request
acceptance.py  the same from what was held back, because a person says so

ledger.py      account_syncs: every attempt and how it ended
accounts.py    integrated_accounts and what discovery remembers
shapes.py      what attempts looked like, and with which baseline they are compared
contracts.py   what integrations declare

reports.py     what checks read
outcomes.py    what became of the accounts of a run
failures.py    what reports of failed runs read
overview.py    what the picture shows
snapshot.py    a copy to read that keeps no writer waiting
"""
