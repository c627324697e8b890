"""Every group of every connected app, in one fresh table.

The pipeline, from the wire to the table; what a line imports stands above it.

    contract    every table and the unified group, declared once            (pure)
    errors      every exception; each says whether a retry helps            (pure)
    settings    what a user may set: environment and settings file          (pure)
    query       the documented query parameters of List Groups              (pure)
    accounts    integrated accounts as listed and as known                  (pure)
    interruption  a signal, found behind an error                           (pure)
    secrecy     secrets, taken out of texts                                 (pure)
    visible     text from outside, made fit to be shown                     (pure)
    logs        loggers whose lines can be shown                            (pure)
    version     which one is installed                                      (pure)
    wording     how numbers are said to people                              (pure)
    walks       pages, their cost, and the proof of the end                 (pure)
    discovery   listed and known accounts -> new, gone, to be asked         (pure)
    planning    known accounts and a clock -> ranges to sync                (pure)
    freshness   known accounts and a clock -> who is stale                  (pure)
    drift       observed shape, baseline, history -> what changed           (pure)
    judging     may a complete sync be published?                           (pure)
    limits      ceilings on requests, over all processes of a machine
    client      Truto over HTTP                                             <- only httpx
    warehouse   land, audit, publish, read                                  <- only duckdb
    sql         what a set of rows becomes
    fetching    many accounts side by side, in a thread of its own
    listing     asking Truto about accounts, from code without an event loop
    progress    where each account of a run stands
    pipeline    fetch, land, audit, publish
    session     what a run works with
    refreshing  the accounts of a run: fetched, replayed, rebuilt
    discovering a listing, kept: table, partitions to add and drop
    defs        assets, checks, sensors, schedules, jobs                    <- only dagster
    definitions build_definitions() and defs
    read        the tables as DataFrames, for people and notebooks
    cli         the truto-groups command
    sandbox     a double of Truto, for trying and testing; knows none of the rest
"""
