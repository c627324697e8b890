"""The way of an account through a run, in the order in which it goes.

What is right or suspicious about an answer is drift/'s, what the tables are schema.py's. Nothing
here knows Dagster.

    refresh   the accounts of a run: fetched, replayed from raw records, or rebuilt
    progress  where each account of a run stands, and which step may follow (pure)
    pipeline  many accounts side by side, each published as soon as it is whole
    fetch     pages, fetched in a thread of its own
    split     a page taken apart into records, letter by letter
    land      the run's private room: pages landed, counted, profiled
    judge     what was landed: did it change, and may it be published
    settle    what becomes of accounts: unchanged, published, held back, failed
    publish   one transaction that replaces the rows of accounts
    replay    the same from raw records, without a request
    accept    the same from what was held back, because a person says so
    debug_answer  one page of one account in the debug format, beside what we make of it
    waiting   who waits for a person to accept, read out of the tables
    access_review  what became privileged, and waits for a person to review it
    land_stored  what the database kept of an account, landed as if it had just come
    remove    accounts whose grace period is over
"""
