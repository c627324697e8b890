"""Post a message to a webhook: somebody else's server, which gets no token and is not trusted.

Its URL is a secret: it stands in no error and in no log.
"""

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

from truto_groups.client.secrecy import guard_logs

_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)


def post_json(url: str, payload: Mapping[str, object]) -> str | None:
    """Post JSON, once: no retry, no redirect.

    Args:
        url: Where to, as settings/addresses.py has checked it.
        payload: What to post.

    Returns:
        None when it was accepted (2xx), else why not, without the URL.
    """
    parts = urlsplit(url)
    is_plain = parts.scheme == "http"  # on this machine only: no certificates and no proxy needed
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True
    try:
        with (
            # The library logs the whole URL of what it sends.
            guard_logs(lambda text: "[webhook]" if _names(text, url) else text),
            httpx.Client(timeout=_TIMEOUT, verify=verify, trust_env=not is_plain) as client,
            client.stream("POST", url, json=payload, follow_redirects=False) as response,
        ):
            # The body is not read: nothing in it would be told, and it may never end.
            status = response.status_code
    except httpx.TimeoutException as error:
        return f"it did not answer in time ({type(error).__name__})"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # Only the type: what such errors say may hold the URL.
        return f"it could not be reached ({type(error).__name__})"
    if response.is_success:
        return None
    redirect = ", a redirect, which is not followed" if response.is_redirect else ""
    return f"it answered {status}{redirect}"


def _names(text: str, url: str) -> bool:
    parts = urlsplit(url)
    secrets = [url, parts.netloc, parts.query, parts.path.strip("/")]
    return any(secret in text for secret in secrets if secret)
