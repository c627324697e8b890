"""A Truto double on loopback: real HTTP, Truto's documented answers, sample accounts.

For trying the project out without a Truto account, and for tests that cross the wire. Knows
nothing of the rest of the package and needs the standard library only. What Truto does not document
(the envelopes of the formats ``raw``, ``normalized`` and ``stream``, for one) is this double's
reading of it, and the module that decides says so.

    server.py        start and stop, the log of requests, fault injection
    sockets.py       HTTP on a socket, keep-alive, gzip
    app.py           a request to its answer: routes, token, ceilings
    groups.py        List Groups and Get Group
    formats.py       the records and the envelope of an answer, by response format
    filters.py       which groups a query leaves, and in which order
    cursors.py       opaque cursors
    clock.py         time that passes with every completed walk
    admin.py         integrated accounts and their capabilities
    meta.py          what an integration declares to support
    ceilings.py      Truto's limits on requests
    errors.py        Truto's error bodies
    wire.py          a request, a response, the query string
    accounts.py      an integrated account and its groups
    integrations.py  the integrations of the samples
    samples/         the accounts of the demo
    settings.yaml    the settings file that goes with them
"""

from truto_groups.sandbox.accounts import Account, GeneratedGroups, Verbatim, make_account
from truto_groups.sandbox.ceilings import Ceilings
from truto_groups.sandbox.integrations import INTEGRATIONS, Integration, Parameter
from truto_groups.sandbox.samples import sample_account, sample_accounts
from truto_groups.sandbox.server import SETTINGS_PATH, SandboxServer
from truto_groups.sandbox.wire import Request, Response

__all__ = [
    "INTEGRATIONS",
    "SETTINGS_PATH",
    "Account",
    "Ceilings",
    "GeneratedGroups",
    "Integration",
    "Parameter",
    "Request",
    "Response",
    "SandboxServer",
    "Verbatim",
    "make_account",
    "sample_account",
    "sample_accounts",
]
