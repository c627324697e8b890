"""Every group of every connected app, in one fresh table.

The rooms, in the order in which data goes through them; what a line imports stands above it.

    schema        every table and the unified group, declared once            (pure)
    errors        every exception; each says whether a retry helps            (pure)
    text          words, without secrets and control characters               (pure)
    version       which one is installed                                      (pure)
    telemetry     metrics, where OpenTelemetry's variables ask for them       <- only opentelemetry
    settings      what a user may set: variables, settings file, query        (pure)
    accounts      which accounts there are, when each is due, what to advise
    drift         observed shape, baseline, history -> what changed           (pure)
    privileged    which groups are called privileged, and by which rule       (pure)
    contracts     what Truto's meta declares: read, kept, compared
    report        what a person is told, in words and pictures                (pure)
    coordination  what processes agree on: turns, presence, ceilings, one count
    truto         Truto over HTTP                                             <- only httpx
    warehouse     the database: where it lies, its tables, its SQL            <- only duckdb
    session       what a run works with
    sync          the way of an account: fetch, split, land, settle, publish
    defs          what Dagster sees: assets, checks, sensors, schedules, jobs <- only dagster
    definitions   build_definitions() and defs
    runner        the same without a daemon, for cron and scripts
    read          the tables as DataFrames, for people and notebooks
    cli           the truto-groups command
    sandbox       a double of Truto, for trying and testing; knows none of the rest
"""
