"""Coordination through the Postgres that holds a DuckLake's catalogue, for any number of machines.

The server's clock alone decides, and no machine's. Only this folder names psycopg2, and it is
imported only where the database lies so.

    postgres_coordination   all of it, for one database
    conninfo                what a connection string leaves open
    sessions                sessions that are opened anew, and what their errors mean
    layout                  the tables, in a schema of their own
    turns                   turns to write: an advisory lock
    presence                which runs are alive, told by heartbeats
    counter                 a count that only goes up
    start_log               when requests started
"""
