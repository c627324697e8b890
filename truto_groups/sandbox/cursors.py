"""Opaque cursors: what a page needs to go on, in a string that says nothing to the client.

A cursor carries its whole position, so that a walk survives a restart of the server and so that a
walk stays on the refresh that it began with.
"""

import base64
import binascii
import json
from typing import NamedTuple


class Position(NamedTuple):
    """Where a walk stands.

    Attributes:
        chain: Digest of the query that began the walk, the account's id included.
        refresh: Which refresh of the account is served, from 1.
        offset: Groups already served.
        page: Number of the page that comes next, from 1.
    """

    chain: str
    refresh: int
    offset: int
    page: int


def encode_cursor(position: Position) -> str:
    """Make the cursor that leads to a position."""
    text = json.dumps(position, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position | None:
    """Read a cursor back; None when it is not one of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        chain, refresh, offset, page = json.loads(text)
        return Position(str(chain), int(refresh), int(offset), int(page))
    except (binascii.Error, ValueError, TypeError):
        return None
