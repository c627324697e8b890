"""A request and a response as the sandbox sees them, and the query string between them.

What can be wrong with a response on its way is a field of it, which sockets.py carries out.

No sockets and no routes: those are server.py's and app.py's.
"""

import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

Query = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request as it came in.

    Attributes:
        method: In capitals.
        path: As sent, still percent-encoded, without the query string.
        query_string: As sent.
        headers: By lower-case name.
        at: When it came in, in seconds of ``time.monotonic``.
    """

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    at: float = field(default_factory=time.monotonic)

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of the query string, decoded, in their order."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    @cached_property
    def query(self) -> Query:
        """The query string with its brackets resolved; see ``nest_query``."""
        return nest_query(self.pairs)

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Segments of the path, each decoded on its own, so that an id may hold a slash."""
        return tuple(unquote(segment) for segment in self.path.split("/") if segment)

    @property
    def integrated_account_id(self) -> str | None:
        """The account of the query, or of the path of an admin route; None when there is none."""
        value = self.query.get("integrated_account_id")
        if isinstance(value, str):
            return value
        kind, *rest = self.segments or ("",)
        return rest[0] if kind == "integrated-account" and rest else None


@dataclass(frozen=True)
class Response:
    """One answer, with what a fault injection may want to go wrong on the way.

    Attributes:
        status: HTTP status.
        body: As sent when the client accepts no compression.
        headers: Beside those that the server always sends.
        is_chunked: Sent in chunks, without a length.
        cut_at: Only so many bytes of the body are sent, though all are announced; then the
            connection is closed.
        hang_up: The connection is closed without any answer.
        delay_seconds: Waited before the first byte.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content_type: str = "application/json; charset=utf-8"
    is_chunked: bool = False
    cut_at: int | None = None
    hang_up: bool = False
    delay_seconds: float = 0.0

    @classmethod
    def of_json(
        cls, payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Response":
        """Make a response of anything that JSON can carry."""
        return cls(status=status, body=encode_json(payload), headers=headers or {})

    @cached_property
    def gzip_body(self) -> bytes:
        """The body compressed, once for all who ask for the same page."""
        return gzip.compress(self.body, compresslevel=1, mtime=0)

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Add headers to a copy; those that the response has already win."""
        copy = replace(self, headers={**headers, **self.headers})
        # Handed on, so that a page that is served often is compressed once.
        copy.__dict__["gzip_body"] = self.gzip_body
        return copy

    def json(self) -> Any:
        """Read the body back."""
        return json.loads(self.body)


def encode_json(payload: object) -> bytes:
    """Encode as UTF-8 JSON without blanks; lone surrogates are escaped, as JavaScript does."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(payload, separators=(",", ":")).encode()


def nest_query(pairs: list[tuple[str, str]]) -> Query:
    """Resolve Truto's brackets: ``a[b]=c`` is an object, ``a[]=b`` an array, the rest text.

    A name that comes twice without brackets keeps its last value.
    """
    query: Query = {}
    for name, value in pairs:
        head, *rest = name.replace("]", "").split("[")
        _put(query, [head, *rest], value)
    return query


def _put(target: Query, keys: list[str], value: str) -> None:
    head, *rest = keys
    if not rest:
        target[head] = value
    elif rest[0] == "" or rest[0].isdigit():
        items = target.get(head)
        target[head] = items = cast("list[Any]", items if isinstance(items, list) else [])
        item = value
        for key in reversed(rest[1:]):
            item = {key: item}
        items.append(item)
    else:
        child = target.get(head)
        target[head] = child = cast("Query", child if isinstance(child, dict) else {})
        _put(child, rest, value)


def read_boolean(query: Query, name: str) -> bool:
    """Whether a parameter is set to true; anything but ``true`` and ``1`` is not."""
    return str(query.get(name, "")).lower() in {"true", "1"}


def read_list(query: Query, name: str) -> list[str]:
    """Values of an array parameter, in brackets or separated by commas; empty when not given."""
    value = query.get(name)
    if value is None:
        return []
    values = cast("list[Any]", value) if isinstance(value, list) else str(value).split(",")
    return [str(item) for item in values]
