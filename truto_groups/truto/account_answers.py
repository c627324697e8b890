"""Read integrated accounts, and what they can do, out of Truto's answers.

Pure: values in, values out. Which accounts get a partition is accounts/listing.py's to plan. An odd
field costs that field, an odd row that row, and nothing costs a listing but the listing itself.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

import msgspec
from msgspec import Raw

from truto_groups.accounts.model import UNKNOWN_INTEGRATION, ListedAccount
from truto_groups.truto.envelope import MalformedError, refuse_errors
from truto_groups.truto.json_repair import UNREADABLE, mend
from truto_groups.truto.refusals import shorten

_MODEL: Final = "user-directory"
_RESOURCE: Final = "groups"
_METHOD: Final = "list"


_UNKNOWN: Final = "unknown"
_WORD_LENGTH: Final = 100
_SCOPES_LENGTH: Final = 500
_TEXT_LENGTH: Final = 1000
_NOTHING: Final = frozenset({b"", b"null"})
_NO_OVERRIDE: Final = _NOTHING | {b"false", b"{}", b"[]", b'""', b"0"}
# What is no single word is written for people.
_NAME: Final = re.compile(r"[A-Za-z][\w.-]*")
# Ids are UUIDs; whatever else has to do for a URL, a table, and a key of a partition.
_ID: Final = re.compile(r"[!-~]{1,200}")


class _Account(msgspec.Struct):
    id: Raw = Raw()
    status: Raw = Raw()
    tenant_id: Raw = Raw()
    context: Raw = Raw()
    integration: Raw = Raw()
    environment_integration: Raw = Raw()
    is_sandbox: Raw = Raw()
    last_error: Raw = Raw()
    last_forbidden_error: Raw = Raw()
    created_at: Raw = Raw()
    updated_at: Raw = Raw()
    unified_model_override: Raw = Raw()


_ACCOUNT: Final = msgspec.json.Decoder(_Account)
_ROWS: Final = msgspec.json.Decoder(list[Raw])
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of a listing that names no account.

    Attributes:
        number: Its place on the page, from 1.
        told: What it says besides, for a person who looks for it.
    """

    number: int
    told: str


def read_accounts(
    records: str, *, redact: Callable[[str], str]
) -> list[ListedAccount | UnreadableRow]:
    """Read a page of List Integrated Accounts.

    Args:
        records: The JSON text of the array.
        redact: Takes the token out of what a server may have echoed.

    Returns:
        One entry per row: the account with what can be read of it, or what has no id.

    Raises:
        MalformedError: No array of records.
    """
    rows = _split(records)
    return [_read_row(bytes(row), number, redact) for number, row in enumerate(rows, start=1)]


def read_account(body: bytes, *, redact: Callable[[str], str]) -> ListedAccount:
    """Read the answer of Get Integrated Account.

    Raises:
        MalformedError: Not JSON, or without an id.
        ToldError: It calls itself an error.
    """
    refuse_errors(body := mend(body))
    account = _read_row(body, 1, redact)
    if isinstance(account, UnreadableRow):
        raise MalformedError("it is no integrated account with an id")
    return account


def _split(records: str) -> list[Raw]:
    try:
        return _ROWS.decode(records)
    except UNREADABLE:
        pass
    try:
        return _ROWS.decode(mend(records.encode()))
    except UNREADABLE as error:
        raise MalformedError(f"its records cannot be told apart ({error})") from None


def _read_row(
    row: bytes, number: int, redact: Callable[[str], str]
) -> ListedAccount | UnreadableRow:
    try:
        account = _decode_row(row)
    except UNREADABLE:
        return UnreadableRow(number, "no object")
    account_id = _read_id(account.id)
    integration = _read_slug(account.integration) or _read_slug(
        _read_member(account.environment_integration, "integration")
    )
    tenant_id = _read_text(account.tenant_id)
    if account_id is None:
        of_tenant = f" of tenant {shorten(redact(tenant_id), _WORD_LENGTH)}" if tenant_id else ""
        return UnreadableRow(number, f"integration {integration or UNKNOWN_INTEGRATION}{of_tenant}")
    return ListedAccount(
        id=account_id,
        integration=integration or UNKNOWN_INTEGRATION,
        status=_read_word(account.status) or _UNKNOWN,
        tenant_id=None if tenant_id is None else shorten(tenant_id, _TEXT_LENGTH),
        label=_read_label(account.context, redact),
        is_sandbox=bytes(account.is_sandbox) == b"true",
        last_error=shorten(redact(_read_text(account.last_error) or ""), _TEXT_LENGTH) or None,
        created_at=_read_instant(account.created_at),
        updated_at=_read_instant(account.updated_at),
        override_digest=_digest(account.unified_model_override),
        forbidden_call=_read_forbidden_call(account.last_forbidden_error, redact),
        forbidden_scopes=_read_scopes(account.last_forbidden_error, redact),
        forbidden_at=_read_instant(_read_member(account.last_forbidden_error, "occurred_at")),
    )


def _decode_row(row: bytes) -> _Account:
    try:
        return _ACCOUNT.decode(row)
    except UNREADABLE:
        return _ACCOUNT.decode(mend(row))


