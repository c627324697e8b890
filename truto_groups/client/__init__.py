"""Truto over HTTP: the only place that names httpx.

    client.py      the calls that the pipeline makes
    walk.py        all pages of one account, guarded, fanned out, completed
    exchange.py    one request until it is answered: ceilings, retries, redirects
    accounts.py    integrated accounts and capabilities, read out of answers   (pure)
    bodies.py      the body of an answer, unpacked and bounded
    connection.py  one GET, sent and taken in
    encoding.py    a query as Truto reads it, and the listings that it takes   (pure)
    envelope.py    a body taken apart without parsing the groups in it         (pure)
    mending.py     JSON that one record has spoiled                            (pure)
    options.py     what a client is told, as plain values, checked             (pure)
    refusals.py    an error body as an exception                               (pure)
    retry.py       what is tried again, and when                               (pure)
    network.py     proxies and certificates of the machine, checked
    setbacks.py    why a request was given up, in words                        (pure)
    secrecy.py     keeps the token out of errors and logs
    webhook.py     tells somebody else's server; knows no token

What is imported here is the public face; nothing below it is meant for the rest of the package.
Pages, stats and the proof of a whole walk are plain values of truto_groups.walks.
"""

from truto_groups.client.client import TrutoClient
from truto_groups.client.encoding import encode_query, plan_listings
from truto_groups.client.network import check_network
from truto_groups.client.options import ClientOptions, GroupsRequest
from truto_groups.client.webhook import post_json

__all__ = [
    "ClientOptions",
    "GroupsRequest",
    "TrutoClient",
    "check_network",
    "encode_query",
    "plan_listings",
    "post_json",
]
