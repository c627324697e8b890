"""The records and the envelope of an answer, by ``truto_response_format``.

Truto documents ``unified`` and ``debug``. Of the others it says what the records are, not how they
are wrapped: here ``raw`` wraps the vendor's records like ``unified`` its own, ``normalized`` is
``unified``, and ``stream`` is ``unified`` sent in chunks. ``debug`` has nothing but ``result`` and
``debug``, so that its cursor stands in ``debug.nextCursor``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from truto_groups.sandbox.integrations import Integration
from truto_groups.sandbox.served_accounts import Group, Verbatim
from truto_groups.sandbox.wire import Query, Response, encode_json, read_boolean, read_list

FORMATS = ("unified", "raw", "normalized", "stream", "debug")

# Stands where a real debug answer may carry the customer's credentials: it must never be kept.
VENDOR_SECRET = "sandbox-vendor-secret"  # noqa: S105


def shape_records(
    groups: Sequence[Group], *, integration: Integration, query: Query, is_list: bool
) -> list[Any]:
    """Make the records of an answer out of groups in full.

    Args:
        groups: Of one page.
        integration: Whose they are.
        query: Its ``truto_response_format`` and what it leaves out count.
        is_list: Whether the answer is a list, which some integrations give in part only.
    """
    records = list(groups)
    if is_list and integration.shorten is not None:
        records = [_shorten(record, integration.shorten) for record in records]
    if query.get("truto_response_format") == "raw":
        return [_member(record, "remote_data") for record in records]
    left_out = set(read_list(query, "truto_exclude_fields"))
    if read_boolean(query, "truto_ignore_remote_data"):
        left_out.add("remote_data")
    return [_leave_out(record, left_out) for record in records] if left_out else records


def wrap_page(
    records: list[Any],
    *,
    integration: Integration,
    query: Query,
    next_cursor: str | None,
    prev_cursor: str | None,
) -> Response:
    """Wrap the records of a page into the envelope of the asked format."""
    asked = query.get("truto_response_format", "unified")
    result = _encode_result(records, key_by=query.get("truto_key_by"))
    if asked == "debug":
        tail: dict[str, Any] = {"debug": _describe_call(records, integration, query, next_cursor)}
    else:
        tail = {"next_cursor": next_cursor, "prev_cursor": prev_cursor}
        tail["result_count"] = len(records)
        if integration.shorten is not None:
            tail["is_partial_response"] = True
    body = b'{"result":' + result + b"," + encode_json(tail)[1:]
    return Response(body=body, is_chunked=asked == "stream")


def wrap_group(record: Any, *, integration: Integration, query: Query) -> Response:
    """Answer Get Group: the bare object, but for the debug format."""
    asked = query.get("truto_response_format", "unified")
    body = _encode_result([record], key_by=None)[1:-1]
    if asked == "debug":
        call = _describe_call([record], integration, query, None)
        if call is not None:
            call = {name: call[name] for name in ("requestUrl", "requestOptions", "data")}
        body = b'{"result":' + body + b',"debug":' + encode_json(call) + b"}"
    return Response(body=body, is_chunked=asked == "stream")


def _encode_result(records: list[Any], *, key_by: Any) -> bytes:
    if isinstance(key_by, str) and key_by:
        keyed = {_key(_member(record, key_by)): _plain(record) for record in records}
        return encode_json(keyed)
    if any(isinstance(record, Verbatim) for record in records):
        parts = (
            record.text.encode() if isinstance(record, Verbatim) else encode_json(record)
            for record in records
        )
        return b"[" + b",".join(parts) + b"]"
    return encode_json(records)


def _describe_call(
    records: list[Any], integration: Integration, query: Query, next_cursor: str | None
) -> dict[str, Any] | None:
    if read_boolean(query, "truto_skip_api_call"):
        return None
    return {
        "requestUrl": f"https://api.{integration.slug}.example/groups",
        "requestOptions": {
            "method": "GET",
            "headers": {"Authorization": f"Bearer {VENDOR_SECRET}"},
            "query": query.get("remote_query", {}),
        },
        "data": [_member(record, "remote_data") for record in records],
        "responseHeaders": {"content-type": "application/json"},
        "nextCursor": next_cursor,
        "isLooping": False,
        "isEmptyResult": not records,
        "resultCount": len(records),
    }


def _plain(record: Any) -> Any:
    return record.read() if isinstance(record, Verbatim) else record


def _member(record: Any, name: str) -> Any:
    record = _plain(record)
    return cast("Mapping[str, Any]", record).get(name) if isinstance(record, Mapping) else None


def _leave_out(record: Any, names: set[str]) -> Any:
    record = _plain(record)
    if not isinstance(record, Mapping):
        return record
    members = cast("Mapping[str, Any]", record).items()
    return {name: value for name, value in members if name not in names}


def _shorten(record: Any, shorten: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Any:
    record = _plain(record)
    is_group = isinstance(record, Mapping)
    return shorten(cast("Mapping[str, Any]", record)) if is_group else record


def _key(value: Any) -> str:
    # What JavaScript makes of a key that is no text.
    return value if isinstance(value, str) else json.dumps(value)
