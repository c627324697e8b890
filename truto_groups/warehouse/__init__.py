"""The database: land, audit, publish, read. Only this package names duckdb.

database.py    where it lies, who may open it, and its tables
statements.py  the SQL files of sql/
staging.py     the private room in which the pages of a run are landed
publishing.py  one transaction that replaces the rows of accounts
ledger.py      account_syncs: every attempt and how it ended
accounts.py    integrated_accounts and what discovery remembers
reports.py     what checks, the command and people read
"""
