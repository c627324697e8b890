"""Keep secrets out of every text: what is known to be one is written as ``[secret]``.

Text in, text out. Whoever reads a secret (a token, a password in an address) hides it here, so that
errors and logs of libraries that quote it can be told.
"""

from urllib.parse import quote, quote_plus

_SHORTEST = 4
_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Take a text for a secret from now on, also as an address or a query would write it."""
    if len(secret) >= _SHORTEST:
        _hidden.update({secret, quote(secret, safe=""), quote(secret), quote_plus(secret)})


def redact(text: str) -> str:
    """Take every secret out of a text."""
    for secret in sorted(_hidden, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, "[secret]")
    return text
