"""What an integration declares to support: ``meta`` and the capabilities.

``required`` is a boolean on each property here, as Truto writes its schemas.
"""

from collections.abc import Mapping
from typing import Any

from truto_groups.sandbox import error_bodies
from truto_groups.sandbox.integrations import Integration, Parameter
from truto_groups.sandbox.served_accounts import Account
from truto_groups.sandbox.wire import Query, Response, read_boolean, read_list

MODEL = "user-directory"
RESOURCE = "groups"
DOCUMENTATION = "https://www.truto.one/docs/api-reference/unified-user-directory-api"

GROUP_SCHEMA: Mapping[str, Mapping[str, Any]] = {
    "id": {"type": "string", "required": True, "description": "The unique identifier."},
    "name": {"type": "string", "required": False, "description": "Name of the group."},
    "group_type": {
        "type": "string",
        "required": False,
        "enum": ["team", "department", "group"],
        "description": "Type of the group.",
    },
    "created_at": {
        "type": "string",
        "format": "date-time",
        "required": False,
        "description": "The date and time when the group was created.",
    },
    "updated_at": {
        "type": "string",
        "format": "date-time",
        "required": False,
        "description": "The date and time when the group was last updated.",
    },
    "description": {"type": "string", "required": False, "description": "What it is for."},
    "organization": {
        "type": "string",
        "required": False,
        "description": "The organization that the group belongs to.",
    },
    "remote_data": {
        "type": "object",
        "required": False,
        "description": "Raw data returned from the remote API call.",
    },
}


def describe_for_integration(integration: Integration | None, method: str) -> Response:
    """Answer ``/unified/user-directory/groups/{integration}/meta/{method}``."""
    if integration is None or not _is_mapped(integration, method):
        return error_bodies.truto_error(404, f"Method {method} of {MODEL}/{RESOURCE} is not mapped")
    filled = {name: GROUP_SCHEMA[name] for name in (*integration.fields, "remote_data")}
    body = _describe(integration, method)
    return Response.of_json(body | {"response_schema": _schema(filled)})


def describe_for_account(account: Account, method: str) -> Response:
    """Answer ``/unified/user-directory/groups/meta/{method}`` for one account."""
    if not _is_mapped(account.integration, method):
        return error_bodies.truto_error(404, f"Method {method} of {MODEL}/{RESOURCE} is not mapped")
    lines = [f'"{name}": {name}' for name in account.integration.fields]
    mapping = "response.{ " + ", ".join(lines) + " }"
    override: Any = (account.unified_model_override or {}).get(MODEL, {})
    mapping = override.get(RESOURCE, {}).get(method, {}).get("response_mapping", mapping)
    body = _describe(account.integration, method)
    return Response.of_json(body | {"response_mapping": mapping})


def describe_capabilities(
    integration: Integration, query: Query, *, account: Account | None = None
) -> Response:
    """Answer what an integration, or an account of it, can do.

    Args:
        integration: Whose capabilities.
        query: ``type`` (``proxy``, ``unified`` or ``all``), ``resource``, ``methods``,
            ``has_description``.
        account: Its status is told too.
    """
    asked = query.get("type", "all")
    body: dict[str, Any] = {
        "integration": {
            "id": f"integration-{integration.slug}",
            "slug": integration.slug,
            "name": integration.label,
        }
    }
    if account is not None:
        body["account"] = {
            "id": account.id,
            "status": account.status,
            "authentication_method": account.authentication_method,
            "is_blocked": account.is_blocked,
        }
    if asked in {"unified", "all"}:
        body["unified"] = _list_unified(integration, query)
    if asked in {"proxy", "all"}:
        proxied = [{"name": "groups", "methods": ["list"]}] if integration.has_groups else []
        body["proxy"] = {"resources": proxied}
    return Response.of_json(body)


def _list_unified(integration: Integration, query: Query) -> list[dict[str, Any]]:
    offered = {resource: ["list", "get"] for resource in integration.other_resources}
    if integration.has_groups:
        methods = ["list", "get"] if integration.has_get else ["list"]
        offered[f"{MODEL}/{RESOURCE}"] = methods
    wanted = set(read_list(query, "methods"))
    entries: list[dict[str, Any]] = []
    for path, methods in offered.items():
        model, resource = path.split("/")
        is_asked = query.get("resource") in {None, "", resource}
        if not is_asked or (wanted and not wanted.intersection(methods)):
            continue
        entry: dict[str, Any] = {
            "model": model,
            "model_label": f"Unified {model.replace('-', ' ').title()} API",
            "resource": resource,
            "docs_url": f"{DOCUMENTATION}/{resource}.md",
            "methods": methods,
            "env_overridden": False,
        }
        if read_boolean(query, "has_description"):
            entry["description"] = f"{resource.title()} of {integration.label}."
        entries.append(entry)
    return entries


def _is_mapped(integration: Integration, method: str) -> bool:
    is_known = method == "list" or (method == "get" and integration.has_get)
    return is_known and integration.has_groups


def _describe(integration: Integration, method: str) -> dict[str, Any]:
    parameters = integration.parameters if method == "list" else ()
    return {
        "method": method,
        "schema": _schema(GROUP_SCHEMA),
        "query_schema": _schema({p.name: _describe_parameter(p) for p in parameters}),
        "request_body_schema": None,
        "default_query": {},
        "default_body": None,
        "documentation_link": f"{DOCUMENTATION}/{RESOURCE}/{method}",
    }


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": parameter.json_type,
        "required": parameter.is_required,
        "description": parameter.description,
    }
    if parameter.values:
        described["enum"] = list(parameter.values)
    if parameter.format:
        described["format"] = parameter.format
    return described


def _schema(properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties)}
