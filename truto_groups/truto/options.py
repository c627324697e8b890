"""What a client is told, as plain values, checked.

Where the values come from (a resource, the environment, the settings file) is settled elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from truto_groups.errors import SettingsError
from truto_groups.settings.addresses import is_loopback, normalize_base_url
from truto_groups.settings.query import QueryValue


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
        try:
            base_url = normalize_base_url(self.base_url.strip())
        except ValueError as error:
            raise SettingsError(
                f"The base URL of Truto {error}.",
                advice="Set TRUTO_BASE_URL (or base_url) to an https:// address such as "
                "https://api.truto.one; plain http:// is for this machine only.",
            ) from None
        object.__setattr__(self, "base_url", base_url)
        object.__setattr__(self, "is_loopback", is_loopback(urlsplit(base_url).hostname or ""))


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
        page_size: Groups to ask for in one page; None: as the client does.
    """

    integrated_account_id: str
    integration: str
    query: Mapping[str, QueryValue] = field(default_factory=dict[str, QueryValue])
    requests_at_once: int = 4
    requests_per_10_seconds: int = 50
    max_pages: int = 10_000
    complete: Literal["auto", "always", "never"] = "auto"
    page_size: int | None = None
