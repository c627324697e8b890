"""What Truto's ``meta`` declares of each integration: read, kept, compared.

Not the tables that we promise, which are schema.py's.

    declared           what an answer declares, and what changed in it   (pure)
    refresh_contracts  Truto asked for each integration in use, and what changed written
"""
