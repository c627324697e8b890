"""Post a message to a webhook: somebody else's server, which gets no token and is not trusted.

Its URL is a secret: it stands in no error and in no log.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from truto_groups.errors import SettingsError
from truto_groups.text.secrecy import hide_address
from truto_groups.truto.network import check_network
from truto_groups.truto.redaction import guard_logs


# Dagster's own go to Slack, Teams or mail; none to an address that is a secret itself.
def post_json(
    url: str, payload: Mapping[str, object], *, within_seconds: float = 10.0
) -> str | None:
    """Post JSON, once: no retry, no redirect.

    Args:
        url: Where to, as settings/addresses.py has checked it.
        payload: What to post.
        within_seconds: After which it has failed, whatever the server, the network or the resolver
            of names does meanwhile.

    Returns:
        None when it was accepted (2xx), else why not, without the URL.
    """
    hide_address(url, name="webhook")
    # Not asyncio.run: that waits for the thread that resolves a name, however long it takes.
    loop = asyncio.new_event_loop()
    try:
        with guard_logs():  # the library logs the whole URL of what it sends
            return loop.run_until_complete(_post(url, payload, within_seconds))
    except TimeoutError:
        return f"it did not answer within {within_seconds:g} s"
    except SettingsError as error:
        return str(error)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # Only the type: what such errors say may hold the URL.
        return f"it could not be reached ({type(error).__name__})"
    finally:
        loop.close()


async def _post(url: str, payload: Mapping[str, object], seconds: float) -> str | None:
    # On this machine only: no certificates and no proxy needed.
    is_plain = urlsplit(url).scheme == "http"
    if not is_plain:
        check_network()
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, verify=verify, trust_env=not is_plain) as client,
        client.stream(
            "POST",
            url,
            content=json.dumps(payload),
            headers={"content-type": "application/json"},
            follow_redirects=False,
        ) as response,
    ):
        # The body is not read: nothing in it would be told, and it may never end.
        if response.is_success:
            return None
        redirect = ", a redirect, which is not followed" if response.is_redirect else ""
        return f"it answered {response.status_code}{redirect}"
