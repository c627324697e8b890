"""Integrated accounts: which there are, when each is synced, and what a person can do about one.

All but discovery are rules: plain values and a clock reading in, plain values out.

    model      an account as listed, and as known
    names      the keys of accounts, and accounts as people name them
    listing    what a listing means: who is gone, who expired, whom to ask
    planning   when an account is due, and what it may do in a range of partitions
    slots      the load spread: when in its pace an account's turn is
    ranges     few contiguous ranges that cover what is due
    freshness  whose groups are older than allowed
    selection  whom a person means: by name, tenant, integration and state
    advice     why an account is not synced, or stale, and what to do: the words
    outlook    what the coming day costs, and what other settings would alter
    coverage   how much of what should be in the tables is in them
    statuses   how each account stands, put together for those who show it
    discovery  a listing fetched and kept: table, partitions to add and drop
"""
