"""Truto over HTTP: calls, pages, refusals, ceilings. The only folder that names httpx.

What an answer means for an account is sync/'s and accounts/' to decide. What is imported here is
the public face, with walk_results, limits and blocking.

    walk_results     a page, a walk's cost, the proof that none is missing     (pure)
    client           the calls that a run makes
    blocking         the same calls for code that has no event loop
    walk             all pages of one account to the end; what never ends is refused
    exchange         one request until it is answered: token, ceilings, retries, redirects
    connection       one GET: the pool, the token, redirects, sizes
    bodies           a body taken in, unpacked, within bounds
    network          proxies and certificates of the machine, checked before use
    limits           requests that wait for room under the ceilings
    retry            which statuses are tried again, and when                             (pure)
    setbacks         what kept a request from its answer                       (pure)
    refusals         an error body as an exception                             (pure)
    json_repair      JSON that one record has spoiled, made readable           (pure)
    envelope         a body judged and taken apart: what is malformed is refused (pure)
    account_answers  integrated accounts and capabilities, read out of answers (pure)
    encoding         a query as Truto reads it, and the listings that it takes (pure)
    options          what a client is told, as plain values, checked           (pure)
    redaction        keeps the token out of errors and logs
    webhook          posts to somebody else's server, over HTTP too; knows no token
"""

from truto_groups.truto.client import TrutoClient
from truto_groups.truto.encoding import encode_query, plan_listings
from truto_groups.truto.network import check_network
from truto_groups.truto.options import ClientOptions, GroupsRequest
from truto_groups.truto.webhook import post_json

__all__ = [
    "ClientOptions",
    "GroupsRequest",
    "TrutoClient",
    "check_network",
    "encode_query",
    "plan_listings",
    "post_json",
]
