"""List Groups and Get Group over the accounts' groups.

Knows pages, cursors and refreshes; what a record looks like is formats.py's.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from truto_groups.sandbox import error_bodies, formats
from truto_groups.sandbox.clock import RefreshClock, digest_chain
from truto_groups.sandbox.cursors import Position, decode_cursor, encode_cursor
from truto_groups.sandbox.group_filters import find_absent_parameters, read_path, select_groups
from truto_groups.sandbox.integrations import Integration
from truto_groups.sandbox.served_accounts import Account, Group
from truto_groups.sandbox.wire import Query, Request, Response, read_boolean


class _Selection(NamedTuple):
    account: Account
    groups: Sequence[Group]


class _Page(NamedTuple):
    account: Account
    response: Response
    is_last: bool


class GroupRoutes:
    """Answers the requests on groups, once the account is known."""

    def __init__(self, clock: RefreshClock, *, page_cache_bytes: int) -> None:
        """Serve the refreshes that the clock says, keeping that much of encoded pages."""
        self._clock = clock
        self._page_cache_bytes = page_cache_bytes
        self._lock = threading.Lock()
        self._pages: OrderedDict[tuple[object, ...], _Page] = OrderedDict()
        self._page_bytes = 0
        self._selections: OrderedDict[tuple[object, ...], _Selection] = OrderedDict()
        self._positions: dict[str, tuple[Sequence[Group], dict[str, int]]] = {}
        self._vendor_calls: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def list_groups(self, account: Account, request: Request) -> Response:
        """Answer a page of groups."""
        query = request.query
        refusal = _refuse(account, query)
        if refusal is not None:
            return refusal
        if missing := find_absent_parameters(account.integration, query):
            return error_bodies.missing_parameters(missing)
        size = _read_page_size(account.integration, query)
        if size is None:
            return error_bodies.truto_error(400, "limit must be a positive integer")
        position = self._find_position(account, request)
        if position is None:
            return error_bodies.truto_error(
                400, "next_cursor is invalid or belongs to another query"
            )
        page = self._serve(account, request, position, size)
        # To look is no sync: it brings nobody to the next refresh.
        if page.is_last and request.query.get("truto_response_format") != "debug":
            self._clock.complete(account.id, chain=position.chain, refresh=position.refresh)
        return page.response

    def get_group(self, account: Account, request: Request, *, group_id: str) -> Response:
        """Answer one group in full, as of the refresh that the account is at."""
        integration, query = account.integration, request.query
        refusal = _refuse(account, query)
        if refusal is not None:
            return refusal
        if not integration.has_get:
            return _not_mapped(integration, "get")
        groups = account.groups_at(self._clock.refresh_of(account.id))
        index = self._index(account, groups).get(group_id)
        if index is None:
            raw = {"error": "not_found"}
            return error_bodies.remote_error(404, f"Group {group_id} not found", raw_response=raw)
        records = formats.shape_records(
            [groups[index]], integration=integration, query=query, is_list=False
        )
        return formats.wrap_group(records[0], integration=integration, query=query)

    def describe_vendor_limit(self, account: Account, *, at: float) -> dict[str, str]:
        """Count a call on the vendor and make the rate-limit headers that Truto passes on."""
        if account.integration.rate_limit is None:
            return {}
        limit, seconds = account.integration.rate_limit
        window = int(at // seconds)
        with self._lock:
            counted_window, count = self._vendor_calls[account.id]
            count = count + 1 if counted_window == window else 1
            self._vendor_calls[account.id] = (window, count)
        return {
            "ratelimit-limit": f"{limit};w={seconds}",
            "ratelimit-remaining": str(max(0, limit - count)),
            "ratelimit-reset": str(max(1, round(seconds - at % seconds))),
        }

    def _find_position(self, account: Account, request: Request) -> Position | None:
        chain = digest_chain(request.pairs)
        cursor = request.query.get("next_cursor")
        if not cursor:
            last = len(account.refreshes)
            refresh = self._clock.begin(account.id, chain=chain, last_refresh=last)
            return Position(chain, refresh, offset=0, page=1)
        position = decode_cursor(cursor) if isinstance(cursor, str) else None
        return position if position is not None and position.chain == chain else None

    def _serve(self, account: Account, request: Request, position: Position, size: int) -> _Page:
        key = (request.query_string, position)
        with self._lock:
            page = self._pages.get(key)
        # An account that was replaced meanwhile is another account.
        if page is None or page.account is not account:
            page = self._make_page(account, request.query, position, size)
            with self._lock:
                replaced = self._pages.pop(key, None)
                self._page_bytes -= len(replaced.response.body) if replaced else 0
                self._pages[key] = page
                self._page_bytes += len(page.response.body)
                while self._page_bytes > self._page_cache_bytes:
                    _, oldest = self._pages.popitem(last=False)
                    self._page_bytes -= len(oldest.response.body)
        return page

    def _make_page(self, account: Account, query: Query, position: Position, size: int) -> _Page:
        groups = self._select(account, query, position)
        is_empty_page = position.page in account.empty_pages and position.offset < len(groups)
        end = position.offset if is_empty_page else position.offset + size
        is_last = end >= len(groups) and not is_empty_page
        following = position._replace(offset=end, page=position.page + 1)
        previous = position._replace(
            offset=max(0, position.offset - size), page=max(1, position.page - 1)
        )
        records = formats.shape_records(
            groups[position.offset : end],
            integration=account.integration,
            query=query,
            is_list=True,
        )
        response = formats.wrap_page(
            records,
            integration=account.integration,
            query=query,
            next_cursor=None if is_last else encode_cursor(following),
            prev_cursor=None if position.page == 1 else encode_cursor(previous),
        )
        return _Page(account, response, is_last)

    def _select(self, account: Account, query: Query, position: Position) -> Sequence[Group]:
        key = (position.chain, position.refresh)
        with self._lock:
            selection = self._selections.get(key)
        if selection is None or selection.account is not account:
            groups = account.groups_at(position.refresh)
            groups = select_groups(groups, integration=account.integration, query=query)
            selection = _Selection(account, groups)
            with self._lock:
                self._selections[key] = selection
                while len(self._selections) > 64:
                    self._selections.popitem(last=False)
        return selection.groups

    def _index(self, account: Account, groups: Sequence[Group]) -> dict[str, int]:
        with self._lock:
            known = self._positions.get(account.id)
        if known is None or known[0] is not groups:
            index = {str(read_path(group, "id")): at for at, group in enumerate(groups)}
            known = (groups, index)
            with self._lock:
                self._positions[account.id] = known
        return known[1]


def _refuse(account: Account, query: Query) -> Response | None:
    if account.is_blocked:
        return error_bodies.truto_error(503, "This integrated account is blocked. Contact support.")
    if not account.integration.has_groups:
        return _not_mapped(account.integration, "list")
    if account.failure is not None:
        return account.failure
    asked = query.get("truto_response_format", "unified")
    if asked not in formats.FORMATS:
        names = ", ".join(formats.FORMATS)
        return error_bodies.truto_error(400, f"truto_response_format must be one of {names}")
    return None


def _not_mapped(integration: Integration, method: str) -> Response:
    resource = "user-directory/groups"
    return error_bodies.truto_error(
        404, f"Method {method} of {resource} is not supported by {integration.label}"
    )


def _read_page_size(integration: Integration, query: Query) -> int | None:
    largest = integration.max_page_size
    asked = str(query.get("limit", integration.page_size))
    if read_boolean(query, "truto_ignore_limit"):
        asked = str(integration.page_size)
    if not asked.isdecimal() or int(asked) == 0:
        return None
    # A vendor without pages gives everything at once, whatever the limit.
    return 2**31 if largest is None else min(int(asked), largest)