def find_groups_support(capabilities: dict[str, object]) -> bool | None:
    """Find whether capabilities include List Groups of the user directory.

    Truto's documents disagree on their shape: a list of resources, or an object that holds them,
    by model or not. All are understood; what is none of them tells nothing.

    Returns:
        False when resources are listed, be they none, and groups cannot be listed; None when no
        list of resources can be made out, or not what one of them can do: whoever is taken for
        unable is never synced.
    """
    unified = capabilities.get("unified")
    entries = [_split_name(*entry) for entry in _iter_entries(unified, _MODEL)]
    ours = [methods for model, name, methods in entries if (model, name) == (_MODEL, _RESOURCE)]
    if any(_METHOD in methods for methods in ours):
        return True
    if not entries:
        return False if unified in ([], {"resources": []}) else None
    is_told = all(
        isinstance(name, str) for model, resource, _ in entries for name in (model, resource)
    )
    return False if is_told and all(None not in methods for methods in ours) else None


def _split_name(
    model: object, name: object, methods: list[object]
) -> tuple[object, object, list[str | None]]:
    """Take ``user-directory/groups`` apart, as Truto's sync jobs name a resource."""
    if isinstance(name, str) and "/" in name:
        model, _, name = name.rpartition("/")
    return model, name, [_read_method(one) for one in methods]


def _iter_entries(top: object, model: object) -> Iterator[tuple[object, object, list[object]]]:
    """Yield model, name and methods of each resource, however deep they lie."""
    waiting: list[tuple[object, object]] = [(top, model)]
    while waiting:
        node, model = waiting.pop()
        if isinstance(node, list):
            waiting += [(one, model) for one in cast("list[object]", node)]
        elif isinstance(node, dict):
            entry = cast("dict[str, object]", node)
            model = entry.get("model", model)
            name = entry.get("resource", entry.get("name"))
            methods = entry.get("methods")
            if name is not None and isinstance(methods, list):
                yield model, name, cast("list[object]", methods)
            else:
                waiting += [
                    (inner, key if isinstance(inner, dict) and "resources" in inner else model)
                    for key, inner in entry.items()
                ]


def _read_method(method: object) -> str | None:
    """The name of a method, which may be one of several words on it; None where none is one."""
    told = [method]
    if isinstance(method, dict):
        named = cast("dict[str, object]", method)
        told = [named.get(key) for key in ("method", "name", "id")]
    names = [one.lower() for one in told if isinstance(one, str) and _NAME.fullmatch(one)]
    return _METHOD if _METHOD in names else next(iter(names), None)


def _read_id(raw: Raw) -> str | None:
    text = _read_text(raw) if bytes(raw)[:1] == b'"' or bytes(raw).isdigit() else None
    # What a mended character stands in is not the id any more, and dots would end a key.
    return text if text and _ID.fullmatch(text) and "..." not in text else None


def _read_slug(raw: Raw) -> str | None:
    """The app's kind, as the name of an object or as a text by itself."""
    return _read_word(raw) or _read_word(_read_member(raw, "name"))


def _read_word(raw: Raw) -> str | None:
    text = (_read_text(raw) or "").strip() if bytes(raw)[:1] == b'"' else ""
    return text if 0 < len(text) <= _WORD_LENGTH and text.isprintable() else None


def _read_label(context: Raw, redact: Callable[[str], str]) -> str | None:
    label = _read_member(context, "label")
    text = (_read_text(label) or "").strip() if bytes(label)[:1] == b'"' else ""
    return shorten(redact(text), _WORD_LENGTH) or None


def _read_forbidden_call(error: Raw, redact: Callable[[str], str]) -> str | None:
    """What Truto was refused the last time, such as ``groups list``; None where nothing was."""
    try:
        is_told = bool(_FIELDS.decode(error))
    except UNREADABLE:
        return None
    if not is_told:
        return None
    words = [_read_word(_read_member(error, name)) for name in ("resource", "method")]
    return shorten(redact(" ".join(word for word in words if word)), _WORD_LENGTH) or "a call"


def _read_scopes(error: Raw, redact: Callable[[str], str]) -> str | None:
    """The scopes that are missing, as text."""
    scopes = _read_member(error, "missing_scopes")
    try:
        names = [_read_word(one) for one in _ROWS.decode(scopes)]
    except UNREADABLE:
        names = [_read_word(scopes)]
    return shorten(redact(", ".join(name for name in names if name)), _SCOPES_LENGTH) or None


def _read_member(raw: Raw, name: str) -> Raw:
    try:
        return _FIELDS.decode(raw).get(name, Raw())
    except UNREADABLE:
        return Raw()


def _read_text(raw: Raw) -> str | None:
    """A text as it is, anything else as its JSON; None for what is absent or null."""
    found = bytes(raw)
    if found in _NOTHING:
        return None
    try:
        return msgspec.json.decode(found, type=str) if found[:1] == b'"' else found.decode()
    except UNREADABLE:
        return None


def _digest(raw: Raw) -> str | None:
    found = bytes(raw)
    if found in _NO_OVERRIDE:
        return None
    # What cannot be put in order is told apart by how it is written.
    with suppress(*UNREADABLE):
        found = msgspec.json.encode(msgspec.json.decode(found), order="sorted")
    return hashlib.sha256(found).hexdigest()


def _read_instant(raw: Raw) -> datetime | None:
    """An ISO 8601 instant, without zone in UTC; None for what is none."""
    if bytes(raw)[:1] != b'"':
        return None
    try:
        instant = datetime.fromisoformat((_read_text(raw) or "").strip())
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
