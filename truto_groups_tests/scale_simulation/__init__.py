"""A week of very many accounts on a fake clock, planned by the real planner.

Real: the rules of planning, Dagster's partitions and the runs in flight. Simulated: time, and what
becomes of a sync, which a seed decides; there is neither Truto nor a database.

    world    accounts, the runs that sync them, and what is counted meanwhile
    figures  what a week comes to: runs, requests, what is kept of it
"""
