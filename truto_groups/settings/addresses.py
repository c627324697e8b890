"""Which URLs the token and the reports may be sent to.

Pure: nothing is opened or looked up. A message never repeats a URL that may hold a secret.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalize_base_url(text: str) -> str:
    """Bring Truto's base URL into its one form: lower-case host, no default port, no final slash.

    Raises:
        ValueError: The token must not be sent there, or it is no URL; the message continues
            "<name> " and repeats no part that may be secret.
    """
    parts = _split(text)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or a password")
    if "?" in text or "#" in text:
        raise ValueError("holds a query or a fragment")
    _require_safe(parts)
    host = (parts.hostname or "").lower()
    port = parts.port
    shown_port = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{shown_port}{parts.path.rstrip('/')}"


def check_webhook_url(text: str) -> str:
    """Pass a webhook's URL on unchanged, or refuse it.

    Raises:
        ValueError: It is no URL, or neither HTTPS nor loopback; the message continues "<name> "
            and repeats nothing of it, because such a URL is a secret as a whole.
    """
    _require_safe(_split(text))
    return text


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine: ``localhost``, 127.0.0.0/8 or ``::1``."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address == ipaddress.IPv6Address("::1")
    return address.is_loopback


def _split(text: str) -> SplitResult:
    if not text.isascii() or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("holds a blank, a backslash or a character that no URL has")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    host = parts.hostname or ""
    if (
        parts.scheme not in _DEFAULT_PORTS
        or port == 0
        or not (_HOST.fullmatch(host) or ":" in host)
    ):
        raise ValueError("is no URL of a web server")
    return parts


def _require_safe(parts: SplitResult) -> None:
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("is plain http:// to another machine, where anyone on the way can read it")
