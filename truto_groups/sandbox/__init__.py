"""A Truto double on loopback: real HTTP, Truto's documented answers, sample accounts.

For trying the project out without a Truto account, and for tests that cross the wire. Knows
nothing of the rest of the package and needs the standard library only. What Truto does not document
(the envelopes of the formats ``raw``, ``normalized`` and ``stream``, for one) is this double's
reading of it, and the module that decides says so.

    server           start and stop, the log of requests, fault injection
    sockets          HTTP on a socket, keep-alive, gzip
    app              a request to its answer: routes, token, ceilings
    group_routes     List Groups and Get Group
    admin            integrated accounts and their capabilities
    meta             what an integration declares to support
    formats          the records and the envelope of an answer, by response format
    group_filters    the parameters applied: which groups are left, and their order
    cursors          opaque cursors
    clock            time that passes with every completed walk
    ceilings         Truto's limits on requests
    error_bodies     Truto's error bodies
    wire             a request, a response, the query string
    served_accounts  an integrated account and its groups
    integrations     what each app supports: fields, parameters, paging, quirks
    samples/         the accounts of the demo, by kind of app
    week             what happens to them on the seven days that the demo replays
    settings.yaml    the settings file that goes with them
"""

from truto_groups.sandbox.ceilings import Ceilings
from truto_groups.sandbox.integrations import INTEGRATIONS, Integration, Parameter
from truto_groups.sandbox.samples import sample_account, sample_accounts
from truto_groups.sandbox.served_accounts import Account, GeneratedGroups, Verbatim, make_account
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
