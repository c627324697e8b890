"""Keep the token out of every text: errors, and what the HTTP libraries log.

Text in, text out. Everything that a server may have echoed goes through here before it is told.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from truto_groups.errors import SettingsError
from truto_groups.settings.environment import is_token
from truto_groups.text.secrecy import hide, redact

# httpcore writes the headers of every answer to its debug log, and a server may echo the token.
_CHATTY_LOGGERS: Final = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "httpcore.socks",
)


def build_redactor(token: str) -> Callable[[str], str]:
    """Hide the token, and return what takes it out of a text, also where a server echoes it.

    Args:
        token: The API token; it is checked, because one that no header can carry would otherwise
            be quoted by the error of whoever tries.

    Raises:
        SettingsError: The token is empty or has characters that no API token has.
    """
    if not is_token(token):
        raise SettingsError(
            "The API token of Truto is empty or holds a space, a line break or another character "
            "that no token has.",
            advice="Set it again, exactly as the Truto dashboard showed it.",
        )
    hide(token, name="token")
    return redact


@contextmanager
def guard_logs(redact: Callable[[str], str] = redact) -> Generator[None]:
    """Keep secrets out of what the HTTP libraries log, as long as this lasts."""

    def guard(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        safe = redact(text)
        if safe != text:
            record.msg, record.args = safe, ()
        return True

    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).addFilter(guard)
    try:
        yield
    finally:
        for name in _CHATTY_LOGGERS:
            logging.getLogger(name).removeFilter(guard)
