"""Many hosts without a shared disk, things that go wrong with them, and what must hold afterwards.

Real: PostgreSQL, an object store, the program in a process of its own on each worker's host, and a
network between them; each host is a network namespace of Linux, a worker's with a disk that only it
sees and that is lost with its process. Faked is Truto alone, which serves other groups each time.

    hosts      a bridge, network namespaces, processes in them, cut and mended links
    forwarder  the program that makes Truto a server on the loopback of each host
    servers    PostgreSQL and the object store, each on its host; they crash and come back
    truto      what Truto answers, each time something else, and what it has answered
    workers    hosts that sync a share of the accounts again and again
    mischief   what goes wrong when, out of a seed
    judge      what must hold in the tables afterwards
    trial      all of it put together, from the first host to the verdict
"""
