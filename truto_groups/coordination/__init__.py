"""What processes that share one database agree on: turns, presence, ceilings, one count.

One seam, made in the way that fits where the database lies. What is written in a turn is
warehouse/'s, when a request waits truto/'s, and which run a name stands for sync/'s.

    seam      what every way can do, as protocols
    choice    which way a database gets
    files     files beside the database: for the processes of one machine
    postgres  tables and locks in the Postgres of a DuckLake's catalogue: for any number of machines
"""
