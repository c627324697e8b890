"""A sandbox on a port of its own and a plain HTTP reader, for the tests of the sandbox.

Real HTTP on loopback; nothing is faked.
"""

import gzip
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from truto_groups.sandbox import SandboxServer

GROUPS = "/unified/user-directory/groups"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reader:
    """Reads one server, as whoever has the token."""

    server: SandboxServer

    def get(
        self,
        path: str,
        query: str = "",
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request; the query string is sent as it stands."""
        parts = urlsplit(self.server.base_url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        sent = {"Authorization": f"Bearer {self.server.token}", **(headers or {})}
        try:
            connection.request(method, f"{path}?{query}" if query else path, headers=sent)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        received = {name.lower(): value for name, value in response.getheaders()}
        if received.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(response.status, received, body)

    def groups(self, integrated_account_id: str, query: str = "") -> Answer:
        """Ask for a page of groups."""
        account = f"integrated_account_id={integrated_account_id}"
        return self.get(GROUPS, f"{account}&{query}" if query else account)

    def group(self, integrated_account_id: str, group_id: object, query: str = "") -> Answer:
        """Ask for one group."""
        path = f"{GROUPS}/{quote(str(group_id), safe='')}"
        return self.get(path, f"integrated_account_id={integrated_account_id}&{query}")

    def pages(self, integrated_account_id: str, query: str = "") -> list[dict[str, Any]]:
        """Follow all pages of a list to its end."""
        pages = [self.groups(integrated_account_id, query).json]
        while pages[-1]["next_cursor"]:
            cursor = f"next_cursor={pages[-1]['next_cursor']}"
            pages.append(
                self.groups(integrated_account_id, f"{query}&{cursor}" if query else cursor).json
            )
        return pages

    def all_groups(self, integrated_account_id: str, query: str = "") -> list[Any]:
        """Read all groups of a list."""
        pages = self.pages(integrated_account_id, query)
        return [group for page in pages for group in page["result"]]


@pytest.fixture(name="serve")
def provide_servers() -> Iterator[Callable[..., Reader]]:
    """Start servers with arguments of one's own; all are closed after the test."""
    servers: list[SandboxServer] = []

    def serve(*accounts: Any, **options: Any) -> Reader:
        given = {"accounts": accounts} if accounts else {}
        servers.append(SandboxServer(**given, **options))
        return Reader(servers[-1])

    yield serve
    for server in servers:
        server.close()


@pytest.fixture(name="samples")
def provide_samples(serve: Callable[..., Reader]) -> Reader:
    """The accounts of the demo, at their first refresh."""
    return serve()
