"""Truto's error bodies: three fields always, the vendor's own answer when the vendor refused.

Every error has ``statusCode``, ``error`` and ``message``. Those of a vendor add
``truto_is_remote_error``, ``raw_response`` and ``truto_error_insight``.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from truto_groups.sandbox.wire import Response


def truto_error(
    status: int,
    message: str,
    *,
    insight: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with an error of Truto itself.

    Args:
        status: HTTP status.
        message: What went wrong, for a person.
        insight: ``truto_error_insight``, when Truto knows more.
        headers: Beside the usual ones.
    """
    return Response.of_json(_body(status, message, insight), status=status, headers=headers)


def remote_error(
    status: int,
    message: str,
    *,
    raw_response: object,
    insight: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with an error of the vendor, as Truto passes it on.

    Args:
        status: HTTP status.
        message: What Truto found in the vendor's body; may be empty.
        raw_response: The vendor's body, as JSON or as text.
        insight: Beside ``remote_error``, which is always there.
        headers: Headers of the vendor that are forwarded.
    """
    remote = {"remote_error": {"description": "The error came from the remote API."}}
    body = _body(status, message, {**remote, **(insight or {})})
    body |= {"truto_is_remote_error": True, "raw_response": raw_response}
    return Response.of_json(body, status=status, headers=headers)


def missing_parameters(names: Sequence[str]) -> Response:
    """Answer that required query parameters were left out."""
    insight = {
        "missing_required_query_parameters": {
            "description": "These query parameters are required by the integration.",
            "value": list(names),
        }
    }
    return truto_error(400, f"{', '.join(names)} is required", insight=insight)


def needs_reauth(*, raw_response: object, message: str = "Unauthorized") -> Response:
    """Answer that the vendor no longer takes the account's credentials."""
    return remote_error(401, message, raw_response=raw_response)


def missing_scopes(scopes: Sequence[str], *, raw_response: object) -> Response:
    """Answer that the account's authorisation lacks scopes."""
    insight = {
        "forbidden_error": {
            "description": "The connected account lacks scopes.",
            "value": {"missing_scopes": list(scopes)},
        }
    }
    return remote_error(403, "Forbidden", raw_response=raw_response, insight=insight)


def rate_limited_by_vendor(*, reset_seconds: int, limit: str = "100;w=60") -> Response:
    """Answer that the vendor throttles the account."""
    insight = {"rate_limit_error": {"description": "The remote API limits requests."}}
    headers = {
        "ratelimit-limit": limit,
        "ratelimit-remaining": "0",
        "ratelimit-reset": str(reset_seconds),
    }
    raw = {"error": "rate_limited"}
    return remote_error(
        429, "Too many requests", raw_response=raw, insight=insight, headers=headers
    )


def rate_limited_by_truto(subject: str, *, retry_after_seconds: int = 10) -> Response:
    """Answer that Truto throttles; the subject is ``API token`` or ``integrated account``."""
    headers = {"Retry-After": str(retry_after_seconds)}
    return truto_error(429, f"Too many requests for this {subject}", headers=headers)


def _body(status: int, message: str, insight: Mapping[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
    }
    if insight:
        body["truto_error_insight"] = dict(insight)
    return body
