"""Integrated accounts as Truto's admin API lists them.

Truto's pages print both ``result`` and ``results`` as the name of the list; its own clients read
``result``, which is what this double sends.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any

from truto_groups.sandbox import error_bodies
from truto_groups.sandbox.group_filters import select_rows
from truto_groups.sandbox.served_accounts import Account
from truto_groups.sandbox.wire import Request, Response

FILTERS = (
    "id",
    "tenant_id",
    "environment_id",
    "is_sandbox",
    "integration.name",
    "features.super_query",
    "status",
    "created_at",
    "updated_at",
)
PAGE_SIZE = 25
MAX_PAGE_SIZE = 5000
ENVIRONMENT_ID = "7c6d9a0e-5f1b-4f7c-9d0a-3b1e8a2c4d5f"


def answer_account_listing(accounts: Iterable[Account], request: Request) -> Response:
    """Answer a page of the accounts that the filters leave, in the order they were connected."""
    limit = str(request.query.get("limit", PAGE_SIZE))
    if not limit.isdecimal() or int(limit) == 0:
        return error_bodies.truto_error(400, "limit must be a positive integer")
    offset = _read_offset(request.query.get("next_cursor"))
    if offset is None:
        return error_bodies.truto_error(400, "next_cursor is invalid")
    size = min(int(limit), MAX_PAGE_SIZE)
    rows = [describe_listed_account(account) for account in accounts]
    rows = select_rows(rows, query=request.query, names=FILTERS)
    end = offset + size
    body = {
        "result": rows[offset:end],
        "next_cursor": _make_cursor(end) if end < len(rows) else None,
        "prev_cursor": _make_cursor(max(0, offset - size)) if offset else None,
        "limit": size,
    }
    return Response.of_json(body)


def describe_listed_account(account: Account) -> dict[str, Any]:
    """Make the row of an account, its secrets stripped as Truto strips them."""
    integration = account.integration
    environment_integration = {
        "id": f"environment-integration-{integration.slug}",
        "integration_id": f"integration-{integration.slug}",
        "environment_id": ENVIRONMENT_ID,
        "is_enabled": True,
        "show_in_catalog": True,
    }
    return {
        "id": account.id,
        "tenant_id": account.tenant_id,
        "environment_id": ENVIRONMENT_ID,
        "environment_integration_id": environment_integration["id"],
        "context": dict(account.context),
        "status": account.status,
        "last_error": account.last_error,
        "last_forbidden_error": account.last_forbidden_error,
        "last_action_run_result": None,
        "is_sandbox": account.is_sandbox,
        "authentication_method": account.authentication_method,
        "region": "wnam",
        "unified_model_override": account.unified_model_override,
        "integration_override": None,
        "object_store_context_fields": [],
        "integration": {
            "id": f"integration-{integration.slug}",
            "name": integration.slug,
            "label": integration.label,
            "category": integration.category,
        },
        "environment_integration": environment_integration,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    }


def _make_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"accounts": offset}).encode()).decode()


def _read_offset(cursor: Any) -> int | None:
    if not cursor:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(str(cursor)))["accounts"])
    except (ValueError, TypeError, KeyError):
        return None
