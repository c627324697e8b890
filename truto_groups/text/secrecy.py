"""Keep secrets out of every text: what is known to be one is written as ``[token]``, ``[secret]``.

Text in, text out. Whoever reads a secret (a token, a password in an address) hides it here, so that
errors and logs of libraries that quote it can be told.
"""

import json
from urllib.parse import quote, quote_plus, unquote, urlsplit

# pydantic's SecretStr hides a secret where we show it, not where a library or a server quotes it.
# Shorter ones would be found in words that have nothing to do with them.
_SHORTEST = 4
_SHORTEST_BARE_PATH = 12
_hidden: dict[str, str] = {}


def hide(secret: str, *, name: str = "secret") -> None:
    """Take a text for a secret from now on, also as an address, a query or JSON would write it.

    Args:
        secret: The secret; one of less than four characters cannot be hidden.
        name: What it is, which is told in its place.
    """
    if len(secret) >= _SHORTEST:
        # Of a variable that is not UTF-8, Python makes half characters, which quote() refuses.
        plain = secret.encode(errors="surrogatepass")
        forms = (secret, quote(plain, safe=""), quote(plain), quote_plus(plain))
        _hidden.update(dict.fromkeys((*forms, json.dumps(secret)[1:-1]), f"[{name}]"))


def hide_password(address: str) -> None:
    """Take the password of an address such as ``http://user:password@host`` for a secret."""
    _, separator, rest = address.partition("://")
    # Taken apart by hand: what is wrong in an address is no reason to show its password.
    credentials, at, _ = (rest if separator else address).rpartition("@")
    _, colon, password = credentials.partition(":")
    if at and colon:
        hide(password, name="password")
        hide(unquote(password), name="password")


def hide_address(address: str, *, name: str) -> None:
    """Take an address for a secret as a whole, and its path and its query also without the rest."""
    hide_password(address)
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    for secret in (address, target, parts.path, parts.query):
        hide(secret, name=name)
    bare = parts.path.strip("/")
    if len(bare) >= _SHORTEST_BARE_PATH:  # `hook` stands in many a word
        hide(bare, name=name)


def redact(text: str) -> str:
    """Take every secret out of a text."""
    # A copy, because another thread may just be hiding something.
    for secret, name in sorted(_hidden.copy().items(), key=lambda one: -len(one[0])):
        if secret in text:
            text = text.replace(secret, name)
    return text
