"""What a client is told, as plain values, checked.

Where the values come from (a resource, the environment, the settings file) is settled elsewhere.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from truto_groups.errors import SettingsError
from truto_groups.query import QueryValue


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to reach Truto, and how hard to try.

    Attributes:
        base_url: Where Truto answers; ``http://`` only on loopback.
        page_size: Groups, or integrated accounts, to ask for in one page.
        accounts_at_once: Accounts that are fetched at once; sizes the connection pool.
        connect_timeout_seconds: Longest wait for a connection.
        read_timeout_seconds: Longest silence of the server inside an answer.
        retry_attempts: Attempts for one request, the first included.
        retry_seconds: From the first attempt of a request, the time in which another may start.
        requests_per_10_seconds: Ceiling for the token, over all accounts; 0 is none.

    Raises:
        SettingsError: The base URL would send the token in clear, or to nowhere.
    """

    base_url: str
    page_size: int = 100
    accounts_at_once: int = 16
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 60
    retry_attempts: int = 6
    retry_seconds: float = 300
    requests_per_10_seconds: int = 500
    is_loopback: bool = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a base URL that is unsafe or makes no sense."""
        object.__setattr__(self, "is_loopback", _check_base_url(self.base_url))
        object.__setattr__(self, "base_url", self.base_url.strip().rstrip("/"))


@dataclass(frozen=True, slots=True)
class GroupsRequest:
    """What to fetch for one sync of one integrated account.

    Attributes:
        integrated_account_id: The account.
        integration: Slug of its app.
        query: Query of List Groups by wire name, validated; a list of values is listed once each.
        requests_at_once: Requests under way for this account at any moment.
        requests_per_10_seconds: Ceiling for this account; 0 is none.
        max_pages: Pages of the whole sync, over all its listings.
        complete: Whether each group is read through Get Group: where it has to be, always, never.
    """

    integrated_account_id: str
    integration: str
    query: Mapping[str, QueryValue] = field(default_factory=dict[str, QueryValue])
    requests_at_once: int = 4
    requests_per_10_seconds: int = 50
    max_pages: int = 10_000
    complete: Literal["auto", "always", "never"] = "auto"


def _check_base_url(base_url: str) -> bool:
    advice = (
        "Set TRUTO_BASE_URL (or base_url) to an https:// address such as https://api.truto.one."
    )
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError("The base URL of Truto is not a URL.", advice=advice) from None
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "The base URL of Truto carries credentials, a query or a fragment.", advice=advice
        )
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(f"The base URL of Truto, {base_url!r}, is no URL.", advice=advice)
    is_loopback = _is_loopback(host)
    if parts.scheme == "http" and not is_loopback:
        raise SettingsError(
            f"The base URL of Truto, {base_url!r}, would send the API token in clear.",
            advice=advice + " Plain http:// is for this machine only.",
        )
    return is_loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
