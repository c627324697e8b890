"""Read integrated accounts, and what they can do, out of Truto's answers.

Pure: values in, values out. Which accounts get a partition is discovery.py's to plan.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, cast

import msgspec

from truto_groups.accounts import IntegratedAccount
from truto_groups.client.envelope import MalformedError

_MODEL: Final = "user-directory"
_RESOURCE: Final = "groups"
_METHOD: Final = "list"


class _Integration(msgspec.Struct):
    name: object = None


class _Environment(msgspec.Struct):
    integration: _Integration | None = None


class _Account(msgspec.Struct):
    id: str
    status: str
    tenant_id: object = None
    integration: _Integration | None = None
    environment_integration: _Environment | None = None
    is_sandbox: object = None
    last_error: object = None
    created_at: object = None
    updated_at: object = None
    unified_model_override: object = None


_ACCOUNT: Final = msgspec.json.Decoder(_Account)
_ACCOUNTS: Final = msgspec.json.Decoder(list[_Account])


def read_accounts(records: str, *, redact: Callable[[str], str]) -> list[IntegratedAccount]:
    """Read a page of List Integrated Accounts.

    Args:
        records: The JSON text of the array.
        redact: Takes the token out of what a server may have echoed.

    Raises:
        MalformedError: An account has no id or no status.
    """
    try:
        return [_build(account, redact) for account in _ACCOUNTS.decode(records)]
    except msgspec.ValidationError as error:
        raise MalformedError(f"an account in it has another shape ({error})") from None


def read_account(body: bytes, *, redact: Callable[[str], str]) -> IntegratedAccount:
    """Read the answer of Get Integrated Account.

    Raises:
        MalformedError: Not JSON, or without an id or status.
    """
    try:
        return _build(_ACCOUNT.decode(body), redact)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"it is no integrated account ({error})") from None


def find_groups_support(capabilities: dict[str, object]) -> bool | None:
    """Find whether capabilities include List Groups of the user directory.

    Truto's documents disagree on their shape: a list of resources, or an object that holds them,
    by model or not. All are understood; what is none of them tells nothing.

    Returns:
        False when resources are listed, be they none, and groups cannot be listed; None when no
        list of resources can be made out.
    """
    unified = capabilities.get("unified")
    entries = list(_iter_entries(unified, _MODEL))
    if any(name == _RESOURCE and model == _MODEL and _METHOD in m for model, name, m in entries):
        return True
    return False if entries or unified in ([], {"resources": []}) else None


def _iter_entries(node: object, model: object) -> Iterator[tuple[object, object, list[object]]]:
    """Yield model, name and methods of each resource."""
    if isinstance(node, list):
        for one in cast("list[object]", node):
            yield from _iter_entries(one, model)
    elif isinstance(node, dict):
        entry = cast("dict[str, object]", node)
        model = entry.get("model", model)
        name = entry.get("resource", entry.get("name"))
        methods = entry.get("methods")
        if name is not None and isinstance(methods, list):
            yield model, name, [_read_name(one) for one in cast("list[object]", methods)]
            return
        for key, inner in entry.items():
            is_model = isinstance(inner, dict) and "resources" in inner
            yield from _iter_entries(cast("object", inner), key if is_model else model)


def _read_name(method: object) -> object:
    if isinstance(method, dict):
        named = cast("dict[str, object]", method)
        return named.get("name", named.get("method"))
    return method


def _build(account: _Account, redact: Callable[[str], str]) -> IntegratedAccount:
    if not account.id:
        raise MalformedError("an account in it has an empty id")
    environment = account.environment_integration
    named = account.integration or (environment.integration if environment else None)
    slug = named.name if named is not None else None
    error = account.last_error
    return IntegratedAccount(
        id=account.id,
        integration=slug if isinstance(slug, str) and slug else "unknown",
        status=account.status,
        tenant_id=None if account.tenant_id is None else str(account.tenant_id),
        is_sandbox=account.is_sandbox is True,
        last_error=redact(_write(error)) if error else None,
        created_at=_read_instant(account.created_at),
        updated_at=_read_instant(account.updated_at),
        override_digest=_digest(account.unified_model_override),
    )


def _write(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _digest(override: object) -> str | None:
    if not override:
        return None
    return hashlib.sha256(msgspec.json.encode(override, order="sorted")).hexdigest()


def _read_instant(value: object) -> datetime | None:
    """An ISO 8601 instant, without zone in UTC; None for what is none."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
