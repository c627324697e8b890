"""What a connection string of Postgres leaves to libpq, and we do not.

Text in, text out, without the driver: DuckLake connects by itself, and is given the same string.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

# A machine that is lost is noticed within half a minute, and not after the two hours that TCP would
# take, or the quarter of an hour in which it sends again what nobody confirms.
DEFAULTS: Final[Mapping[str, Any]] = {
    "connect_timeout": 5,
    "application_name": "truto-groups",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# What a server says to whom it will not let in the next time either.
_REFUSALS: Final = (
    "authentication failed",
    "does not exist",
    "is not permitted to log in",
    "no password supplied",
    "no pg_hba.conf entry",
    "permission denied for database",
)
# What libpq says of a string that it cannot use, before it asks any server.
_MISTAKE: Final = re.compile(r'invalid (?:integer value|port number:|\w+ value:) "')
# As libpq takes it apart: before an @ a question mark belongs to the password.
_URI: Final = re.compile(r"(postgres(?:ql)?://(?:[^@/]*@)?[^?]*)(?:\?(.*))?", re.DOTALL)


def is_refused(told: str) -> bool:
    """Whether this string leads nobody in, and no waiting helps: the server says so, or libpq."""
    is_told = "FATAL:" in told and any(one in told for one in _REFUSALS)
    return is_told or _MISTAKE.search(told) is not None


def bound_timeout(told: str, *, within_seconds: float) -> str:
    """Bound how long each address may take to answer, and leave what is no number to libpq to tell.

    Args:
        told: As the connection string says it, in seconds; no bound where it is not positive.
        within_seconds: The bound. Of libpq's, which takes less than two seconds for two.
    """
    try:
        own = int(told)
    except ValueError:
        return told
    bound = max(2, math.ceil(within_seconds))
    return str(min(own, bound) if own > 0 else bound)


def lay_defaults(conninfo: str) -> str:
    """Put the defaults before what a connection string or URI says, of which the last counts.

    Args:
        conninfo: libpq's connection string or URI. It may hold a secret.
    """
    pairs = [f"{name}={value}" for name, value in DEFAULTS.items()]
    uri = _URI.fullmatch(conninfo)
    if uri is None:
        return " ".join([*pairs, conninfo])
    return f"{uri[1]}?{'&'.join([*pairs, *([uri[2]] if uri[2] else [])])}"
