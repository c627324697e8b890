"""Histories of the pipeline in a world of their own, every one of them told by a number.

Real: pipeline, fetching, client, landing, settling, DuckDB in files, the SQL. Simulated: time, the
order in which things happen, Truto, and the faults of the disk. The same seed is the same history.

    scheduling  virtual time, and whose turn it is              (knows nothing of groups)
    truto       what Truto holds, and how it answers or fails
    disk        connections that fail, or die, at a chosen statement
    world       one database, the Truto beside it, and the programs that run on both
    invariants  what must hold after whatever has happened
    history     a history out of a seed
    enumeration every single fault of a few scenarios, one after the other
    share       what a process of its own plays of all these
"""
