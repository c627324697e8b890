"""Truto over HTTP: calls, pages, refusals, ceilings. The only folder that names httpx.

What an answer means for an account is sync/'s and accounts/' to decide. What is imported here is
the public face, with pages, limits and blocking.

    pages            a page, its cost, and the proof that none is missing      (pure)
    client           the calls that a run makes
    blocking         the same calls for code that has no event loop
    walk             all pages of one account, guarded, fanned out, completed
    exchange         one request until it is answered: token, ceilings, retries, redirects
    connection       one GET: the pool, the token, redirects, sizes
    bodies           a body taken in, unpacked, within bounds
    network          proxies and certificates of the machine, checked before use
    limits           ceilings on requests, over all processes of a machine
    retry            what is tried again, and when                             (pure)
    setbacks         what kept a request from its answer                       (pure)
    refusals         an error body as an exception                             (pure)
    json_repair      JSON that one record has spoiled, made readable           (pure)
    envelope         a body taken apart without parsing the groups in it       (pure)
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
