"""The object store in which a lake's files lie, as the variables of AWS describe it.

Given the variables as a mapping and never at import. Who talks to the store is DuckDB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from truto_groups.errors import SettingsError
from truto_groups.text.secrecy import hide

_ACCESS_KEY = "AWS_ACCESS_KEY_ID"
_SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
_SESSION_TOKEN = "AWS_SESSION_TOKEN"  # noqa: S105 - the name of a variable
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class ObjectStore:
    """How a store that speaks S3 is reached.

    Attributes:
        access_key_id: Who asks.
        secret_access_key: What proves it.
        session_token: What a temporary key needs besides; None for one that lasts.
        region: Where the store is; None takes the store's default.
        endpoint: Host and port, where the store is not Amazon's; else None.
        is_encrypted: Whether it is asked over TLS.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    is_encrypted: bool = True


def read_object_store(environ: Mapping[str, str]) -> ObjectStore | None:
    """Read the variables of AWS; None where no access key is set.

    Raises:
        SettingsError: Half of a key is missing, or the endpoint is no address. No value that may
            be secret is repeated.
    """
    key, secret = _read(environ, _ACCESS_KEY), _read(environ, _SECRET_KEY)
    token = _read(environ, _SESSION_TOKEN)
    for one in (secret, token):
        hide(one or "")
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        given, missing = (_ACCESS_KEY, _SECRET_KEY) if key else (_SECRET_KEY, _ACCESS_KEY)
        raise SettingsError(
            f"{given} is set, and {missing} is not.",
            advice=f"Set both for the store in which the lake's files lie, or unset {given}.",
        )
    endpoint, is_encrypted = _read_endpoint(environ)
    region = next((one for name in _REGIONS if (one := _read(environ, name))), None)
    return ObjectStore(key, secret, token, region, endpoint, is_encrypted)


def _read_endpoint(environ: Mapping[str, str]) -> tuple[str | None, bool]:
    name = next((one for one in _ENDPOINTS if _read(environ, one)), None)
    if name is None:
        return None, True
    try:
        parts = urlsplit(environ[name].strip())
        is_address = parts.scheme in ("http", "https") and parts.hostname is not None
        is_bare = parts.path in ("", "/") and "@" not in parts.netloc and not parts.query
        _ = parts.port  # raises where it is no number
    except ValueError:
        is_address = is_bare = False
        parts = urlsplit("")
    if not is_address or not is_bare:
        raise SettingsError(
            f"{name} is no address of an object store.",
            advice="Set it to http:// or https:// with a host and, where it has one, a port.",
        )
    return parts.netloc, parts.scheme == "https"


def _read(environ: Mapping[str, str], variable: str) -> str | None:
    return environ.get(variable, "").strip() or None
