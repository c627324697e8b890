"""Many hosts without a shared disk, things that go wrong with them, and what must hold afterwards.

Real: Dagster by the files of deploy/cluster/ (code server, daemon, runs in Celery's workers),
PostgreSQL, an object store, Redis, and a network between them; each host is a network namespace of
Linux, with a disk that only its process sees and that is lost with it, the servers' apart. Faked is
Truto, which serves other groups each time; and Dagster plans each minute, in runs of few accounts.

    hosts          a bridge, network namespaces, processes in them, cut and mended links
    forwarder      the program that makes Truto a server on the loopback of each host
    servers        PostgreSQL, the object store, Redis; how a program crashes and comes back
    truto          what Truto answers, each time something else, and what it has answered
    hurried        the definitions, with a shorter tick
    dagster_hosts  the code server, the daemon, the workers
    desk           a host on which a person syncs beside them
    stage          all hosts put together
    mischief       what goes wrong when, out of a seed
    judge          what must hold in the tables and of the runs afterwards
    trial          one trial, from the first host to the verdict
"""
