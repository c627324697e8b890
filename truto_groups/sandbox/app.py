"""A request to its answer: token, ceilings, routes.

No sockets: server.py has those. One route is not Truto's: ``/sandbox/week`` says on which day of
the week (week.py) the sandbox is. ``POST /sandbox/week?at=INSTANT`` begins the next day, from when
on the accounts are the week's; ``DELETE`` goes back to the samples, before the first.
"""

import threading
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path

from truto_groups.sandbox import admin, error_bodies, meta, week
from truto_groups.sandbox.ceilings import CeilingGuard, Ceilings
from truto_groups.sandbox.clock import RefreshClock
from truto_groups.sandbox.group_filters import read_instant
from truto_groups.sandbox.group_routes import GroupRoutes
from truto_groups.sandbox.integrations import INTEGRATIONS, Integration
from truto_groups.sandbox.samples import sample_accounts
from truto_groups.sandbox.served_accounts import Account
from truto_groups.sandbox.wire import Request, Response

PAGE_CACHE_BYTES = 32 * 1024 * 1024

_WEEK = ("sandbox", "week")
_GROUPS = ("unified", "user-directory", "groups")


class Sandbox:
    """Truto's API over a set of accounts; safe to call from many threads."""

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        token: str,
        state_path: Path | None = None,
        ceilings: Ceilings | None = None,
        page_cache_bytes: int = PAGE_CACHE_BYTES,
    ) -> None:
        """Serve the accounts to whoever has the token."""
        self.clock = RefreshClock(state_path)
        self._token = token
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()
        self._guard = None if ceilings is None else CeilingGuard(ceilings)
        self._groups = GroupRoutes(self.clock, page_cache_bytes=page_cache_bytes)
        days = self.clock.days
        self._serve(week.list_accounts_on(days) if days else accounts)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, in the order they were connected."""
        with self._lock:
            return tuple(self._accounts.values())

    def find_account(self, integrated_account_id: str) -> Account | None:
        """Look an account up."""
        return self._accounts.get(integrated_account_id)

    def put_account(self, account: Account) -> None:
        """Add an account, or replace the one with its id."""
        with self._lock:
            self._accounts[account.id] = account

    def remove_account(self, integrated_account_id: str) -> None:
        """Disconnect an account."""
        with self._lock:
            del self._accounts[integrated_account_id]

    def answer(self, request: Request) -> Response:
        """Answer a request, as Truto would."""
        if request.segments == ("ping",):
            return Response.of_json({"message": "pong"})
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return error_bodies.truto_error(401, "Invalid or missing API token")
        if request.segments == _WEEK:
            return self._answer_week(request)
        if self._guard is not None:
            refusal = self._guard.refuse(_throttled_account(request), at=request.at)
            if refusal is not None:
                return refusal
        if not _is_route(request.segments):
            return error_bodies.truto_error(404, f"Cannot {request.method} {request.path}")
        if request.method != "GET":
            message = f"{request.method} is not allowed on a sandbox"
            return error_bodies.truto_error(405, message, headers={"Allow": "GET"})
        if request.segments[: len(_GROUPS)] == _GROUPS:
            return self._answer_unified(request, request.segments[len(_GROUPS) :])
        return self._answer_admin(request)

    def _serve(self, accounts: Iterable[Account]) -> None:
        with self._lock:
            self._accounts = {account.id: account for account in accounts}

    def _answer_week(self, request: Request) -> Response:
        if request.method == "POST":
            at = read_instant(request.query.get("at"))
            if at is None:
                return error_bodies.truto_error(400, "at must be an instant, as ISO 8601 has it")
            self.clock.begin_day(at.astimezone(UTC))
            self._serve(week.list_accounts_on(self.clock.days))
        elif request.method == "DELETE":
            self.clock.begin_anew()
            self._serve(sample_accounts())
        elif request.method != "GET":
            message = f"{request.method} is not allowed on the week"
            headers = {"Allow": "GET, POST, DELETE"}
            return error_bodies.truto_error(405, message, headers=headers)
        return Response.of_json(week.describe_day(self.clock.days))

    def _answer_unified(self, request: Request, rest: tuple[str, ...]) -> Response:
        if len(rest) == 3:
            return meta.describe_for_integration(self._find_integration(rest[0]), rest[2])
        account_id = request.integrated_account_id
        if not account_id:
            return error_bodies.missing_parameters(["integrated_account_id"])
        account = self.find_account(account_id)
        if account is None:
            return _unknown_account(account_id)
        if len(rest) == 2:
            return meta.describe_for_account(account, rest[1])
        headers = self._groups.describe_vendor_limit(account, at=request.at)
        if rest:
            response = self._groups.get_group(account, request, group_id=rest[0])
        else:
            response = self._groups.list_groups(account, request)
        return response.with_headers(headers)

    def _answer_admin(self, request: Request) -> Response:
        kind, *rest = request.segments
        if not rest:
            return admin.answer_account_listing(self.accounts, request)
        if kind == "integration":
            integration = self._find_integration(rest[0])
            if integration is None:
                return error_bodies.truto_error(404, f"Integration {rest[0]} not found")
            return meta.describe_capabilities(integration, request.query)
        account = self.find_account(rest[0])
        if account is None:
            return _unknown_account(rest[0])
        if len(rest) == 1:
            return Response.of_json(admin.describe_listed_account(account))
        return meta.describe_capabilities(account.integration, request.query, account=account)

    def _find_integration(self, slug: str) -> Integration | None:
        ours = (a.integration for a in self.accounts if a.integration.slug == slug)
        return next(ours, INTEGRATIONS.get(slug))


def _is_route(segments: tuple[str, ...]) -> bool:
    if segments[: len(_GROUPS)] == _GROUPS:
        rest = segments[len(_GROUPS) :]
        return len(rest) < 2 or (len(rest) < 4 and rest[-2] == "meta")
    if segments[:1] == ("integrated-account",):
        return len(segments) < 3 or segments[2:] == ("capabilities",)
    return segments[:1] == ("integration",) and segments[2:] == ("capabilities",)


def _throttled_account(request: Request) -> str | None:
    # Truto counts by the query parameter, so that admin routes count for the token alone.
    value = request.query.get("integrated_account_id")
    return value if isinstance(value, str) else None


def _unknown_account(integrated_account_id: str) -> Response:
    return error_bodies.truto_error(404, f"Integrated account {integrated_account_id} not found")
