"""The way to the network as the machine has it: proxies and certificates, checked before use.

The HTTP library reads these variables when a client is opened, and quotes none of their names when
one of them is wrong. Nothing is sent here.
"""

import os
import re
import ssl
from pathlib import Path
from urllib.request import getproxies

import httpx

from truto_groups.errors import SettingsError
from truto_groups.text.secrecy import hide_password

_SCHEMES = ("http", "https", "all")
_CERTIFICATE_BY_HASH = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.ASCII)
_HIGHEST_PORT = 65_535


def check_network() -> None:
    """Refuse what the variables on proxies and certificates say, where no client can use it.

    Raises:
        SettingsError: Names the variable and what would be right.
    """
    # Reading certificates takes longer than all the rest, and a proxy is tried without them.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    proxies = getproxies()
    for scheme in _SCHEMES:
        if proxies.get(scheme):
            _check_proxy(scheme, proxies[scheme], context)
    if proxies.get("no"):
        _check_exceptions(context)
    _check_certificates()


def _check_proxy(scheme: str, address: str, context: ssl.SSLContext) -> None:
    hide_password(address)
    variable = _find_variable(f"{scheme}_proxy")
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        httpx.HTTPTransport(proxy=proxy, verify=context).close()
        is_reachable = bool(proxy.url.host) and (proxy.url.port or 1) <= _HIGHEST_PORT
    except ImportError:
        raise SettingsError(
            f"{variable} names a SOCKS proxy, and what speaks SOCKS is not installed.",
            advice="Install it beside truto-groups (pip install socksio), or set the variable to "
            "an http:// proxy, or unset it.",
        ) from None
    except (httpx.InvalidURL, ValueError):
        is_reachable = False
    if not is_reachable:
        raise SettingsError(
            f"{variable} is not the address of a proxy that can be used.",
            advice="Set it to an address such as http://proxy.example.com:8080, or unset it.",
        )


def _check_exceptions(context: ssl.SSLContext) -> None:
    variable = _find_variable("no_proxy")
    try:
        # The proxies were good, so that what is refused now is this.
        httpx.Client(verify=context).close()
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(
            f"{variable} holds something that is neither a host nor an IPv4 block ({error}).",
            advice="Leave out IPv6 blocks such as fd00::/8: write host names and single addresses, "
            "with commas between them, or * for no proxy at all.",
        ) from None


def _check_certificates() -> None:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            is_content = isinstance(error, ssl.SSLError)
            reason = "holds no certificate" if is_content else f"cannot be read ({error.strerror})"
            raise SettingsError(
                f"SSL_CERT_FILE names {file}, which {reason}.",
                advice="Set it to a file of certificates in PEM format, or unset it.",
            ) from None
    elif folder and not any(map(_holds_certificates, folder.split(os.pathsep))):
        # It is no error to the TLS library, which then trusts nobody.
        raise SettingsError(
            f"SSL_CERT_DIR names {folder}, which holds no certificate under its hash.",
            advice="Set it to a folder that `openssl rehash` has prepared, or unset it.",
        )


def _holds_certificates(folder: str) -> bool:
    try:
        return any(_CERTIFICATE_BY_HASH.fullmatch(one.name) for one in Path(folder).iterdir())
    except OSError:
        return False


def _find_variable(name: str) -> str:
    """The variable as it is written: the lower-case one wins, as with everybody who reads them."""
    return name if os.environ.get(name) else name.upper()
